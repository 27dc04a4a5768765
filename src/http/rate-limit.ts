import { ConsentryError } from '../errors.js'

/** At most so many clients are remembered; the one unseen for longest is forgotten first. */
const REMEMBERED = 50_000

/**
 * Token bucket per key: `burst` requests at once, `perSecond` on average. Keys are client ids, and addresses for
 * whoever has not shown a token yet.
 */
export class RateLimit {
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Takes one token or throws 429 with the time until there is one. */
  take(key: string): void {
    const now = this.now()
    const bucket = this.#buckets.get(key) ?? { tokens: this.burst, at: now }
    bucket.tokens = Math.min(this.burst, bucket.tokens + ((now - bucket.at) / 1000) * this.perSecond)
    bucket.at = now
    // Moves the key to the end, so that the first key is the one unseen for longest.
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    const oldest = this.#buckets.size > REMEMBERED ? this.#buckets.keys().next().value : undefined
    if (oldest !== undefined) this.#buckets.delete(oldest)
    if (bucket.tokens < 1)
      throw new ConsentryError('throttled', `More than ${this.perSecond} requests per second; slow down.`, {
        retryAfterSeconds: (1 - bucket.tokens) / this.perSecond,
      })
    bucket.tokens -= 1
  }
}
