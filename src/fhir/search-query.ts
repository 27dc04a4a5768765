import { ConsentryError, type Issue } from '../errors.js'
import { isResourceType } from './definitions/structures.js'
import type { CodesOf } from './search/coded.js'
import { type ClauseContext, parseClause } from './search/parse-clause.js'
import { FOR_THE_EDGE, noResultParameters, RESULT_PARAMETERS, type ResultParameters } from './search/parse-result.js'
import type { Clause, SearchQuery } from './search/query.js'
import { printable, Refusal } from './search/refusal.js'
import { requireServedClause, servedCodes } from './search/served.js'
import { r4Terminology } from './terminology.js'

export type * from './search/query.js'
export { isServed, SERVED, servedCodes, sortBy } from './search/served.js'
export { searchParametersOf } from './search/table.js'

/** `Prefer: handling=…`, https://hl7.org/fhir/R4/search.html#errors; strict unless the client says otherwise. */
export type Handling = 'strict' | 'lenient'

export interface SearchLimits {
  /** `name=value` pairs. */
  readonly parameters: number
  /** Values of all parameters together, those after commas too. */
  readonly values: number
  /** Characters of one `name=value` pair. */
  readonly length: number
  /** Steps of all chains together. */
  readonly steps: number
  /** References that one chain may go through. */
  readonly depth: number
}

export const SEARCH_LIMITS: SearchLimits = { parameters: 100, values: 2000, length: 100_000, steps: 300, depth: 5 }

export interface SearchOptions {
  /** FHIR base of this server without slash at its end: absolute references below it are its own resources. */
  readonly base?: string
  readonly limits?: Partial<SearchLimits>
  /** For `:in`, `:not-in`, `:above` and `:below`; that of R4 unless another is given. */
  readonly terminology?: () => CodesOf
  /** Milliseconds since the epoch, for `ap`; the present unless given. */
  readonly now?: number
}

/**
 * Reads the decoded parameters of a search (query string or form body, in order) for a resource type.
 *
 * Empty values are ignored, as R4 says. With strict handling every other parameter that cannot be obeyed is an
 * error, because a filter that is silently ignored discloses more than was asked for. With lenient handling
 * parameters that are unknown or not served are left out and told in `ignored`; bad values and modifiers stay
 * errors ("Server SHALL reject any search request that is suffixed by a modifier that it does not support").
 *
 * @throws ConsentryError `malformed` (400) with one issue per parameter, `expression` naming it; `not-found` for
 * an unknown type. No message repeats a value.
 */
export function parseSearch(
  type: string,
  params: readonly (readonly [name: string, value: string])[],
  handling: Handling = 'strict',
  options: SearchOptions = {},
): SearchQuery {
  if (!isResourceType(type)) throw new ConsentryError('not-found', `${printable(type)} is no resource type of R4.`)
  const limits = { ...SEARCH_LIMITS, ...options.limits }
  requireLimits(params, limits)
  const context: ClauseContext = {
    base: options.base,
    budget: { values: limits.values, steps: limits.steps },
    depth: limits.depth,
    terminology: options.terminology ?? r4Terminology,
    now: options.now ?? Date.now(),
    servedCodes,
  }
  const search = new Search(type, handling)
  for (const [name, value] of params) search.take(name, value, context)
  return search.finish()
}

function requireLimits(params: readonly (readonly [string, string])[], limits: SearchLimits): void {
  if (params.length > limits.parameters) {
    throw new ConsentryError('malformed', `A search has at most ${limits.parameters} parameters.`, {
      code: 'too-costly',
    })
  }
  const long = params.find(([name, value]) => name.length + value.length > limits.length)
  if (long) {
    throw new ConsentryError('malformed', `A search parameter has at most ${limits.length} characters.`, {
      code: 'too-long',
      expression: [printable(long[0])],
    })
  }
}

class Search {
  readonly #clauses: Clause[] = []
  readonly #results: ResultParameters = noResultParameters()
  readonly #applied: (readonly [string, string])[] = []
  readonly #ignored: { name: string; reason: string }[] = []
  readonly #issues: Issue[] = []

  constructor(
    readonly type: string,
    readonly handling: Handling,
  ) {}

  take(name: string, value: string, context: ClauseContext): void {
    if (value === '' || FOR_THE_EDGE.has(name)) return
    try {
      if (this.#obey(name, value, context) && name !== '_cursor') this.#applied.push([name, value])
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal
      this.#refuse(name, refusal)
    }
  }

  #obey(name: string, value: string, context: ClauseContext): boolean {
    const result = Object.hasOwn(RESULT_PARAMETERS, name) ? RESULT_PARAMETERS[name] : undefined
    if (result !== undefined) {
      result(value, this.#results, this.type)
      return true
    }
    const clause = parseClause(this.type, name, value, context)
    if (clause === undefined) return false
    requireServedClause(this.type, clause)
    this.#clauses.push(clause)
    return true
  }

  #refuse(name: string, { code, message, leave }: Refusal): void {
    const said = printable(name)
    if (leave && this.handling === 'lenient') {
      this.#ignored.push({ name: said, reason: message })
      return
    }
    this.#issues.push({ severity: 'error', code, diagnostics: `The parameter ${said} ${message}.`, expression: [said] })
  }

  finish(): SearchQuery {
    const [first] = this.#issues
    if (first) throw new ConsentryError('malformed', first.diagnostics, { issues: this.#issues })
    return {
      type: this.type,
      clauses: this.#clauses,
      ...this.#results,
      applied: this.#applied,
      ignored: this.#ignored,
    }
  }
}

/**
 * The criteria of a search as one text, equal for searches that ask the same: for the claim of a conditional create,
 * whose clients may write one condition in several ways (`%7C` or `|`, another order).
 */
export function criteriaOf({ type, clauses }: Pick<SearchQuery, 'type' | 'clauses'>): string {
  return JSON.stringify([type, ...clauses.map((clause) => JSON.stringify(clause)).sort()])
}
