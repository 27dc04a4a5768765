import { Worker } from 'node:worker_threads'
import { ConsentryError } from '../errors.js'
import { stringify } from '../fhir/json.js'
import type { JudgeOptions, Verdict } from '../fhir/profiles.js'
import type { ValidResource } from '../fhir/types.js'
import type { ThreadData, ThreadJob } from './judging-thread.js'

export interface JudgingLimits {
  /** Milliseconds for one resource. */
  readonly timeoutMs: number
  /** Resources that may wait. */
  readonly waiting: number
}

const LIMITS: JudgingLimits = { timeoutMs: 30_000, waiting: 64 }

/**
 * Judges by profiles in a thread of its own what would hold up everybody else: one resource at a time, each within a
 * time, only so many waiting. The thread starts when it is first needed.
 */
export class JudgingThread {
  private worker: Worker | undefined
  private last: Promise<unknown> = Promise.resolve()
  private waiting = 0

  /** @param script the compiled judging-thread.js */
  constructor(
    private readonly data: ThreadData,
    private readonly limits = LIMITS,
    private readonly script = new URL('./judging-thread.js', import.meta.url),
  ) {}

  /** @throws ConsentryError `unavailable` when too many wait, `too-large` when it takes too long */
  async judge(resource: ValidResource, options: JudgeOptions): Promise<Verdict> {
    if (this.waiting >= this.limits.waiting) {
      throw new ConsentryError('unavailable', 'Too many large resources are being checked; try again.', {
        retryAfterSeconds: 5,
      })
    }
    this.waiting++
    const turn = this.last.then(() => this.run({ text: stringify(resource), options }))
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

  private async run(job: ThreadJob): Promise<Verdict> {
    const worker = (this.worker ??= this.start())
    const done = Promise.withResolvers<Verdict>()
    const late = setTimeout(() => done.reject(tooLong()), this.limits.timeoutMs)
    worker.once('message', done.resolve)
    worker.once('error', done.reject)
    try {
      worker.postMessage(job)
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
  return new ConsentryError('too-large', 'The resource takes too long to check against its profiles.', {
    code: 'too-costly',
  })
}
