/** Remembers the `jti` of each client assertion until it has expired, so that none is accepted twice. */
export interface ReplayGuard {
  /** True the first time; `expiresAt` in seconds since the epoch. Must be atomic: of two callers one gets true. */
  use(clientId: string, jti: string, expiresAt: number): Promise<boolean>
}

/**
 * Keeps them in memory: right for one process. A restart forgets them, which leaves an assertion that was captured
 * before it usable for the rest of its five minutes; several processes need a guard on their shared database.
 */
export class MemoryReplayGuard implements ReplayGuard {
  readonly #seen = new Map<string, number>()
  #sweepAt = 0

  constructor(private readonly now: () => number = Date.now) {}

  async use(clientId: string, jti: string, expiresAt: number): Promise<boolean> {
    const second = Math.floor(this.now() / 1000)
    if (second >= this.#sweepAt) this.#sweep(second)
    const key = JSON.stringify([clientId, jti])
    if ((this.#seen.get(key) ?? 0) > second) return false
    this.#seen.set(key, expiresAt)
    return true
  }

  #sweep(second: number): void {
    for (const [key, expiresAt] of this.#seen) if (expiresAt <= second) this.#seen.delete(key)
    this.#sweepAt = second + 60
  }
}
