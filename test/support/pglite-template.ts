import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openEngine } from '../../src/embedded/pglite-engine.js'

const MODULES = fileURLToPath(new URL('../../node_modules/', import.meta.url))
const { version } = JSON.parse(readFileSync(join(MODULES, '@electric-sql/pglite/package.json'), 'utf8')) as {
  version: string
}
const CACHE = join(MODULES, '.cache/consentry')
const TEMPLATE = join(CACHE, `pglite-${version}`)

/**
 * A new directory with an empty PGlite cluster. Making one takes seconds, so it is made once and copied: the copy opens
 * in a quarter of a second.
 */
export async function pgliteDirectory(): Promise<string> {
  if (!existsSync(TEMPLATE)) await makeTemplate()
  const directory = mkdtempSync(join(tmpdir(), 'consentry-pglite-'))
  cpSync(TEMPLATE, directory, { recursive: true })
  return directory
}

async function makeTemplate(): Promise<void> {
  mkdirSync(CACHE, { recursive: true })
  const made = mkdtempSync(join(CACHE, 'making-'))
  const engine = await openEngine(join(made, 'cluster'))
  await engine.close()
  try {
    renameSync(join(made, 'cluster'), TEMPLATE)
  } catch (error) {
    // another test was faster
    if (!existsSync(TEMPLATE)) throw error
  } finally {
    rmSync(made, { recursive: true })
  }
}
