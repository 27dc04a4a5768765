import { isResourceType } from '../definitions/structures.js'
import type { Include, SearchQuery, SortKey } from './query.js'
import { printable, Refusal } from './refusal.js'
import { requireServedSort } from './served.js'
import { searchParametersOf } from './table.js'

/** The result parameters of a search as they come in; `finish` of search-query.ts makes them read-only. */
export interface ResultParameters {
  count: number | undefined
  total: SearchQuery['total']
  summary: SearchQuery['summary']
  cursor: string | undefined
  sort: SortKey[]
  elements: string[]
  includes: Include[]
}

export const noResultParameters = (): ResultParameters => ({
  count: undefined,
  total: undefined,
  summary: undefined,
  cursor: undefined,
  sort: [],
  elements: [],
  includes: [],
})

type Parse = (value: string, into: ResultParameters, type: string) => void

/**
 * The parameters that shape the answer rather than the set of matches,
 * https://hl7.org/fhir/R4/search.html#return. `_cursor` is ours, for `next` links.
 */
export const RESULT_PARAMETERS: Readonly<Record<string, Parse>> = {
  _count(value, into) {
    if (!/^\d{1,9}$/.test(value)) throw new Refusal('value', 'must be a whole number from 0')
    into.count = once(into.count, Number(value))
  },
  _total(value, into) {
    into.total = once(into.total, oneOf(value, ['none', 'estimate', 'accurate'] as const))
  },
  _summary(value, into) {
    into.summary = once(into.summary, oneOf(value, ['true', 'false', 'text', 'data', 'count'] as const))
  },
  _cursor(value, into) {
    if (!/^[A-Za-z0-9_.~-]+$/.test(value)) throw new Refusal('value', 'is not a cursor of this server')
    into.cursor = once(into.cursor, value)
  },
  _sort(value, into, type) {
    const keys = value.split(',').filter((part) => part !== '')
    const sort = [...into.sort, ...keys.map((key) => parseSortKey(key, type))]
    requireServedSort(type, sort)
    into.sort = sort
  },
  /** "false (default): Do not return contained resources", https://hl7.org/fhir/R4/search.html#contained */
  _contained(value) {
    if (value === 'false') return
    throw new Refusal(
      'not-supported',
      'is served as false alone: what is contained is found with the resource that contains it',
      true,
    )
  },
  _elements(value, into) {
    const names = value.split(',').filter((part) => part !== '')
    if (!names.every((name) => /^[A-Za-z]{1,64}$/.test(name))) {
      throw new Refusal('value', 'must be names of elements of the resource, parted by commas')
    }
    into.elements.push(...names)
  },
  _include: (value, into) => takeInclude(value, false, false, into),
  '_include:iterate': (value, into) => takeInclude(value, false, true, into),
  _revinclude: (value, into) => takeInclude(value, true, false, into),
  '_revinclude:iterate': (value, into) => takeInclude(value, true, true, into),
}

/** For all interactions (https://hl7.org/fhir/R4/http.html#parameters); the edge obeys them. */
export const FOR_THE_EDGE: ReadonlySet<string> = new Set(['_format', '_pretty'])

function once<T>(before: T | undefined, value: T): T {
  if (before !== undefined) throw new Refusal('invalid', 'is given twice')
  return value
}

function oneOf<T extends string>(value: string, allowed: readonly T[]): T {
  const found = allowed.find((word) => word === value)
  if (found === undefined) throw new Refusal('value', `must be one of ${allowed.join(', ')}`)
  return found
}

function parseSortKey(key: string, type: string): SortKey {
  const descending = key.startsWith('-')
  const param = descending ? key.slice(1) : key
  const parameter = searchParametersOf(type).get(param)
  if (parameter === undefined) {
    throw new Refusal('not-supported', `names ${printable(param)}, which is no search parameter of ${type}`, true)
  }
  return { param, kind: parameter.kind, descending }
}

const MOST_INCLUDES = 20

function takeInclude(value: string, reverse: boolean, iterate: boolean, into: ResultParameters): void {
  if (into.includes.length === MOST_INCLUDES)
    throw new Refusal('too-costly', `is the ${MOST_INCLUDES + 1}th of the search`)
  into.includes.push(parseInclude(value, reverse, iterate))
}

/** `Source:parameter` or `Source:parameter:Target`; the parameter, or all of it, may be `*`. */
function parseInclude(value: string, reverse: boolean, iterate: boolean): Include {
  const [source = '', param = value === '*' ? '*' : '', target, ...more] = value.split(':')
  const anySource = source === '*'
  if (searchParametersOf(source).get(param)?.pending) {
    throw new Refusal('not-supported', `names ${source}.${param}, by which records are still being indexed`)
  }
  if (param === '' || more.length > 0) {
    throw new Refusal('value', 'must be Type:parameter or Type:parameter:TargetType of a reference parameter')
  }
  for (const type of [source, target]) {
    if (type !== undefined && type !== '*' && !isResourceType(type)) {
      throw new Refusal('value', `names ${printable(type)}, which is no resource type of R4`)
    }
  }
  if (target === '*') throw new Refusal('value', 'is of every type that is referred to, if it names none')
  if (!anySource && param !== '*' && searchParametersOf(source).get(param)?.kind !== 'reference') {
    const references = [...searchParametersOf(source).values()].filter(({ kind }) => kind === 'reference')
    throw new Refusal(
      'value',
      `names ${printable(param)}, which is no reference of ${source}; it has ${references.map(({ code }) => code).join(', ') || 'none'}`,
    )
  }
  return { reverse, iterate, source, param, ...(target === undefined ? {} : { target }) }
}
