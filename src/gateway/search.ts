import { requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { searchsetBundle } from '../fhir/bundle.js'
import { parseSearch } from '../fhir/search-query.js'
import type { SearchQuery } from '../fhir/search/query.js'
import type { SearchQuery as RecordQuery } from '../records/search-query.js'
import { audited } from './audited.js'
import { disclose, trace } from './disclose.js'
import type { Handler, InteractionRequest, InteractionResponse } from './interaction.js'
import { pageSize } from './page-size.js'
import type { GatewayParts } from './parts.js'
import { handlingOf } from './represent.js'
import { searchOptions } from './scope-filter.js'
import { searchCondition } from './search-condition.js'
import type { Trail } from './trail.js'

/**
 * search of a type, https://hl7.org/fhir/R4/search.html. The consent decision is a condition inside the SQL, so the
 * total, the page and the order are those of permitted rows; the rows of the page are decided once more for the
 * permit that opens them.
 */
export function searchType(parts: GatewayParts): Handler {
  return audited(parts, async (request, trail) => {
    const type = request.type as string
    requireScope(request.principal, type, 'search-type')
    trail.query = queryText(request)
    if (type === 'AuditEvent' && request.principal.role !== 'auditor') {
      throw new ConsentryError('forbidden', 'The audit trail can be searched by auditors alone.')
    }
    const query = parseSearch(type, request.params, handlingOf(request), searchOptions(parts))
    return answer(parts, request, trail, query)
  })
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
    ...sortOf(query),
    count,
    total: count === 0 || query.total === 'accurate' || query.total === undefined,
    ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
  }
  const filter = await parts.access.filter(request.principal, 'read')
  const page = await parts.records.search(asked, filter)
  const permit = await parts.access.permit(request.principal, 'read', page.rows)
  await trace(parts, trail, page.rows)
  const bodies = await disclose(parts, request, trail, permit, page.rows, {
    interaction: request.interaction,
    query: queryText(request),
  })
  return {
    status: 200,
    headers: {},
    body: searchsetBundle(
      query,
      page.rows.map(({ type, id }, i) => ({ type, id, resource: bodies[i] as Uint8Array })),
      {
        base: request.baseUrl,
        ...(page.total === null ? {} : { total: page.total }),
        ...(page.next === null || count === 0 ? {} : { next: page.next }),
      },
    ),
  }
}

function sortOf(query: SearchQuery): Pick<RecordQuery, 'sort'> {
  const [key] = query.sort
  if (key === undefined) return {}
  if (query.sort.length === 1 && key.param === '_lastUpdated') {
    return { sort: key.descending ? '-lastUpdated' : 'lastUpdated' }
  }
  throw new ConsentryError('malformed', '_sort is served by _lastUpdated or -_lastUpdated.', {
    code: 'not-supported',
    expression: ['_sort'],
  })
}

function queryText(request: InteractionRequest): string {
  return new URLSearchParams(request.params.map(([name, value]): [string, string] => [name, value])).toString()
}
