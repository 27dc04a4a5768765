import { Worker } from 'node:worker_threads'
import { ConsentryError } from '../errors.js'
import type { CapsuleKey } from './keys.js'
import { type SealedRow, sealRows } from './row-seal.js'
import { type Author, seal, type Sealed, type SealItem } from './seal.js'
import {
  packRecords,
  packRows,
  type RecordsJob,
  type RowItem,
  type RowsJob,
  type SealedRecords,
  type SealedRows,
  unpackSealedRecords,
  unpackSealedRows,
} from './sealing-job.js'
import type { SealingReply, SealingWorkerData } from './sealing-worker.js'
import { rememberSignature } from './signatures.js'

/** Seals for one author, in the order of the items. Both throw ConsentryError `too-large` above 64 MiB. */
export interface Sealer {
  /** Records, into blocks. */
  seal(items: readonly SealItem[]): Promise<Sealed[]>
  /** Bodies that lie in their row. */
  sealRows(items: readonly RowItem[], key: CapsuleKey): Promise<SealedRow[]>
}

/** In the thread that asks. */
export class DirectSealer implements Sealer {
  constructor(private readonly author: Author) {}

  async seal(items: readonly SealItem[]): Promise<Sealed[]> {
    return remembered(this.author, seal(items, this.author))
  }

  async sealRows(items: readonly RowItem[], key: CapsuleKey): Promise<SealedRow[]> {
    return sealRows(items, this.author.id, key)
  }
}

/** From these on, the way to another thread and back holds this one for less than sealing would: a record takes 0.1 ms, a row 0.03. */
const RECORDS_WORTH_IT = 4
const ROWS_WORTH_IT = 12
const BYTES_WORTH_IT = 64 * 1024

/**
 * Seals much at once in a thread of its own, so that the event loop goes on meanwhile, and little in the thread that asks.
 * The thread starts when it is first needed; one that died is started again.
 */
export class SealingThread implements Sealer {
  readonly #direct: DirectSealer
  #worker: Worker | undefined
  /** The replies that the worker owes, in their order. */
  #owed: PromiseWithResolvers<SealingReply>[] = []

  /** @param script the compiled sealing-worker.js */
  constructor(
    private readonly author: Author,
    private readonly script = new URL('./sealing-worker.js', import.meta.url),
  ) {
    this.#direct = new DirectSealer(author)
  }

  async seal(items: readonly SealItem[]): Promise<Sealed[]> {
    if (isLittle(items, RECORDS_WORTH_IT)) return this.#direct.seal(items)
    return remembered(this.author, unpackSealedRecords(await this.#run<SealedRecords>(packRecords(items))))
  }

  async sealRows(items: readonly RowItem[], key: CapsuleKey): Promise<SealedRow[]> {
    if (isLittle(items, ROWS_WORTH_IT)) return this.#direct.sealRows(items, key)
    return unpackSealedRows(await this.#run<SealedRows>(packRows(items, key)))
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  async #run<S extends SealedRecords | SealedRows>(job: RecordsJob | RowsJob): Promise<S> {
    const worker = (this.#worker ??= this.#start())
    const owed = Promise.withResolvers<SealingReply>()
    this.#owed.push(owed)
    worker.postMessage(job, [job.bodies.buffer])
    const reply = await owed.promise
    if ('refused' in reply) throw new ConsentryError(reply.refused.kind, reply.refused.message)
    return reply.sealed as S // replies come in the order of the jobs
  }

  #start(): Worker {
    const scalar = this.author.key.expose()
    const workerData: SealingWorkerData = { author: Uint8Array.from(this.author.id), key: scalar }
    const worker = new Worker(this.script, { workerData })
    scalar.fill(0)
    worker.unref()
    const owed = this.#owed
    let problem: unknown
    worker.on('message', (reply: SealingReply) => owed.shift()?.resolve(reply))
    worker.on('error', (error) => (problem = error))
    worker.on('exit', () => {
      this.#worker = undefined
      this.#owed = []
      for (const { reject } of owed) {
        reject(new ConsentryError('internal', 'The thread that seals has stopped.', { cause: problem }))
      }
    })
    return worker
  }
}

function isLittle(items: readonly RowItem[], worthIt: number): boolean {
  return items.length < worthIt && items.reduce((sum, { body }) => sum + body.length, 0) < BYTES_WORTH_IT
}

/** Our own signature need not be verified when the record is opened. */
function remembered(author: Author, sealed: Sealed[]): Sealed[] {
  for (const { digest } of sealed) rememberSignature(author.key.publicKey, digest)
  return sealed
}
