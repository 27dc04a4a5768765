import { parentPort, workerData } from 'node:worker_threads'
import { ConsentryError } from '../errors.js'
import { SecretKey } from './pre/index.js'
import { sealRows } from './row-seal.js'
import { seal } from './seal.js'
import {
  packSealedRecords,
  packSealedRows,
  type RecordsJob,
  type RowsJob,
  type SealedRecords,
  type SealedRows,
  unpackRecords,
  unpackRows,
} from './sealing-job.js'

/** What the thread of `SealingThread` is started with. */
export interface SealingWorkerData {
  readonly author: Uint8Array
  /** Scalar of the author's key, 32 bytes. */
  readonly key: Uint8Array
}

export type SealingReply =
  | { readonly sealed: SealedRecords | SealedRows }
  | { readonly refused: { readonly kind: ConsentryError['kind']; readonly message: string } }

const { author: id, key: scalar } = workerData as SealingWorkerData
const author = { id, key: SecretKey.fromScalar(scalar) }
scalar.fill(0)

parentPort?.on('message', (job: RecordsJob | RowsJob) => {
  const reply = answer(job)
  parentPort?.postMessage(reply, 'sealed' in reply ? [reply.sealed.bytes.buffer] : [])
})

function answer(job: RecordsJob | RowsJob): SealingReply {
  try {
    return { sealed: job.kind === 'records' ? sealedRecords(job) : sealedRows(job) }
  } catch (error) {
    if (!(error instanceof ConsentryError)) throw error
    return { refused: { kind: error.kind, message: error.message } }
  } finally {
    job.bodies.fill(0)
    for (const { key } of keysOf(job)) key.fill(0)
  }
}

function sealedRecords(job: RecordsJob): SealedRecords {
  return packSealedRecords(seal(unpackRecords(job), author))
}

function sealedRows(job: RowsJob): SealedRows {
  return packSealedRows(sealRows(unpackRows(job), author.id, job.key))
}

function keysOf(job: RecordsJob | RowsJob) {
  return job.kind === 'rows' ? [job.key] : [...new Set(job.items.map(({ keys }) => keys))].flat()
}
