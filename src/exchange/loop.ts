import { setTimeout as sleep } from 'node:timers/promises'

/** Takes a step after the other, and a pause when there was nothing to do; a step that fails is told and tried again. */
export class Loop {
  #stopping = false
  #wake = new AbortController()
  #running: Promise<void> | undefined

  /** @param step whether it did anything */
  constructor(
    private readonly step: () => Promise<boolean>,
    private readonly pauseMs: number,
    private readonly onProblem: (error: unknown) => void,
  ) {}

  start(): void {
    this.#running = this.#run()
  }

  /** Ends a pause, or leaves out the next. */
  poke(): void {
    this.#wake.abort()
  }

  /** Resolves after the step that is under way. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#wake.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#wake = new AbortController()
      const { signal } = this.#wake
      const busy = await this.step().catch((error: unknown) => {
        this.onProblem(error)
        return false
      })
      if (!busy && !this.#stopping) await sleep(this.pauseMs, undefined, { signal }).catch(() => undefined)
    }
  }
}
