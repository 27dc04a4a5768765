/** How long a problem that stays the same is not told again; milliseconds. */
const SILENCE_MS = 60_000

/**
 * A problem of a part that tries again for as long as it lasts: told when it begins and when it becomes another one, and then once a
 * minute, with how often it came in between. A log that says the same every few seconds hides what else is in it.
 */
export class StandingProblem {
  #last: string | null = null
  #toldAt = 0
  #untold = 0

  /** @param tell gets the error, and how often it came since it was told last */
  constructor(
    private readonly clock: () => number,
    private readonly tell: (error: unknown, again: number) => void,
  ) {}

  hear(error: unknown): void {
    const now = this.clock()
    const problem = error instanceof Error ? `${error.name} ${error.message}` : typeof error
    if (problem === this.#last && now - this.#toldAt < SILENCE_MS) {
      this.#untold++
      return
    }
    const again = problem === this.#last ? this.#untold : 0
    this.#last = problem
    this.#toldAt = now
    this.#untold = 0
    this.tell(error, again)
  }
}
