import type { Config } from '../config.js'
import type { Part } from '../http/drain.js'
import { FHIR_BASE } from '../http/mount.js'
import { StandingProblem } from './standing-problem.js'

/** What the composed parts need to know of the process they run in. */
export interface Surroundings {
  readonly config: Config
  /** Scheme and authority as clients see them. */
  readonly publicUrl: string
  readonly onFault: (message: string, error: unknown) => void
}

/** Where the parts are put together: what each world may ask for, and what is closed when the process ends. */
export class Site {
  readonly config: Config
  readonly publicUrl: string
  /** FHIR base as clients see it, without a slash at the end. */
  readonly baseUrl: string
  readonly onFault: Surroundings['onFault']
  readonly #closing: Part[] = []

  constructor({ config, publicUrl, onFault }: Surroundings) {
    this.config = config
    this.publicUrl = publicUrl
    this.baseUrl = `${publicUrl}${FHIR_BASE}`
    this.onFault = onFault
  }

  /** The last part opened is the first one closed. */
  get closing(): readonly Part[] {
    return this.#closing
  }

  /** Milliseconds since the epoch. */
  readonly clock = (): number => Date.now()

  /** What a part calls with a problem that it goes on after. */
  problem(what: string): (error: unknown) => void {
    return (error) => this.onFault(what, error)
  }

  /** The same for a part that tries again for as long as the problem lasts. */
  standingProblem(what: string): (error: unknown) => void {
    const problem = new StandingProblem(this.clock, (error, again) =>
      this.onFault(again === 0 ? what : `${what}; it came ${again} times more since it was told last`, error),
    )
    return (error) => problem.hear(error)
  }

  async opened<T>(name: string, part: Promise<T>, close: (part: T) => Promise<unknown>): Promise<T> {
    const made = await part
    this.closes(name, () => close(made))
    return made
  }

  started(name: string, part: { start(): void; stop(): Promise<unknown> }): void {
    part.start()
    this.closes(name, () => part.stop())
  }

  closes(name: string, close: () => Promise<unknown>): void {
    this.#closing.unshift({ name, close: async () => void (await close()) })
  }

  /** After a start that failed: whatever is open, whether it closes or not. */
  async close(): Promise<void> {
    for (const { close } of this.#closing) await close().catch(() => undefined)
  }
}
