import { isIndexed } from './indexed.js'
import type { Clause, Filter, FilterKind, Include, Modifier, SortKey } from './query.js'
import { printable, Refusal } from './refusal.js'
import { type SearchParameter, searchParametersOf } from './table.js'

/**
 * What this server answers of all that the query form can say. CapabilityStatement and error messages are made
 * from the same values, so none can promise more than another.
 */
export const SERVED = {
  kinds: ['token', 'string', 'uri', 'reference', 'date', 'number', 'quantity', 'composite'] as readonly FilterKind[],
  modifiers: {
    token: ['text', 'not', 'above', 'below', 'in', 'not-in', 'of-type'],
    string: ['exact', 'contains'],
    uri: ['above', 'below'],
    reference: ['identifier'],
  } as Partial<Record<FilterKind, readonly Modifier[]>>,
  sort: ['_lastUpdated'] as readonly string[],
} as const

const COLUMNS: ReadonlySet<string> = new Set(['_id', '_lastUpdated'])

export function isServed(parameter: SearchParameter): boolean {
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

function requireServedFilter(type: string, { param, kind, modifier }: Filter): void {
  requireServedParameter(type, param)
  if (
    modifier !== undefined &&
    (!SERVED.modifiers[kind]?.includes(modifier) || (param === '_id' && modifier !== 'not'))
  ) {
    throw new Refusal('not-supported', `cannot be asked with :${modifier} yet; ${modifiersOf(kind)}`)
  }
}

function requireServedParameter(type: string, param: string): void {
  const parameter = searchParametersOf(type).get(param)
  if (parameter === undefined || !isServed(parameter)) {
    const served = servedCodes(type).join(', ')
    // "Servers SHALL refuse to process a search request if they do not recognize the _query parameter value"
    const leave = param !== '_query'
    throw new Refusal(
      'not-supported',
      `is a parameter of R4 that is not served yet; served for ${type} are ${served}`,
      leave,
    )
  }
}

function modifiersOf(kind: FilterKind): string {
  const names = [...(SERVED.modifiers[kind] ?? []), 'missing', ...(kind === 'reference' ? ['[type]'] : [])]
  return `of a ${kind} :${names.join(', :')} are served`
}

/** @throws Refusal */
export function requireServedSort(sort: readonly SortKey[]): void {
  const unserved = sort.find(({ param }) => !SERVED.sort.includes(param))
  if (unserved !== undefined || sort.length > 1) {
    const name = unserved === undefined ? 'several keys' : printable(unserved.param)
    throw new Refusal('not-supported', `cannot sort by ${name} yet; _lastUpdated and -_lastUpdated are served`, true)
  }
}

/** @throws Refusal */
export function requireServedInclude({ reverse }: Include): void {
  const instead = reverse ? 'search the other type by its reference' : 'read the references of the result'
  throw new Refusal('not-supported', `is not served yet; ${instead} instead`, true)
}
