import { requireScope } from '../auth/allows.js'
import { ConsentryError, type Issue } from '../errors.js'
import { searchsetBundle, type SearchsetEntry } from '../fhir/bundle.js'
import { stringify } from '../fhir/json.js'
import { searchParametersOf, sortBy } from '../fhir/search-query.js'
import type { ResultOptions, SystemQuery } from '../fhir/search/query.js'
import { subsetAsked, subsetOf } from '../fhir/subset.js'
import type { Latest, SortKey } from '../records/search-query.js'
import type { RowFilter } from '../records/types.js'
import { definitionsFound } from './definitions.js'
import { disclose, trace } from './disclose.js'
import { included } from './including.js'
import type { InteractionRequest, InteractionResponse } from './interaction.js'
import { mixedPage } from './mixed-page.js'
import { pageOf, pageSize } from './page-size.js'
import type { GatewayParts } from './parts.js'
import { scopeClauses } from './scope-filter.js'
import { searchConditions } from './search-condition.js'
import type { Trail } from './trail.js'

/** A search as it was asked: of what types, and where. */
export interface Asked extends SystemQuery {
  /** Below the base, for the links of the page. */
  readonly path: string
  /** Of what matches only the latest of each group. */
  readonly latest?: Latest
}

/** One page of a search: definitions that come with the server and are in no rows, its rows, what they include, and the audit records before any of it is opened. */
export async function searchPage(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  query: Asked,
): Promise<InteractionResponse> {
  const count = query.summary === 'count' ? 0 : pageSize(parts.limits, query.count)
  const [first, ...also] = await searchConditions(parts, request.principal, query.searched)
  if (first === undefined) throw new ConsentryError('internal', 'A search is of no type.')
  const narrowed = (type: string) => scopeClauses(parts, type, requireScope(request.principal, type, 'search-type'))
  const own = await definitionsFound(parts, request.principal, query.searched, narrowed)
  const mixed = mixedPage(own, {
    ...first,
    ...(also.length === 0 ? {} : { also }),
    ...(query.sort.length === 0 ? {} : { sort: query.sort.map((key) => sortKey(first.type, key)) }),
    count,
    total: count === 0 || query.total !== 'none',
    ...(query.latest === undefined ? {} : { latest: query.latest }),
    // who asks for a total, or for nothing else, gets it whatever it takes
    ...(count > 0 && query.total === undefined ? { totalUpTo: parts.limits.maxCounted } : {}),
    ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
  })
  const { asked } = mixed
  const filter = await parts.access.filter(request.principal, 'read')
  const page = await parts.records.search(asked, filter)
  const again = async (now: RowFilter) => (await parts.records.search({ ...asked, count: 0 }, now)).total
  trail.opened.count(filter, page.total, again)
  const besides = await included(parts, request.principal, query, page.rows, filter)
  const rows = [...page.rows, ...besides.rows]
  const permit = await parts.access.permit(request.principal, 'read', rows)
  await trace(parts, trail, rows)
  const bodies = await disclose(parts, request, trail, permit, rows, {
    interaction: request.operation === undefined ? request.interaction : `$${request.operation}`,
    query: queryText(request),
  })
  const entries = rows.map(({ type, id }, i): SearchsetEntry => {
    const mode = i < page.rows.length ? 'match' : 'include'
    return { type, id, resource: shown(query, mode, bodies[i] as Uint8Array), mode }
  })
  const definitions = mixed.first.map((definition): SearchsetEntry => {
    const { resourceType: type, id = '' } = definition
    return { type, id, resource: shown(query, 'match', Buffer.from(stringify(definition))) }
  })
  const next = count === 0 ? null : (mixed.next(page.total) ?? page.next)
  const body = searchsetBundle(
    { ...query, type: query.path },
    [...definitions, ...entries],
    {
      ...pageOf(request),
      ...(page.total === null || (count > 0 && query.total === 'none') ? {} : { total: page.total + own.length }),
      ...(next === null ? {} : { next }),
      ...(page.previous === null || count === 0 ? {} : { previous: page.previous }),
    },
    besides.more ? [cutShort(parts)] : [],
  )
  return { status: 200, headers: {}, body }
}

/** `_elements` names elements of the searched type, so included resources stay whole. */
function shown({ summary, elements }: ResultOptions, mode: 'match' | 'include', body: Uint8Array): Uint8Array {
  const subset = subsetAsked({ summary, elements: mode === 'match' ? elements : [] })
  return subset === undefined ? body : subsetOf(body, subset)
}

function sortKey(type: string, { param, descending }: ResultOptions['sort'][number]): SortKey {
  const parameter = searchParametersOf(type).get(param)
  const by = parameter && sortBy(parameter)
  if (by === undefined) throw new ConsentryError('malformed', `A search of ${type} cannot be sorted by ${param}.`)
  return { by, param, descending }
}

function cutShort({ limits }: GatewayParts): Issue {
  return {
    severity: 'warning',
    code: 'too-costly',
    diagnostics: `More than ${limits.maxIncluded} resources would be included; ask for smaller pages with _count.`,
    expression: ['_include'],
  }
}

/** What is asked, for the trail. */
export function queryText(request: InteractionRequest): string {
  return new URLSearchParams(request.params.map(([name, value]): [string, string] => [name, value])).toString()
}
