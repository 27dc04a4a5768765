import { isCanonical } from './canonical.js'
import { FULL_TEXT_PARAMETERS } from './full-text.js'
import { isIndexed } from './indexed.js'
import type { Clause, Filter, FilterKind, Modifier } from '../../clauses/clause.js'
import type { SortForm } from './index-value.js'
import type { SortKey } from './query.js'
import { printable, Refusal } from './refusal.js'
import { sortForm } from './sort-form.js'
import { type SearchParameter, searchParametersOf } from './table.js'

/**
 * What this server answers of all that the query form can say. CapabilityStatement and error messages are made
 * from the same values, so none can promise more than another.
 */
export const SERVED = {
  kinds: [
    'token',
    'string',
    'uri',
    'reference',
    'date',
    'number',
    'quantity',
    'composite',
    'special',
  ] as readonly FilterKind[],
  modifiers: {
    token: ['text', 'not', 'above', 'below', 'in', 'not-in', 'of-type'],
    string: ['exact', 'contains'],
    uri: ['above', 'below'],
    /** `below` of canonicals; see canonical.ts. */
    reference: ['identifier', 'below'],
  } as Partial<Record<FilterKind, readonly Modifier[]>>,
} as const

const COLUMNS: ReadonlySet<string> = new Set(['_id', '_lastUpdated'])

export function isServed(parameter: SearchParameter): boolean {
  if (parameter.pending) return false
  return SERVED.kinds.includes(parameter.kind) && (COLUMNS.has(parameter.code) || isIndexed(parameter))
}

/** Codes of the parameters that a search of the type may use, those for all types first. */
export function servedCodes(type: string): string[] {
  return [...searchParametersOf(type).values()].filter(isServed).map(({ code }) => code)
}

/** @throws Refusal naming what is not served and what is */
export function requireServedClause(type: string, clause: Clause): void {
  switch (clause.is) {
    case 'filter':
      return requireServedFilter(type, clause)
    case 'missing':
      if (LEAN.has(type) && !COLUMNS.has(clause.param)) {
        throw new Refusal('not-supported', `cannot be asked with :missing, for which ${type} is not indexed`)
      }
      return requireServedParameter(type, clause.param)
    case 'chain':
      for (const target of clause.targets) requireServedClause(target.type, target.clause)
      return requireServedParameter(type, clause.param)
    case 'has':
      requireServedParameter(clause.type, clause.param)
      return requireServedClause(clause.type, clause.clause)
    case 'all':
    case 'any':
      for (const each of clause.clauses) requireServedClause(type, each)
      return
    case 'none':
      return requireServedClause(type, clause.clause)
  }
}

/** AuditEvents, of which every request writes one, are indexed by what they are asked for. */
const LEAN: ReadonlySet<string> = new Set(['AuditEvent'])
const NOT_OF_LEAN: ReadonlySet<Modifier> = new Set(['contains', 'text', 'of-type', 'below', 'whole'])

function requireServedFilter(type: string, { param, kind, modifier }: Filter): void {
  requireServedParameter(type, param)
  if (
    modifier !== undefined &&
    LEAN.has(type) &&
    NOT_OF_LEAN.has(modifier) &&
    !(kind === 'token' && modifier === 'below')
  ) {
    throw new Refusal('not-supported', `cannot be asked with :${modifier}, for which ${type} is not indexed`)
  }
  if (
    modifier !== undefined &&
    modifier !== 'whole' &&
    (!SERVED.modifiers[kind]?.includes(modifier) || (param === '_id' && modifier !== 'not'))
  ) {
    throw new Refusal('not-supported', `cannot be asked with :${modifier} here; ${modifiersOf(type, param, kind)}`)
  }
}

function requireServedParameter(type: string, param: string): void {
  const parameter = searchParametersOf(type).get(param)
  if (parameter === undefined || !isServed(parameter)) {
    const served = servedCodes(type).join(', ')
    const why = parameter?.pending ? PENDING : WITHHELD[param]
    if (why !== undefined) throw new Refusal('not-supported', why, param !== '_query' && !parameter?.pending)
    // "Servers SHALL refuse to process a search request if they do not recognize the _query parameter value"
    const leave = param !== '_query'
    throw new Refusal(
      'not-supported',
      `is a parameter of R4 that is not served; served for ${type} are ${served}`,
      leave,
    )
  }
}

const PENDING = 'is being indexed for the records that were there before it; ask again later'

/** Parameters of R4 that are left out on purpose, and what to do instead; src/fhir/README.md says why. */
const WITHHELD: Readonly<Partial<Record<string, string>>> = {
  _text:
    'is not served here: an index of the words of narratives shows how often each occurs, so a site must want it (FULL_TEXT_INDEX=narrative); search by codes, or use :text on them',
  _content:
    'is not served here: an index of all words of a resource shows how often each occurs, so a site must want it (FULL_TEXT_INDEX=content); search by codes, or use :text on them',
  _query: 'names a query, and this server knows none of that name nor any other; ask by search parameters',
}

/** By which a parameter may be asked, `missing` and `[type]` apart. */
export function modifiersServed(parameter: SearchParameter): readonly Modifier[] {
  const modifiers = SERVED.modifiers[parameter.kind] ?? []
  return parameter.kind === 'reference' && !isCanonical(parameter)
    ? modifiers.filter((modifier) => modifier !== 'below')
    : modifiers
}

function modifiersOf(type: string, param: string, kind: FilterKind): string {
  const parameter = searchParametersOf(type).get(param)
  const served = parameter === undefined ? [] : modifiersServed(parameter)
  const names = [...served, 'missing', ...(kind === 'reference' ? ['[type]'] : [])]
  return `of a ${kind} :${names.join(', :')} are served`
}

/** What a search is ordered by: a column of the record, an ordered index entry, a text, what a token stands for, or what is referred to. */
export type SortBy = 'lastUpdated' | 'id' | 'ordered' | 'reference' | SortForm

/** How a parameter sorts; undefined if it does not: a composite is no value of its own. */
export function sortBy(parameter: SearchParameter): SortBy | undefined {
  const { code, kind } = parameter
  if (code === '_lastUpdated') return 'lastUpdated'
  if (code === '_id') return 'id'
  if (!isServed(parameter) || FULL_TEXT_PARAMETERS.has(code)) return undefined
  switch (kind) {
    case 'date':
    case 'number':
    case 'quantity':
      return 'ordered'
    case 'reference':
      return 'reference'
    default:
      return sortForm(parameter)
  }
}

/** Keys of one order. */
const MOST_SORT_KEYS = 5

/** @throws Refusal */
export function requireServedSort(type: string, sort: readonly SortKey[]): void {
  const parameters = searchParametersOf(type)
  const sortable = (param: string): boolean => {
    const parameter = parameters.get(param)
    const by = parameter && sortBy(parameter)
    return by !== undefined && !((by === 'text' || by === 'name') && LEAN.has(type))
  }
  const unserved = sort.find(({ param }) => !sortable(param))
  if (unserved !== undefined) {
    const served = [...parameters.keys()].filter(sortable).join(', ')
    throw new Refusal(
      'not-supported',
      `cannot sort by ${printable(unserved.param)}; ${type} is sorted by ${served}`,
      true,
    )
  }
  if (sort.length > MOST_SORT_KEYS) throw new Refusal('too-costly', `has more than ${MOST_SORT_KEYS} keys`)
}
