import { randomUUID } from 'node:crypto'
import { requireWriteScope } from '../auth/allows.js'
import type { ValidResource } from '../fhir/types.js'
import { audited } from './audited.js'
import { conditionalCreate } from './conditional.js'
import { retried } from './contention.js'
import { recordAccess, trace } from './disclose.js'
import { resourceOf } from './input.js'
import type { Handler, InteractionRequest, InteractionResponse } from './interaction.js'
import type { PutIntent } from './intent.js'
import type { GatewayParts } from './parts.js'
import { etag, lastModified, writtenResponse } from './represent.js'
import type { Trail } from './trail.js'
import { write } from './write.js'

/**
 * create, https://hl7.org/fhir/R4/http.html#create: the server assigns the id. With If-None-Exist one match answers
 * 200 without writing, several are 412, and of concurrent requests one creates.
 */
export function create(parts: GatewayParts): Handler {
  return audited(parts, async (request, trail) => {
    const type = request.type as string
    requireWriteScope(request.principal, type, 'create')
    const resource = await resourceOf(parts, request, type)
    return retried(() => createOnce(parts, request, trail, type, resource))
  })
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
  if (found?.existing) {
    const { id, version, lastUpdated } = found.existing
    await trace(parts, trail, [found.existing])
    // Nothing is created: what the condition found is told.
    await recordAccess(parts, request, trail, { interaction: 'search-type', query: `${type}?${condition}` })
    const location = `${request.baseUrl}/${type}/${id}/_history/${version}`
    const headers = { location, etag: etag(version), 'last-modified': lastModified(lastUpdated) }
    return { status: 200, headers, lastUpdated }
  }
  const id = randomUUID()
  const claim = found ? { claim: found.claim } : {}
  const intent: PutIntent = { kind: 'create', method: 'POST', type, id, resource, at: type, ...claim }
  const [written] = await write(parts, request, trail, [intent])
  return writtenResponse(request, written as NonNullable<typeof written>)
}
