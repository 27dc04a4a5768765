import { requireScope } from '../auth/allows.js'
import { ConsentryError, type Issue } from '../errors.js'
import { searchsetBundle, type SearchsetEntry } from '../fhir/bundle.js'
import { parseSearch, searchParametersOf, sortBy } from '../fhir/search-query.js'
import type { SearchQuery } from '../fhir/search/query.js'
import { type Subset, subsetOf } from '../fhir/subset.js'
import type { SearchQuery as RecordQuery, SortKey } from '../records/search-query.js'
import type { RowFilter } from '../records/types.js'
import { audited } from './audited.js'
import { disclose, trace } from './disclose.js'
import { included } from './including.js'
import type { Handler, InteractionRequest, InteractionResponse } from './interaction.js'
import { pageSize } from './page-size.js'
import type { GatewayParts } from './parts.js'
import { released } from './release.js'
import { handlingOf } from './represent.js'
import { searchOptions } from './scope-filter.js'
import { searchCondition } from './search-condition.js'
import type { Trail } from './trail.js'

/**
 * search of a type, https://hl7.org/fhir/R4/search.html. The consent decision is a condition inside the SQL, so the
 * total, the page, its order and what is included are those of permitted rows; the rows are decided once more for the
 * permit that opens them. The number of statements does not depend on what is found.
 */
export function searchType(parts: GatewayParts): Handler {
  return audited(
    parts,
    released(parts, async (request, trail) => {
      const type = request.type as string
      requireScope(request.principal, type, 'search-type')
      trail.query = queryText(request)
      if (type === 'AuditEvent' && request.principal.role !== 'auditor') {
        throw new ConsentryError('forbidden', 'The audit trail can be searched by auditors alone.')
      }
      const query = parseSearch(type, request.params, handlingOf(request), searchOptions(parts))
      return answer(parts, request, trail, query)
    }),
  )
}

async function answer(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  query: SearchQuery,
): Promise<InteractionResponse> {
  const count = query.summary === 'count' ? 0 : pageSize(parts.limits, query.count)
  const asked: RecordQuery = {
    type: query.type,
    clauses: await searchCondition(parts, request.principal, query.type, query.clauses),
    ...(query.sort.length === 0 ? {} : { sort: query.sort.map((key) => sortKey(query.type, key)) }),
    count,
    total: count === 0 || query.total !== 'none',
    ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
  }
  const filter = await parts.access.filter(request.principal, 'read')
  const page = await parts.records.search(asked, filter)
  const again = async (now: RowFilter) => (await parts.records.search({ ...asked, count: 0 }, now)).total
  trail.opened.count(filter, page.total, again)
  const besides = await included(parts, request.principal, query, page.rows, filter)
  const rows = [...page.rows, ...besides.rows]
  const permit = await parts.access.permit(request.principal, 'read', rows)
  await trace(parts, trail, rows)
  const bodies = await disclose(parts, request, trail, permit, rows, {
    interaction: request.interaction,
    query: queryText(request),
  })
  const entries = rows.map(({ type, id }, i): SearchsetEntry => {
    const mode = i < page.rows.length ? 'match' : 'include'
    return { type, id, resource: shown(query, mode, bodies[i] as Uint8Array), mode }
  })
  const body = searchsetBundle(
    query,
    entries,
    {
      base: request.baseUrl,
      ...(page.total === null ? {} : { total: page.total }),
      ...(page.next === null || count === 0 ? {} : { next: page.next }),
      ...(page.previous === null || count === 0 ? {} : { previous: page.previous }),
    },
    besides.more ? [cutShort(parts)] : [],
  )
  return { status: 200, headers: {}, body }
}

/** `_elements` names elements of the searched type, so included resources stay whole. */
function shown({ summary, elements }: SearchQuery, mode: 'match' | 'include', body: Uint8Array): Uint8Array {
  const subset: Subset = {
    ...(summary === 'true' || summary === 'text' || summary === 'data' ? { summary } : {}),
    ...(elements.length > 0 && mode === 'match' ? { elements } : {}),
  }
  return Object.keys(subset).length === 0 ? body : subsetOf(body, subset)
}

function sortKey(type: string, { param, descending }: SearchQuery['sort'][number]): SortKey {
  const parameter = searchParametersOf(type).get(param)
  const by = parameter && sortBy(parameter)
  if (by === undefined) throw new ConsentryError('malformed', 'The search cannot be sorted by this parameter.')
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

function queryText(request: InteractionRequest): string {
  return new URLSearchParams(request.params.map(([name, value]): [string, string] => [name, value])).toString()
}
