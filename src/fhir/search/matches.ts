import { indexValues } from '../search-parameters.js'
import type { Resource, ValidResource } from '../types.js'
import { dateRange } from './date-range.js'
import type { IndexValue } from './index-value.js'
import { distanceBetween } from './position.js'
import type {
  Clause,
  DateValue,
  Filter,
  NumberValue,
  QuantityValue,
  ReferenceValue,
  Searched,
  StringValue,
  TokenValue,
  UriValue,
} from '../../clauses/clause.js'

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
 * tests hold it against. Chains cannot be asked: they are about other resources.
 */
export function matches({ resource, values }: Subject, query: Searched): boolean {
  return resource.resourceType === query.type && query.clauses.every((clause) => fulfils(clause, resource, values))
}

function fulfils(clause: Clause, resource: Resource, values: readonly IndexValue[]): boolean {
  switch (clause.is) {
    case 'missing':
      if (clause.param === '_id' || clause.param === '_lastUpdated') return !clause.missing
      return values.some(({ param }) => param === clause.param) !== clause.missing
    case 'all':
      return clause.clauses.every((each) => fulfils(each, resource, values))
    case 'any':
      return clause.clauses.some((each) => fulfils(each, resource, values))
    case 'none':
      return !fulfils(clause.clause, resource, values)
    case 'chain':
    case 'has':
      throw new Error('A chain cannot be matched against one resource')
    case 'filter':
      return filtered(clause, resource, values)
  }
}

function filtered(filter: Filter, resource: Resource, values: readonly IndexValue[]): boolean {
  const negated = filter.modifier === 'not' || filter.modifier === 'not-in'
  if (filter.param === '_id') {
    return filter.kind === 'token' && filter.values.some(({ code }) => code === resource.id) !== negated
  }
  if (filter.param === '_lastUpdated') {
    const at = dateRange(resource.meta?.lastUpdated ?? '')
    return at !== undefined && filter.kind === 'date' && filter.values.some((value) => dateMatches(value, at.lo, at.hi))
  }
  return values.some((value) => value.param === filter.param && found(filter, value)) !== negated
}

function found(filter: Filter, value: IndexValue): boolean {
  switch (filter.kind) {
    case 'token':
      return value.kind === 'token' && filter.values.some((wanted) => tokenMatches(wanted, value))
    case 'string':
      return value.kind === 'string' && filter.values.some((wanted) => stringMatches(wanted, value, filter.modifier))
    case 'uri':
      return value.kind === 'uri' && filter.values.some((wanted) => uriMatches(wanted, value, filter.modifier))
    case 'reference':
      return (
        value.kind === 'reference' && filter.values.some((wanted) => referenceMatches(wanted, value, filter.modifier))
      )
    case 'date':
      return value.kind === 'date' && filter.values.some((wanted) => dateMatches(wanted, value.lo, value.hi))
    case 'number':
      return value.kind === 'number' && filter.values.some((wanted) => numberMatches(wanted, value.value, value.value))
    case 'quantity':
      return value.kind === 'quantity' && filter.values.some((wanted) => quantityMatches(wanted, value))
    case 'composite':
      return (
        value.kind === 'composite' &&
        filter.values.some(({ parts }) =>
          parts.every((part, i) => (value.parts[i] ?? []).some((each) => found(part, each))),
        )
      )
    case 'special':
      return (
        value.kind === 'position' && filter.values.some((wanted) => distanceBetween(wanted, value) <= wanted.metres)
      )
  }
}

type TokenIndex = Pick<Extract<IndexValue, { kind: 'token' }>, 'system' | 'code' | 'words' | 'types'>

function tokenMatches(wanted: TokenValue, found: TokenIndex): boolean {
  if (wanted.text !== undefined) return wanted.text.every((word) => found.words?.includes(word) ?? false)
  if (wanted.typeCode !== undefined) {
    const { typeSystem, typeCode, code } = wanted
    return found.code === code && (found.types ?? []).some((of) => of.system === typeSystem && of.code === typeCode)
  }
  if (wanted.code !== undefined && wanted.code !== found.code) return false
  if (wanted.system === undefined) return true
  return wanted.system === null ? found.system === undefined : wanted.system === found.system
}

type UriIndex = Extract<IndexValue, { kind: 'uri' }>

function uriMatches({ value, above }: UriValue, found: UriIndex, modifier: Filter['modifier']): boolean {
  if (modifier === 'below') return found.within?.includes(value) ?? false
  return modifier === 'above' ? (above ?? []).includes(found.value) : value === found.value
}

type QuantityIndex = Extract<IndexValue, { kind: 'quantity' }>

function quantityMatches(wanted: QuantityValue, found: QuantityIndex): boolean {
  const ends = ({ value, lo, hi }: { value?: string; lo?: string; hi?: string }): [string, string] =>
    value === undefined ? [lo ?? '-Infinity', hi ?? 'Infinity'] : [value, value]
  if (wanted.canonical !== undefined) {
    if (found.canonical?.unit !== wanted.canonical.unit) return false
    return numberMatches({ ...wanted.canonical, prefix: wanted.prefix }, ...ends(found.canonical))
  }
  if (wanted.system !== undefined && wanted.system !== found.system) return false
  if (wanted.code !== undefined && wanted.code !== found.code) {
    if (wanted.system !== undefined || wanted.code !== found.unit) return false
  }
  return numberMatches(wanted, ...ends(found))
}

/** The table of prefixes for [tlo, thi] of a number; see NumberValue. */
function numberMatches({ prefix, value, lo, hi }: NumberValue, tlo: string, thi: string): boolean {
  const [at, from, to, least, greatest] = [value, lo, hi, tlo, thi].map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ]
  switch (prefix) {
    case 'eq':
      return from <= least && greatest < to
    case 'ne':
      return !(from <= least && greatest < to)
    case 'gt':
      return greatest > at
    case 'ge':
      return greatest >= at
    case 'lt':
      return least < at
    case 'le':
      return least <= at
    case 'sa':
      return least > at
    case 'eb':
      return greatest < at
    case 'ap':
      return least <= at + Math.abs(at) / 10 && greatest >= at - Math.abs(at) / 10
  }
}

type StringIndex = Extract<IndexValue, { kind: 'string' }>

function stringMatches(wanted: StringValue, found: StringIndex, modifier: Filter['modifier']): boolean {
  if (modifier === 'exact') return !found.word && found.value === wanted.value
  if (modifier === 'whole') return !found.word && found.normal === wanted.normal
  return modifier === 'contains' ? found.normal.includes(wanted.normal) : found.normal.startsWith(wanted.normal)
}

type ReferenceIndex = Extract<IndexValue, { kind: 'reference' }>

function referenceMatches(wanted: ReferenceValue, found: ReferenceIndex, modifier: Filter['modifier']): boolean {
  if (wanted.identifier !== undefined) {
    const { system, value } = found.identifier ?? {}
    if (value === undefined) return false
    return tokenMatches(wanted.identifier, system === undefined ? { code: value } : { system, code: value })
  }
  if (modifier === 'below' && wanted.version !== undefined) {
    return found.within?.includes(`${wanted.url}|${wanted.version}`) ?? false
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
