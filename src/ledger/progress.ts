import { ConsentryError } from '../errors.js'
import type { BlockRef } from './chain.js'

export interface FollowerHealth {
  readonly state: 'starting' | 'following' | 'failing' | 'stopped'
  /** The last block applied. */
  readonly cursor: BlockRef | null
  /** The node's head when it was last asked. */
  readonly nodeHead: number | null
  /** Milliseconds since the epoch at which the node confirmed the head that the mirror then had; `null`: not yet. */
  readonly confirmedAt: number | null
  /** Highest block number at the grant tag, -1 while the node names none. */
  readonly finalized: number
  /** Times the cursor was rolled back. */
  readonly rollbacks: number
  /** The newHeads subscription is up. */
  readonly socket: boolean
  readonly problem: string | null
}

interface Waiter {
  readonly number: number
  resolve(): void
  reject(error: ConsentryError): void
}

/** How far a follower has come, and who waits for it. */
export class FollowerProgress {
  state: FollowerHealth['state'] = 'starting'
  nodeHead: number | null = null
  confirmedAt: number | null = null
  finalized = -1
  rollbacks = 0
  problem: string | null = null
  #cursor: BlockRef | null = null
  readonly #waiters = new Set<Waiter>()

  get cursor(): BlockRef | null {
    return this.#cursor
  }

  set cursor(cursor: BlockRef | null) {
    this.#cursor = cursor
    if (!cursor) return
    for (const waiter of [...this.#waiters]) if (waiter.number <= cursor.number) waiter.resolve()
  }

  health(socket: boolean): FollowerHealth {
    const { state, cursor, nodeHead, confirmedAt, finalized, rollbacks, problem } = this
    return { state, cursor, nodeHead, confirmedAt, finalized, rollbacks, socket, problem }
  }

  async reached(number: number, timeoutMs: number): Promise<void> {
    if (this.#cursor && this.#cursor.number >= number) return
    if (this.state === 'stopped') throw stopped()
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => waiter.reject(late(number)), timeoutMs)
      const done = (): void => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
      }
      const waiter: Waiter = {
        number,
        resolve: () => (done(), resolve()),
        reject: (error) => (done(), reject(error)),
      }
      this.#waiters.add(waiter)
    })
  }

  stop(): void {
    this.state = 'stopped'
    for (const waiter of [...this.#waiters]) waiter.reject(stopped())
  }
}

function late(number: number): ConsentryError {
  return new ConsentryError('unavailable', `The mirror of the chain has not reached block ${number} in time.`, {
    retryAfterSeconds: 2,
  })
}

function stopped(): ConsentryError {
  return new ConsentryError('unavailable', 'The chain follower has been stopped.', { retryAfterSeconds: 5 })
}
