import { cpSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type DataDirectory, openDataDirectory } from '../../src/embedded/data-directory.js'
import { ConsentryError } from '../../src/errors.js'

export const CACHE = fileURLToPath(new URL('../../node_modules/.cache/consentry', import.meta.url))

/**
 * A new directory that is a copy of a template, which is made when it is first asked for and kept until it is of other code.
 *
 * @param kind of template
 * @param version of what it was made by: everything that its content follows from
 * @param make fills an empty directory
 * @param prefix of the name of the copy
 */
export async function copyOfTemplate(
  kind: string,
  version: string,
  make: (directory: string) => Promise<void>,
  prefix: string,
): Promise<string> {
  const template = join(CACHE, `${kind}-${version}`)
  if (!existsSync(template)) await alone(() => makeTemplate(kind, template, make))
  const directory = mkdtempSync(join(tmpdir(), prefix))
  cpSync(template, directory, { recursive: true })
  return directory
}

/** One test file makes templates at a time, the others wait. */
async function alone(work: () => Promise<void>): Promise<void> {
  const lock = await takeLock()
  try {
    await work()
  } finally {
    await lock.close()
  }
}

/** It is gone when its holder dies. */
async function takeLock(): Promise<DataDirectory> {
  for (;;) {
    try {
      return await openDataDirectory(join(CACHE, 'making'))
    } catch (error) {
      if (!(error instanceof ConsentryError && error.kind === 'conflict')) throw error
      await sleep(100)
    }
  }
}

async function makeTemplate(kind: string, template: string, make: (directory: string) => Promise<void>): Promise<void> {
  // Another was faster.
  if (existsSync(template)) return
  // What a run that was killed has left.
  forget('unfinished-')
  const making = mkdtempSync(join(CACHE, 'unfinished-'))
  try {
    await make(making)
    forgetTemplates(kind)
    renameSync(making, template)
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}

function forgetTemplates(kind: string): void {
  if (existsSync(CACHE)) forget(`${kind}-`)
}

function forget(prefix: string): void {
  for (const name of readdirSync(CACHE)) {
    if (name.startsWith(prefix)) rmSync(join(CACHE, name), { recursive: true, force: true })
  }
}
