import { allows, requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { historyBundle } from '../fhir/bundle.js'
import { structures } from '../fhir/definitions/structures.js'
import { parseSearch } from '../fhir/search-query.js'
import { dateRange } from '../fhir/search/date-range.js'
import type { HistoryQuery } from '../records/history.js'
import type { RowFilter } from '../records/types.js'
import { audited } from './audited.js'
import { disclose, trace } from './disclose.js'
import type { Handler, InteractionRequest, InteractionResponse } from './interaction.js'
import { missing, withoutExistence } from './missing.js'
import { pageOf, pageSize } from './page-size.js'
import type { GatewayParts } from './parts.js'
import { cutAsked } from './read-subset.js'
import { released } from './release.js'
import { requireInsideScope, searchOptions } from './scope-filter.js'
import type { Trail } from './trail.js'

/**
 * history, https://hl7.org/fhir/R4/http.html#history: newest first, with `_since`, `_at`, `_list`, `_count` and paging, cut by `_summary` and `_elements`. The consent
 * decision is a condition inside the SQL: a version is shown only if it is permitted under its own labels and under those of the
 * current version, and totals count those alone.
 */
export function historyInstance(parts: GatewayParts): Handler {
  return audited(
    parts,
    released(parts, async (request, trail) => {
      const ref = { type: request.type as string, id: request.id as string }
      const filters = requireScope(request.principal, ref.type, 'history-instance')
      const query = { ...paramsOf(parts, request), ...ref }
      const [current] = await parts.records.read([ref])
      if (!current) {
        trail.touches(`${ref.type}/${ref.id}`)
        throw await missing(parts, request, `${ref.type}/${ref.id}`)
      }
      await trace(parts, trail, [current])
      await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [current]))
      await requireInsideScope(parts, request, current, filters)
      if (filters !== null && current.version > 1) {
        throw new ConsentryError('forbidden', 'Earlier versions are not served under a granular scope.')
      }
      return answer(parts, request, trail, query, `${ref.type}/${ref.id}/_history`)
    }),
  )
}

export function historyType(parts: GatewayParts): Handler {
  return audited(
    parts,
    released(parts, async (request, trail) => {
      const type = request.type as string
      if (requireScope(request.principal, type, 'history-type') !== null) throw narrow(type)
      return answer(parts, request, trail, { ...paramsOf(parts, request), type }, `${type}/_history`)
    }),
  )
}

/** Of the types that the token reaches. */
export function historySystem(parts: GatewayParts): Handler {
  return audited(
    parts,
    released(parts, async (request, trail) => {
      const decisions = structures().resources.map((type) => ({
        type,
        ...allows(request.principal, type, 'history-system'),
      }))
      const types = decisions.filter((each) => each.allowed && each.filters === null).map(({ type }) => type)
      if (types.length === 0) requireScope(request.principal, '*', 'history-system')
      if (types.length === 0) throw narrow('every type')
      const all = types.length === decisions.length
      return answer(parts, request, trail, { ...paramsOf(parts, request), ...(all ? {} : { types }) }, '_history')
    }),
  )
}

function narrow(what: string): ConsentryError {
  return new ConsentryError('forbidden', `The history of ${what} is not served under a granular scope.`, {
    code: 'security',
  })
}

async function answer(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  query: HistoryQuery,
  path: string,
): Promise<InteractionResponse> {
  const cut = cutAsked({ params: request.params })
  const told = (type: string, of: Uint8Array) => (type === 'Binary' ? of : cut(of))
  const filter = await parts.access.filter(request.principal, 'read')
  const page = await parts.records.history(query, filter)
  const again = async (now: RowFilter) => (await parts.records.history(query, now)).total
  trail.opened.count(filter, page.total, again)
  const permit = await parts.access.permit(request.principal, 'read', page.rows)
  await trace(parts, trail, page.rows)
  const shown = page.rows.filter((row) => !row.deleted)
  const bodies = await disclose(parts, request, trail, permit, shown, { interaction: request.interaction })
  const body = new Map(shown.map((row, i) => [row, bodies[i] as Uint8Array]))
  return {
    status: 200,
    headers: {},
    body: historyBundle(
      path,
      [...request.params.filter(([name]) => name !== '_cursor' && name !== '_count'), ['_count', String(query.count)]],
      page.rows.map((row) => ({
        type: row.type,
        id: row.id,
        version: row.version,
        lastModified: new Date(row.lastUpdated).toISOString(),
        // What this server wrote or imported itself had no request, and of rows from before it is not kept: the one that would do the same.
        method: row.method ?? (row.deleted ? 'DELETE' : row.created ? 'POST' : 'PUT'),
        ...(row.operation === null ? {} : { operation: row.operation }),
        created: row.created,
        ...(row.deleted ? {} : { resource: told(row.type, body.get(row) as Uint8Array) }),
      })),
      {
        ...pageOf(request),
        ...(page.total === null ? {} : { total: page.total }),
        ...(page.next === null ? {} : { next: page.next }),
      },
    ),
  }
}

function paramsOf(parts: GatewayParts, request: InteractionRequest): HistoryQuery {
  const given = new Map<string, string>()
  for (const [name, value] of request.params) {
    if (!PARAMETERS.has(name)) {
      throw new ConsentryError(
        'malformed',
        `A history has no such parameter; it is served with _count, _since, _at, _list, _summary and _elements.`,
        {
          code: 'not-supported',
          expression: [name.slice(0, 40)],
        },
      )
    }
    if (given.has(name)) {
      throw new ConsentryError('malformed', `${name} may be given once.`, { code: 'value', expression: [name] })
    }
    given.set(name, value)
  }
  const since = time('_since', given.get('_since'))
  const at = time('_at', given.get('_at'))
  const cursor = given.get('_cursor')
  return {
    count: pageSize(parts.limits, given.get('_count')),
    ...listed(parts, request, given.get('_list')),
    ...(since === undefined ? {} : { since: since.lo }),
    ...(at === undefined ? {} : { at }),
    ...(cursor === undefined ? {} : { cursor }),
  }
}

const PARAMETERS: ReadonlySet<string> = new Set([
  '_count',
  '_since',
  '_at',
  '_list',
  '_summary',
  '_elements',
  '_cursor',
])

/** "Only include resource versions that are referenced in the specified list" (https://hl7.org/fhir/R4/http.html#history): of what it refers to, all versions. */
function listed(
  parts: GatewayParts,
  { principal }: InteractionRequest,
  value: string | undefined,
): Pick<HistoryQuery, 'lists'> {
  if (value === undefined) return {}
  const [clause] = parseSearch('Basic', [['_list', value]], 'strict', searchOptions(parts)).clauses
  if (clause?.is !== 'has' || clause.clause.is !== 'filter' || clause.clause.kind !== 'token') return {}
  if (requireScope(principal, 'List', 'search-type') !== null) throw narrow('a List')
  return { lists: clause.clause.values.map(({ code = '' }) => code) }
}

function time(name: string, value: string | undefined): { lo: number; hi: number } | undefined {
  const range = value === undefined ? undefined : dateRange(value)
  if (value === undefined || range !== undefined) return range
  throw new ConsentryError('malformed', `${name} must be a date or a time, such as 2026-11-26T08:00:00Z.`, {
    code: 'value',
    expression: [name],
  })
}
