import { randomUUID } from 'node:crypto'
import { allows, requireWriteScope } from '../auth/allows.js'
import type { ValidResource } from '../fhir/types.js'
import type { ResourceRow } from '../records/types.js'
import { audited } from './audited.js'
import { conditionalCreate } from './conditional.js'
import { retried } from './contention.js'
import { disclose, recordAccess, trace } from './disclose.js'
import { resourceOf } from './input.js'
import type { Handler, InteractionRequest, InteractionResponse } from './interaction.js'
import type { PutIntent } from './intent.js'
import type { GatewayParts } from './parts.js'
import { released, withoutBody } from './release.js'
import { etag, FOUND, lastModified, outcomeOf, preferredReturn, writtenResponse } from './represent.js'
import type { Trail } from './trail.js'
import { write } from './write.js'

/**
 * create, https://hl7.org/fhir/R4/http.html#create: the server assigns the id. With If-None-Exist one match answers
 * 200 with what is there, without writing, several are 412, and of concurrent requests one creates.
 */
export function create(parts: GatewayParts): Handler {
  return audited(
    parts,
    released(
      parts,
      async (request, trail) => {
        const type = request.type as string
        requireWriteScope(request.principal, type, 'create')
        const resource = await resourceOf(parts, request, type)
        return retried(() => createOnce(parts, request, trail, type, resource))
      },
      withoutBody,
    ),
  )
}

async function createOnce(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  type: string,
  resource: ValidResource,
): Promise<InteractionResponse> {
  const condition = request.headers['if-none-exist']
  const found = condition === undefined ? null : await conditionalCreate(parts, request, trail, type, condition)
  if (found?.existing) return foundInstead(parts, request, trail, found.existing, `${type}?${condition}`)
  const id = randomUUID()
  const claim = found ? { claim: found.claim } : {}
  const intent: PutIntent = { kind: 'create', method: 'POST', type, id, resource, at: type, ...claim }
  const [written] = await write(parts, request, trail, [intent])
  return writtenResponse(request, written as NonNullable<typeof written>)
}

/** Nothing is created: what the condition found is told, and shown to whoever may read it and wants a representation. */
async function foundInstead(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  found: ResourceRow,
  query: string,
): Promise<InteractionResponse> {
  const { type, id } = found
  const what = { interaction: 'search-type' as const, query }
  const wanted = preferredReturn(request)
  const reading = allows(request.principal, type, 'read')
  const shown = wanted === 'representation' && reading.allowed && reading.filters === null
  const [now] = shown ? await parts.records.read([found]) : []
  const row = now?.deleted === false ? now : null
  const { version, lastUpdated } = row ?? found
  await trace(parts, trail, [row ?? found])
  const location = `${request.baseUrl}/${type}/${id}/_history/${version}`
  const headers = { location, etag: etag(version), 'last-modified': lastModified(lastUpdated) }
  const answer = { status: 200, headers, lastUpdated }
  if (row === null) {
    await recordAccess(parts, request, trail, what)
    return wanted === 'OperationOutcome' ? { ...answer, body: outcomeOf(FOUND) } : answer
  }
  const permit = await parts.access.permit(request.principal, 'read', [row])
  const [body] = await disclose(parts, request, trail, permit, [row], what)
  return { ...answer, body: body as Uint8Array }
}
