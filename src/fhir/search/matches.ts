import { indexValues } from '../search-parameters.js'
import type { Resource, ValidResource } from '../types.js'
import { dateRange } from './date-range.js'
import type { IndexValue } from './index-value.js'
import type { Clause, DateValue, Filter, ReferenceValue, SearchQuery, StringValue, TokenValue } from './query.js'

/** A resource with the values that its search parameters find, to hold against several searches. */
export interface Subject {
  readonly resource: Resource
  readonly values: readonly IndexValue[]
}

export function subjectOf(resource: Resource, base?: string): Subject {
  return { resource, values: indexValues(resource as ValidResource, base) }
}

/**
 * True if a resource fulfils a search, decided on the resource itself: for conditional references to entries of
 * the same transaction, which no index holds yet. It is also the slow, readable twin of the SQL search that
 * tests hold it against. Only what served.ts serves can be asked.
 */
export function matches({ resource, values }: Subject, query: SearchQuery): boolean {
  return resource.resourceType === query.type && query.clauses.every((clause) => fulfils(clause, resource, values))
}

function fulfils(clause: Clause, resource: Resource, values: readonly IndexValue[]): boolean {
  if (clause.is !== 'filter') throw new Error(`Only filters can be matched against a resource, not ${clause.is}`)
  if (clause.param === '_id') return clause.kind === 'token' && clause.values.some(({ code }) => code === resource.id)
  if (clause.param === '_lastUpdated') {
    const at = dateRange(resource.meta?.lastUpdated ?? '')
    return at !== undefined && clause.kind === 'date' && clause.values.some((value) => dateMatches(value, at.lo, at.hi))
  }
  return values.some((value) => value.param === clause.param && found(clause, value))
}

function found(filter: Filter, value: IndexValue): boolean {
  switch (filter.kind) {
    case 'token':
      return value.kind === 'token' && filter.values.some((wanted) => tokenMatches(wanted, value))
    case 'string':
      return value.kind === 'string' && filter.values.some((wanted) => stringMatches(wanted, value, filter.modifier))
    case 'uri':
      return value.kind === 'uri' && filter.values.some((wanted) => wanted.value === value.value)
    case 'reference':
      return value.kind === 'reference' && filter.values.some((wanted) => referenceMatches(wanted, value))
    case 'date':
      return value.kind === 'date' && filter.values.some((wanted) => dateMatches(wanted, value.lo, value.hi))
    default:
      throw new Error(`A ${filter.kind} cannot be matched against a resource yet`)
  }
}

function tokenMatches(wanted: TokenValue, found: { system?: string; code?: string }): boolean {
  if (wanted.code !== undefined && wanted.code !== found.code) return false
  if (wanted.system === undefined) return true
  return wanted.system === null ? found.system === undefined : wanted.system === found.system
}

type StringIndex = Extract<IndexValue, { kind: 'string' }>

function stringMatches(wanted: StringValue, found: StringIndex, modifier: Filter['modifier']): boolean {
  return modifier === 'exact' ? !found.word && found.value === wanted.value : found.normal.startsWith(wanted.normal)
}

type ReferenceIndex = Extract<IndexValue, { kind: 'reference' }>

function referenceMatches(wanted: ReferenceValue, found: ReferenceIndex): boolean {
  if (wanted.identifier !== undefined) {
    const { system, value } = found.identifier ?? {}
    if (value === undefined) return false
    return tokenMatches(wanted.identifier, system === undefined ? { code: value } : { system, code: value })
  }
  if (wanted.version !== undefined && wanted.version !== found.version) return false
  if (wanted.url !== undefined) return wanted.url === found.url
  return wanted.id === found.id && found.type !== undefined && (wanted.types?.includes(found.type) ?? false)
}

/** The table of prefixes for ranges, see `DateValue`. */
export function dateMatches({ prefix, lo, hi }: DateValue, tlo: number, thi: number): boolean {
  const within = lo <= tlo && thi <= hi
  switch (prefix) {
    case 'eq':
      return within
    case 'ne':
      return !within
    case 'gt':
      return thi > hi
    case 'ge':
      return within || thi > hi
    case 'lt':
      return tlo < lo
    case 'le':
      return within || tlo < lo
    case 'sa':
      return tlo >= hi
    case 'eb':
      return thi <= lo
    case 'ap':
      return tlo < hi && lo < thi
  }
}
