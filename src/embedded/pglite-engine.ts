import { PGlite } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'
import * as fs from 'node:fs'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'

/*
 * PGlite as a byte machine: frontend messages in, backend messages out (PostgreSQL protocol 3.0,
 * https://www.postgresql.org/docs/17/protocol-message-formats.html). The same file is the engine when it is imported and
 * a worker when it is started as one. It imports packages only and uses erasable types only, because Node starts it
 * from source in tests, without a loader.
 */

/** What a started engine offers. `exec` runs to the end before it returns: PGlite is one session and synchronous. */
export interface Engine {
  exec(message: Uint8Array): Uint8Array
  close(): Promise<void>
}

export interface EngineOptions {
  /** Directory of the cluster; `null` keeps it in memory (tests only). */
  readonly directory: string | null
}

/** WAL written since the last checkpoint that makes one due when idle, and at once. Single-user mode never checkpoints by itself. */
const CHECKPOINT_IDLE_BYTES = 16 << 20
const CHECKPOINT_FORCED_BYTES = 128 << 20

interface NodeStream {
  nfd: number
  node: { name: string }
}
interface StreamOps {
  write(stream: NodeStream, buffer: Uint8Array, offset: number, length: number, position: number): number
  fsync?(stream: NodeStream): number
}

/** NODEFS with a real fsync: Emscripten asks `stream_ops.fsync` and PGlite leaves it empty. */
class DurableFS extends NodeFS {
  walBytes = 0

  override async init(pg: PGlite, options: Parameters<NodeFS['init']>[1]): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(pg, options)
    emscriptenOpts.preRun?.unshift((module: unknown) => {
      const ops = (module as { NODEFS: { stream_ops: StreamOps } }).NODEFS.stream_ops
      const write = ops.write
      ops.write = (stream, buffer, offset, length, position) => {
        // WAL segments are named by 24 hexadecimal digits.
        if (stream.node.name.length === 24) this.walBytes += length
        return write(stream, buffer, offset, length, position)
      }
      ops.fsync = (stream) => {
        fs.fsyncSync(stream.nfd)
        return 0
      }
    })
    return { emscriptenOpts }
  }
}

/** PGlite's own start parameters without `-F`, which turns fsync off; `fdatasync` is a stub in this build, `fsync` is not. */
function startParameters(): string[] {
  return [
    ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
    '-c',
    'fsync=on',
    '-c',
    'wal_sync_method=fsync',
  ]
}

export async function openEngine(options: EngineOptions): Promise<Engine> {
  const files = options.directory === null ? null : new DurableFS(options.directory)
  const db = await PGlite.create(files === null ? {} : { fs: files, startParams: startParameters() })
  return {
    exec: (message) => db.execProtocolRawSync(message),
    close: () => db.close(),
  }
}

if (!isMainThread && parentPort && (workerData as { consentryPglite?: EngineOptions } | null)?.consentryPglite) {
  const port = parentPort
  const engine = await openEngine((workerData as { consentryPglite: EngineOptions }).consentryPglite)
  port.on('message', (message: Uint8Array) => {
    const reply = engine.exec(message)
    port.postMessage(reply, [reply.buffer as ArrayBuffer])
  })
  port.postMessage(null)
}
