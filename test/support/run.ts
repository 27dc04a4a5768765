import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { endRun, type Run } from './end-run.js'
import { RUN, SERVER } from './own-database.js'
import { CACHE } from './template.js'

const MEMORY = '/dev/shm'
const ENOUGH_BYTES = 4 * 2 ** 30

/** What vitest does before the first file and after the last. */
export function setup(): () => Promise<void> {
  const name = (process.env[RUN] ??= randomBytes(4).toString('hex'))
  const directory = mkdtempSync(join(placeForDirectories(), 'consentry-run-'))
  // `os.tmpdir()` of the processes that run the tests.
  process.env['TMPDIR'] = directory
  const run: Run = { name, directory, cache: CACHE, ...(SERVER === undefined ? {} : { server: SERVER }) }
  // In no group of ours: what ends us all, by the keyboard or not, leaves it to clean up.
  const keeper = spawn(process.execPath, [fileURLToPath(new URL('end-run.ts', import.meta.url)), JSON.stringify(run)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  keeper.unref()
  return async () => {
    await endRun(run)
    keeper.kill('SIGKILL')
  }
}

/**
 * Clusters are copied by the hundred, forty megabytes each, and wait for the disk at every commit. None of the tests is about a machine that
 * loses its power: what a process has written outlives it in memory as well.
 */
function placeForDirectories(): string {
  if (!existsSync(MEMORY)) return tmpdir()
  const { bavail, bsize } = statfsSync(MEMORY)
  return bavail * bsize < ENOUGH_BYTES ? tmpdir() : MEMORY
}
