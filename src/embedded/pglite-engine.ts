import { PGlite } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'

/*
 * PGlite as a byte machine: frontend messages in, backend messages out (PostgreSQL protocol 3.0,
 * https://www.postgresql.org/docs/18/protocol-message-formats.html). The same file is the engine when it is imported
 * and a worker when it is started as one. It imports packages only and uses erasable types only, because Node starts
 * it from source in tests, without a loader.
 */

/** `exec` runs to the end before it returns: PGlite is one session and synchronous. */
export interface Engine {
  exec(message: Uint8Array): Uint8Array
  /** Writes a checkpoint if there is enough WAL; single-user mode never does by itself. Not inside a transaction. */
  checkpoint(when: 'due' | 'idle'): void
  close(): Promise<void>
}

/** Bytes of WAL since the last checkpoint that make one due at once, and when nothing else is to do. */
const DUE_BYTES = 128 << 20
const IDLE_BYTES = 8 << 20
const IDLE_MS = 200

/** Written when the cluster is complete and synced; without it the files are the rest of an interrupted first start. */
const COMPLETE = 'consentry-complete'

interface NodeStream {
  nfd: number
  node: { name: string }
}
interface EmscriptenModule {
  readonly NODEFS: { readonly stream_ops: StreamOps }
  readonly FS: { readonly ErrnoError: new (errno: number) => Error }
}
/** WASI's number of "input/output error". */
const EIO = 29

interface StreamOps {
  write(stream: NodeStream, buffer: Uint8Array, offset: number, length: number, position: number): number
  fsync?(stream: NodeStream): number
}

/** NODEFS with a real fsync: Emscripten asks for `stream_ops.fsync`, and PGlite leaves it empty. */
class DurableFS extends NodeFS {
  walBytes = 0

  override async init(pg: PGlite, options: Parameters<NodeFS['init']>[1]): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(pg, options)
    emscriptenOpts.preRun?.unshift((module: unknown) => {
      const { NODEFS, FS } = module as EmscriptenModule
      const ops = NODEFS.stream_ops
      const write = ops.write.bind(ops)
      ops.write = (stream, buffer, offset, length, position) => {
        // WAL segments are named by 24 hexadecimal digits
        if (stream.node.name.length === 24) this.walBytes += length
        return write(stream, buffer, offset, length, position)
      }
      ops.fsync = (stream) => {
        try {
          fs.fsyncSync(stream.nfd)
          return 0
        } catch {
          // as an error number PostgreSQL sees it, and panics rather than acknowledge
          throw new FS.ErrnoError(EIO)
        }
      }
    })
    return { emscriptenOpts }
  }
}

/** PGlite's start parameters without `-F`, which turns fsync off. `fdatasync` is a stub in this build, `fsync` is not. */
const START_PARAMETERS = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
  '-c',
  'fsync=on',
  '-c',
  'wal_sync_method=fsync',
  '-c',
  'jit=off',
]

/** @param directory of the cluster; `null` keeps it in memory (tests) */
export async function openEngine(directory: string | null): Promise<Engine> {
  const files = directory === null ? null : new DurableFS(prepare(directory))
  const db = await PGlite.create(files === null ? {} : { fs: files, startParams: START_PARAMETERS })
  if (directory !== null && !fs.existsSync(join(directory, COMPLETE))) complete(directory)
  let checkpointed = files?.walBytes ?? 0
  return {
    exec: (message) => db.execProtocolRawSync(message),
    checkpoint: (when) => {
      if (files === null || files.walBytes - checkpointed < (when === 'due' ? DUE_BYTES : IDLE_BYTES)) return
      db.execProtocolRawSync(simpleQuery('CHECKPOINT'))
      checkpointed = files.walBytes
    },
    close: () => db.close(),
  }
}

function prepare(directory: string): string {
  if (fs.existsSync(directory) && !fs.existsSync(join(directory, COMPLETE))) fs.rmSync(directory, { recursive: true })
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  return directory
}

/** PGlite unpacks a new cluster without syncing it; what is acknowledged later rests on these files. */
function complete(directory: string): void {
  for (const entry of fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    syncPath(join(entry.parentPath, entry.name))
  }
  fs.writeFileSync(join(directory, COMPLETE), '')
  syncPath(join(directory, COMPLETE))
  syncPath(directory)
}

function syncPath(path: string): void {
  const descriptor = fs.openSync(path, 'r')
  fs.fsyncSync(descriptor)
  fs.closeSync(descriptor)
}

/** Message `Query`: 'Q', length, text, 0. */
function simpleQuery(text: string): Uint8Array {
  const message = Buffer.alloc(6 + Buffer.byteLength(text))
  message.write('Q')
  message.writeInt32BE(message.length - 1, 1)
  message.write(text, 5)
  return message
}

/** Status of the last message if that is ReadyForQuery ('Z', length 5, status): `I` outside of a transaction. */
function readyStatus(reply: Uint8Array): string | undefined {
  const end = reply.length
  return end >= 6 && reply[end - 6] === 0x5a ? String.fromCharCode(reply[end - 1] as number) : undefined
}

/** Message `Terminate`: 'X'. */
const TERMINATE = 0x58

const task = workerData as { pglite?: { directory: string | null } } | null

if (!isMainThread && parentPort && task?.pglite) {
  const port = parentPort
  const engine = await openEngine(task.pglite.directory)
  let idle: NodeJS.Timeout | undefined
  port.on('message', (message: Uint8Array | 'close') => {
    clearTimeout(idle)
    if (message === 'close') {
      void engine.close().finally(() => port.close())
      return
    }
    const reply = engine.exec(message)
    const status = readyStatus(reply)
    port.postMessage(reply, [reply.buffer as ArrayBuffer])
    // every message of pg's asks for ReadyForQuery, except Terminate; after a panic it does not come any more
    if (status === undefined && message[0] !== TERMINATE) throw new Error('PGlite has stopped answering.')
    if (status !== 'I') return
    engine.checkpoint('due')
    idle = setTimeout(() => engine.checkpoint('idle'), IDLE_MS)
  })
  port.postMessage('ready')
}
