import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { databasesOf, type Run, templatesOf } from './end-run.js'
import { administer, SERVER } from './own-database.js'

let around: string
let run: Run
beforeEach(() => {
  around = mkdtempSync(join(tmpdir(), 'consentry-end-run-'))
  const name = randomBytes(4).toString('hex')
  const [directory, cache] = [join(around, 'run'), join(around, 'cache')]
  run = { name, directory, cache, ...(SERVER === undefined ? {} : { server: SERVER }) }
  for (const path of [join(directory, 'data'), join(cache, `${templatesOf(name)}-1`), join(cache, 'gateway-1')])
    mkdirSync(path, { recursive: true })
})
afterEach(() => rmSync(around, { recursive: true, force: true }))

/** A process that has its data there, and would stay. */
function staying(data: string) {
  const child = spawn(process.execPath, ['-e', 'console.log(0); setInterval(() => {}, 1000)'], {
    env: { CONSENTRY_DATA: data },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { child, exited: once(child, 'exit'), up: once(child.stdout, 'data') }
}

it('leaves nothing of a run whose end nobody sees, touches nothing before, and nothing of others', async () => {
  const [own, other] = [staying(join(run.directory, 'data')), staying(`${run.directory}-of-another`)]
  await Promise.all([own.up, other.up])
  const databases = (): Promise<unknown[]> =>
    administer(SERVER as string, `SELECT 1 FROM pg_database WHERE starts_with(datname, '${databasesOf(run.name)}')`)
  if (SERVER !== undefined) await administer(SERVER, `CREATE DATABASE ${databasesOf(run.name)}left`)
  const keeper = spawn(process.execPath, [fileURLToPath(new URL('end-run.ts', import.meta.url)), JSON.stringify(run)], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const kept = once(keeper, 'exit')
  await sleep(500)
  expect([keeper.exitCode, own.child.exitCode, existsSync(run.directory)]).toEqual([null, null, true])
  keeper.stdin.destroy()
  expect(await kept).toEqual([0, null])
  expect(await own.exited).toEqual([null, 'SIGKILL'])
  expect([existsSync(run.directory), readdirSync(run.cache)]).toEqual([false, ['gateway-1']])
  if (SERVER !== undefined) expect(await databases()).toEqual([])
  expect([other.child.exitCode, other.child.signalCode]).toEqual([null, null])
  other.child.kill('SIGKILL')
  await other.exited
})
