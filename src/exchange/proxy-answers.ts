import type { PartyId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'

/** `counted`: with fragments and sound receipts; `silent`: none; `refused`: unsigned, or signed otherwise than it must be. */
export type AnswerOutcome = 'counted' | 'silent' | 'refused'

/**
 * What became of the answers of re-encryption proxies. An import goes on while m of n answer well, so an operator would not see that one
 * signs nothing until a second one fails.
 */
export class ProxyAnswers {
  readonly #counts: Record<AnswerOutcome, number> = { counted: 0, silent: 0, refused: 0 }
  /** What was said of each proxy last, so that it is said once. */
  readonly #said = new Map<PartyId, string>()

  /** @param onProblem told of a proxy whose answer did not count, once until it is another reason or an answer counts */
  constructor(private readonly onProblem: (error: ConsentryError) => void) {}

  /** Since the start. */
  get counts(): Readonly<Record<AnswerOutcome, number>> {
    return this.#counts
  }

  note(proxy: PartyId, answer: PromiseSettledResult<unknown>): void {
    if (answer.status === 'fulfilled') {
      this.#counts.counted++
      this.#said.delete(proxy)
      return
    }
    const error: unknown = answer.reason
    const kind = error instanceof ConsentryError ? error.kind : 'internal'
    this.#counts[kind === 'unavailable' ? 'silent' : 'refused']++
    const what = error instanceof ConsentryError ? error.message : 'Its answer could not be used.'
    if (this.#said.get(proxy) === what) return
    this.#said.set(proxy, what)
    this.onProblem(new ConsentryError(kind, `The answer of proxy ${proxy} does not count: ${what}`, { cause: error }))
  }
}
