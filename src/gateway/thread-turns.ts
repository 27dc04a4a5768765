import { type Transferable, Worker } from 'node:worker_threads'
import { ConsentryError } from '../errors.js'

export interface TurnLimits {
  /** Milliseconds for one job. */
  readonly timeoutMs: number
  /** Jobs that may wait. */
  readonly waiting: number
}

export interface Posted<Job> {
  readonly job: Job
  readonly transfer?: readonly Transferable[]
}

/**
 * A thread of its own for what would hold up everybody else: one job at a time, each within a time, only so many waiting. It starts when it is
 * first needed, and anew after one that took too long.
 */
export class ThreadTurns<Job, Answer> {
  private worker: Worker | undefined
  private last: Promise<unknown> = Promise.resolve()
  private waiting = 0

  /** @param script a compiled module that answers each message with one */
  constructor(
    private readonly script: URL,
    private readonly data: unknown,
    private readonly limits: TurnLimits,
  ) {}

  /**
   * @param make called when the turn has come
   * @throws ConsentryError `unavailable` when too many wait, `too-large` when it takes too long
   */
  async run(make: () => Posted<Job>): Promise<Answer> {
    if (this.waiting >= this.limits.waiting) {
      throw new ConsentryError('unavailable', 'Too many large resources are being checked; try again.', {
        retryAfterSeconds: 5,
      })
    }
    this.waiting++
    const turn = this.last.then(() => this.answer(make()))
    this.last = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      this.waiting--
    }
  }

  async close(): Promise<void> {
    await this.worker?.terminate()
    this.worker = undefined
  }

  private async answer({ job, transfer = [] }: Posted<Job>): Promise<Answer> {
    const worker = (this.worker ??= this.start())
    const done = Promise.withResolvers<Answer>()
    const late = setTimeout(() => done.reject(tooLong()), this.limits.timeoutMs)
    worker.once('message', done.resolve)
    worker.once('error', done.reject)
    try {
      worker.postMessage(job, transfer)
      return await done.promise
    } catch (error) {
      // What it is doing is not to be waited for; the next job gets a new thread.
      await this.close()
      throw error
    } finally {
      clearTimeout(late)
      worker.off('message', done.resolve)
      worker.off('error', done.reject)
    }
  }

  private start(): Worker {
    const worker = new Worker(this.script, { workerData: this.data, resourceLimits: { maxOldGenerationSizeMb: 512 } })
    worker.unref()
    // between two jobs nobody else listens; the next job starts another
    worker.on('error', () => (this.worker = undefined))
    return worker
  }
}

function tooLong(): ConsentryError {
  return new ConsentryError('too-large', 'The resource takes too long to check.', { code: 'too-costly' })
}
