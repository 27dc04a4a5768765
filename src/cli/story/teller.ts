/** A step of the story did not come out as it must. */
export class StoryFailure extends Error {}

/** Fails the story unless `holds`, saying what was expected. */
export function expect(holds: boolean, expected: string, found?: unknown): asserts holds {
  if (!holds)
    throw new StoryFailure(`expected ${expected}${found === undefined ? '' : `, found ${JSON.stringify(found)}`}`)
}

/** Tells the story step by step to a person, or keeps quiet and gives the measurements as JSON at the end. */
export class Teller {
  readonly measurements: Record<string, number> = {}
  #number = 0

  constructor(private readonly quiet: boolean) {}

  chapter(title: string): void {
    if (!this.quiet) process.stdout.write(`\n${title}\n`)
  }

  async step<T>(what: string, run: () => Promise<T>): Promise<T> {
    const number = ++this.#number
    const start = performance.now()
    try {
      const result = await run()
      const ms = Math.round(performance.now() - start)
      if (!this.quiet) process.stdout.write(`  ${String(number).padStart(2)} ✓ ${what} (${ms} ms)\n`)
      return result
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      throw new StoryFailure(`step ${number}, ${what}: ${text}`, { cause: error })
    }
  }

  measure(name: string, value: number): void {
    this.measurements[name] = Math.round(value * 10) / 10
  }

  note(text: string): void {
    if (!this.quiet) process.stdout.write(`       ${text}\n`)
  }
}

/** Asks until the answer is `done`, at most so long. */
export async function until<T>(ask: () => Promise<T>, done: (answer: T) => boolean, limitMs: number): Promise<T> {
  const end = performance.now() + limitMs
  for (;;) {
    const answer = await ask()
    if (done(answer) || performance.now() > end) return answer
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
