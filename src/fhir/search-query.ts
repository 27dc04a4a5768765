import { ConsentryError, type Issue } from '../errors.js'
import { isResourceType } from './definitions/structures.js'
import { asksColumns } from '../clauses/reach.js'
import type { CodesOf } from './search/coded.js'
import { type ClauseContext, parseClause } from './search/parse-clause.js'
import { FOR_THE_EDGE, noResultParameters, RESULT_PARAMETERS, type ResultParameters } from './search/parse-result.js'
import { parseFilterExpression } from './search/parse-filter.js'
import { parseList } from './search/parse-list.js'
import type { Clause } from '../clauses/clause.js'
import type { SearchQuery, SystemQuery } from './search/query.js'
import { printable, Refusal } from './search/refusal.js'
import { requireServedClause, servedCodes, sortBy } from './search/served.js'
import { searchParametersOf } from './search/table.js'
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
  /** References that all chains go through together, as they are written. */
  readonly references: number
  /** References that one chain may go through, and parentheses that a `_filter` may open. */
  readonly depth: number
}

export const SEARCH_LIMITS: SearchLimits = {
  parameters: 100,
  values: 2000,
  length: 100_000,
  steps: 300,
  references: 20,
  depth: 5,
}

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
  params: Params,
  handling: Handling = 'strict',
  options: SearchOptions = {},
): SearchQuery {
  return parseFor(type, params, handling, contextFor(params, options))
}

/**
 * The same for a search of several types, https://hl7.org/fhir/R4/search.html#2.21.1.2: "when searching across all types, only parameters common to
 * all types" may be used. What lenient handling leaves out for one type is left out for all.
 *
 * @param types at least one
 * @throws ConsentryError as `parseSearch`
 */
export function parseSystemSearch(
  types: readonly string[],
  params: Params,
  handling: Handling = 'strict',
  options: SearchOptions = {},
): SystemQuery {
  const context = { ...contextFor(params, options), several: types.length > 1 }
  const [first = '', ...others] = types
  const { type: _, clauses, ...results } = parseFor(first, params, handling, context)
  // what asks columns alone is the same for every type
  const byColumns = results.sort.every(({ param }) => SORTED_COLUMNS.has(param))
  if (!byColumns) requireFewTypes(types)
  const alike = results.ignored.length === 0 && byColumns && clauses.every(asksColumns)
  const rest = alike
    ? others.map((type) => ({ type, clauses }))
    : others.map((type) => parseFor(type, params, handling, context))
  const ignored = new Map(results.ignored.map((each) => [each.name, each]))
  for (const each of rest) if ('ignored' in each) for (const left of each.ignored) ignored.set(left.name, left)
  if (ignored.size > results.ignored.length) {
    const kept = params.filter(([name]) => !ignored.has(printable(name)))
    return { ...parseSystemSearch(types, kept, handling, options), ignored: [...ignored.values()] }
  }
  requireCommonOrder(types, results.sort)
  return {
    ...results,
    searched: [{ type: first, clauses }, ...rest.map(({ type, clauses: of }) => ({ type, clauses: of }))],
  }
}

/**
 * The value of `_type` as type names, each once; undefined if it is not given.
 *
 * @throws ConsentryError `malformed` for what is no type of R4
 */
export function typesAsked(params: Params): string[] | undefined {
  const names = params
    .flatMap(([name, value]) => (name === '_type' ? value.split(',') : []))
    .filter((name) => name !== '')
  if (names.length === 0) return undefined
  if (names.every(isResourceType)) return [...new Set(names)]
  throw new ConsentryError('malformed', '_type must name resource types of R4, separated by commas.', {
    code: 'value',
    expression: ['_type'],
  })
}

type Params = readonly (readonly [name: string, value: string])[]

function contextFor(params: Params, options: SearchOptions): ClauseContext {
  const limits = { ...SEARCH_LIMITS, ...options.limits }
  requireLimits(params, limits)
  return {
    base: options.base,
    budget: { values: limits.values, steps: limits.steps, references: limits.references },
    depth: limits.depth,
    limits,
    terminology: options.terminology ?? r4Terminology,
    now: options.now ?? Date.now(),
    servedCodes,
  }
}

function parseFor(type: string, params: Params, handling: Handling, context: ClauseContext): SearchQuery {
  if (!isResourceType(type)) throw new ConsentryError('not-found', `${printable(type)} is no resource type of R4.`)
  const search = new Search(type, handling)
  for (const [name, value] of params) search.take(name, value, context)
  return search.finish()
}

/** Types of which each is a statement of its own, for the index orders values of each under a key of its own. */
const MOST_SORTED_TYPES = 10

function requireFewTypes(types: readonly string[]): void {
  if (types.length <= MOST_SORTED_TYPES) return
  throw noOrder(
    `A search of more than ${MOST_SORTED_TYPES} types is sorted by _lastUpdated or _id: name fewer with _type.`,
  )
}

/** That all types have the parameters is seen when each is parsed; here, that their values compare. */
function requireCommonOrder(types: readonly string[], sort: SearchQuery['sort']): void {
  for (const { param } of sort) {
    const forms = types.map((type) => {
      const parameter = searchParametersOf(type).get(param)
      return parameter && `${sortBy(parameter)} ${parameter.kind}`
    })
    const other = forms.findIndex((form) => form !== forms[0])
    if (other > 0) throw noOrder(`The values of ${param} of ${types[0]} and ${types[other]} have no common order.`)
  }
}

function noOrder(diagnostics: string): ConsentryError {
  return new ConsentryError('malformed', diagnostics, { code: 'not-supported', expression: ['_sort'] })
}

const SORTED_COLUMNS: ReadonlySet<string> = new Set(['_id', '_lastUpdated'])

function requireLimits(params: Params, limits: SearchLimits): void {
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

/** Parameters that no SearchParameter defines but R4's text. */
const SPECIAL_PARAMETERS: Readonly<Record<string, typeof parseClause>> = {
  _filter: parseFilterExpression,
  _list: parseList,
}

/** The edge refuses them in a URL; conditions of Bundles and GraphQL do not come through it, and no index knows them. */
// eslint-disable-next-line no-control-regex -- that is what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/

/** A lone surrogate cannot be written into a link. */
function isNoText(text: string): boolean {
  return CONTROL.test(text) || !text.isWellFormed()
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
      if ([name, value].some(isNoText)) {
        throw new Refusal('value', 'has a control character, or half of a character')
      }
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
    const [code = '', modifier] = name.split(':')
    if (modifier !== undefined && Object.hasOwn(RESULT_PARAMETERS, code)) {
      throw new Refusal('not-supported', `has no modifier${code.endsWith('include') ? ' but :iterate' : ''}`)
    }
    const special = Object.hasOwn(SPECIAL_PARAMETERS, name) ? SPECIAL_PARAMETERS[name] : parseClause
    const clause = special?.(this.type, name, value, context)
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
