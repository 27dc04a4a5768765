import { setTimeout as sleep } from 'node:timers/promises'

/** A step that failed is tried again after so long, then after twice as long, and so on, at most after the pause. */
const TRY_AGAIN_MS = 500

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
    let failures = 0
    while (!this.#stopping) {
      this.#wake = new AbortController()
      const { signal } = this.#wake
      let pause = 0
      try {
        if (!(await this.step())) pause = this.pauseMs
        failures = 0
      } catch (error) {
        this.onProblem(error)
        pause = Math.min(TRY_AGAIN_MS * 2 ** failures++, this.pauseMs)
      }
      if (pause > 0 && !this.#stopping) await sleep(pause, undefined, { signal }).catch(() => undefined)
    }
  }
}
