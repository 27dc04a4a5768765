import pg from 'pg'
import { Worker } from 'node:worker_threads'
import { ConsentryError } from '../errors.js'
import { PgliteMaintenance } from './pglite-maintenance.js'
import { type PgliteSession, PgliteSocket } from './pglite-socket.js'

/** What TypeORM's postgres driver loads instead of the package `pg`. */
export interface PostgresDriverModule {
  readonly Pool: typeof pg.Pool
  readonly Client: typeof pg.Client
}

export interface Pglite {
  readonly driver: PostgresDriverModule
  close(): Promise<void>
}

/**
 * Starts PGlite in a worker thread and hands out `pg` on top of it: the real Pool and Client, whose socket leads to
 * the worker. The pool has one client because PGlite is one session: a transaction owns it from `connect` to
 * `release`, everybody else waits in line. Acknowledged commits are fsynced.
 *
 * @param directory of the cluster, held by no other process; `null` keeps it in memory (tests)
 */
export async function startPglite(directory: string | null): Promise<Pglite> {
  const session = new Session(directory)
  await session.start()
  const maintenance = new PgliteMaintenance()

  class Pool extends pg.Pool {
    constructor(options?: pg.PoolConfig) {
      super({
        ...options,
        user: 'postgres',
        database: 'postgres',
        password: '-',
        ssl: false,
        max: 1,
        idleTimeoutMillis: 0,
        stream: () => new PgliteSocket(session),
      })
      maintenance.watch(this)
    }
  }

  return {
    driver: { Pool: Pool, Client: pg.Client },
    close: async () => {
      maintenance.stop()
      await session.close()
    },
  }
}

/** Node runs the worker from source in tests and from dist otherwise. */
const ENGINE = new URL(import.meta.url.endsWith('.ts') ? './pglite-engine.ts' : './pglite-engine.js', import.meta.url)

/** The worker and the replies that it owes, in order. A worker that died is started again for the next client. */
class Session implements PgliteSession {
  #worker: Promise<Worker> | undefined
  #closed = false
  readonly #owed: { resolve: (reply: Uint8Array) => void; reject: (error: Error) => void }[] = []

  constructor(private readonly directory: string | null) {}

  async start(): Promise<void> {
    if (this.#closed) throw stopped()
    this.#worker ??= this.#spawn()
    await this.#worker
  }

  async #spawn(): Promise<Worker> {
    // flags of the main thread, such as --input-type, are none of the worker's
    const worker = new Worker(ENGINE, { workerData: { pglite: { directory: this.directory } }, execArgv: [] })
    await new Promise<void>((resolve, reject) => {
      worker.once('message', () => resolve())
      // what PGlite throws is not always an Error
      worker.once('error', (cause) => reject(stopped(cause)))
    }).catch((error: unknown) => {
      this.#worker = undefined
      throw error
    })
    worker.on('message', (reply: Uint8Array) => this.#owed.shift()?.resolve(reply))
    worker.on('exit', () => {
      this.#worker = undefined
      for (const { reject } of this.#owed.splice(0)) reject(stopped())
    })
    return worker
  }

  async exchange(message: Uint8Array): Promise<Uint8Array> {
    const worker = await this.#worker
    if (worker === undefined) throw stopped()
    // a copy of its own, so that it can be moved to the worker instead of being copied once more
    const moved = new Uint8Array(message)
    return new Promise((resolve, reject) => {
      this.#owed.push({ resolve, reject })
      worker.postMessage(moved, [moved.buffer])
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = await this.#worker
    if (worker === undefined) return
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage('close')
    await exited
  }
}

function stopped(cause?: unknown): ConsentryError {
  return new ConsentryError('unavailable', 'The embedded database has stopped.', { retryAfterSeconds: 5, cause })
}
