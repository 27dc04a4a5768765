import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { codeOf, ConsentryError } from '../errors.js'
import { RUNNING_FILE, type RunningGateway } from './running.js'

/** Everything that one gateway keeps on disk, for the owner's eyes only, open in one process at a time. */
export interface DataDirectory {
  readonly path: string
  /** Absolute path of something in it. */
  file(...parts: string[]): string
  /** Undefined when there is no such file. */
  read(name: string): Promise<Buffer | undefined>
  /** Whole or not at all, durable on return, mode 0600. */
  write(name: string, content: string | Uint8Array): Promise<void>
  remove(name: string): Promise<void>
  /** Tells command line programs where the gateway that uses this directory is; undone by `close`. */
  announce(fhirUrl: string): Promise<void>
  close(): Promise<void>
}

const LOCK = 'lock'
const HOLDER = 'lock.json'

/**
 * Creates the directory if needed and locks it. The lock is the kernel's (a byte-range lock that SQLite takes on
 * an empty file), so it is gone the moment the holder dies, even by SIGKILL: nothing is ever stale and no process
 * id has to be believed. The file beside it only says who holds it.
 *
 * @throws ConsentryError `conflict` when another process has it, `invalid` when it cannot be made or written
 */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  await makeDirectory(path).catch((error: unknown) => {
    throw notUsable(error)
  })
  const lock = await takeLock(path)
  const directory: DataDirectory = {
    path,
    file: (...parts) => join(path, ...parts),
    read: (name) => readFile(join(path, name)).catch(absent),
    write: (name, content) => writeDurably(join(path, name), content),
    remove: (name) => rm(join(path, name), { force: true }),
    announce: (fhirUrl) =>
      directory.write(RUNNING_FILE, JSON.stringify({ fhirUrl, pid: process.pid } satisfies RunningGateway)),
    close: async () => {
      await directory.remove(RUNNING_FILE)
      await rm(join(path, HOLDER), { force: true })
      lock.close()
    },
  }
  await directory.write(HOLDER, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }))
  return directory
}

/** Not `recursive`: where a file system makes no directories (/proc), Node tries that one for ever. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return
    if (code !== 'ENOENT' || dirname(path) === path || (await exists(dirname(path)))) throw error
    await makeDirectory(dirname(path))
    await mkdir(path, { mode: 0o700 })
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

function notUsable(error: unknown): ConsentryError {
  const text = `CONSENTRY_DATA is not usable (${codeOf(error)}); expected a directory that this user may make and write.`
  return new ConsentryError('invalid', text, { cause: error })
}

async function takeLock(path: string): Promise<DatabaseSync> {
  let lock: DatabaseSync
  try {
    lock = new DatabaseSync(join(path, LOCK), { timeout: 0 })
  } catch (error) {
    throw notUsable(error)
  }
  try {
    // The journal in memory: the transaction is never written, only its lock matters.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    if (!/locked|busy/i.test(String(error))) throw error
    const holder = await readHolder(path)
    const who = holder.pid === undefined ? 'another process' : `process ${holder.pid}`
    throw new ConsentryError(
      'conflict',
      `The data directory ${path} is in use by ${who}; stop it, or choose another with CONSENTRY_DATA.`,
      { cause: error },
    )
  }
}

async function readHolder(path: string): Promise<{ pid?: number }> {
  try {
    return JSON.parse(await readFile(join(path, HOLDER), 'utf8')) as { pid?: number }
  } catch {
    return {}
  }
}

/** Write beside, flush, rename, flush the directory: a crash leaves the old content or the new. */
async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const beside = `${path}.${randomUUID()}.new`
  const file = await open(beside, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, path)
  const folder = await open(dirname(path))
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function absent(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined
  throw error
}
