import { AsyncLocalStorage } from 'node:async_hooks'

/** Pause in which what is announced gathers before a round begins. */
const GATHER_MS = 50
const RETRY_MS = 2_000

/**
 * Runs a step again and again, one round at a time: soon after a poke, after the pause that the last round asked for, and
 * later after a failure. The step must bear to be interrupted by the death of the process anywhere.
 */
export class Rounds {
  #timer: NodeJS.Timeout | undefined
  /** When the timer rings. */
  #due = 0
  #running: Promise<void> | null = null
  #again = false
  readonly #stopping = new AbortController()
  /** A poke often comes from inside a database transaction, to which the round it causes does not belong. */
  readonly #outside = AsyncLocalStorage.snapshot()

  constructor(
    /**
     * @param stopping aborted when nobody should wait any longer for what may take long, such as a block; a step that ends
     *   with its reason has no problem
     * @returns milliseconds until the next round
     */
    private readonly step: (stopping: AbortSignal) => Promise<number>,
    private readonly onProblem: (error: unknown) => void,
  ) {}

  /** There may be something to do. */
  poke(): void {
    this.#later(GATHER_MS)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  #later(ms: number): void {
    if (this.#stopping.signal.aborted) return
    if (this.#running !== null) {
      this.#again = true
      return
    }
    const due = Date.now() + ms
    if (this.#timer !== undefined && this.#due <= due) return
    clearTimeout(this.#timer)
    this.#due = due
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#running = this.#outside(() => this.#round()).then((pause) => {
        this.#running = null
        const next = this.#again ? GATHER_MS : pause
        this.#again = false
        this.#later(next)
      })
    }, ms)
  }

  async #round(): Promise<number> {
    const { signal } = this.#stopping
    try {
      return await this.step(signal)
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) this.onProblem(error)
      return RETRY_MS
    }
  }
}
