import { requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { historyBundle } from '../fhir/bundle.js'
import { audited } from './audited.js'
import { disclose, trace } from './disclose.js'
import type { Handler, InteractionRequest } from './interaction.js'
import { missing, withoutExistence } from './missing.js'
import { pageSize } from './page-size.js'
import type { GatewayParts } from './parts.js'
import { requireInsideScope } from './scope-filter.js'

/**
 * history of an instance, https://hl7.org/fhir/R4/http.html#history: newest first, `_count` and paging. A version is
 * shown only if consent permits it under its own labels and under those of the current version.
 */
export function historyInstance(parts: GatewayParts): Handler {
  return audited(parts, async (request, trail) => {
    const ref = { type: request.type as string, id: request.id as string }
    const filters = requireScope(request.principal, ref.type, 'history-instance')
    const { count, cursor } = historyParams(parts, request)
    const [current] = await parts.records.read([ref])
    if (!current) {
      trail.touches(`${ref.type}/${ref.id}`)
      throw missing(parts, request, `${ref.type}/${ref.id}`)
    }
    await trace(parts, trail, [current])
    await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [current]))
    await requireInsideScope(parts, request, current, filters)
    if (filters !== null && current.version > 1) {
      throw new ConsentryError('forbidden', 'Earlier versions are not served under a granular scope.')
    }

    const page = await parts.records.history(ref, { count, ...(cursor === undefined ? {} : { cursor }) })
    const permit = await parts.access.permit(request.principal, 'read', page.rows)
    const shown = page.rows.filter((row) => !row.deleted)
    const bodies = await disclose(parts, request, trail, permit, shown, { interaction: 'history-instance' })
    const body = new Map(shown.map((row, i) => [row, bodies[i] as Uint8Array]))
    return {
      status: 200,
      headers: {},
      body: historyBundle(
        `${ref.type}/${ref.id}/_history`,
        [['_count', String(count)]],
        page.rows.map((row) => ({
          type: row.type,
          id: row.id,
          version: row.version,
          lastModified: new Date(row.lastUpdated).toISOString(),
          method: row.deleted ? 'DELETE' : row.version === 1 ? 'POST' : 'PUT',
          ...(row.deleted ? {} : { resource: body.get(row) as Uint8Array }),
        })),
        { base: request.baseUrl, total: page.total, ...(page.next === null ? {} : { next: page.next }) },
      ),
    }
  })
}

function historyParams(parts: GatewayParts, request: InteractionRequest): { count: number; cursor?: string } {
  let count: string | undefined
  let cursor: string | undefined
  for (const [name, value] of request.params) {
    if (name === '_count') count = value
    else if (name === '_cursor') cursor = value
    else {
      throw new ConsentryError('malformed', 'history of an instance is served with _count; other parameters are not.', {
        code: 'not-supported',
        expression: [name.slice(0, 40)],
      })
    }
  }
  return { count: pageSize(parts.limits, count), ...(cursor === undefined ? {} : { cursor }) }
}
