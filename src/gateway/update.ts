import { randomUUID } from 'node:crypto'
import { requireWriteScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import type { ValidResource } from '../fhir/types.js'
import { audited } from './audited.js'
import { withContext } from './binary.js'
import { meet } from './conditional.js'
import { retried } from './contention.js'
import { resourceOf } from './input.js'
import type { PutIntent } from './intent.js'
import type { Handler, InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { ifMatchVersion, writtenResponse } from './represent.js'
import type { Trail } from './trail.js'
import { write } from './write.js'

/**
 * update, https://hl7.org/fhir/R4/http.html#update; a new id is created under that id (update as create). On the URL of a
 * type it is conditional: one match is updated, none creates, under the id of the resource if it has one and nothing is there.
 */
export function update(parts: GatewayParts): Handler {
  return audited(parts, async (request, trail) => {
    const type = request.type as string
    requireWriteScope(request.principal, type, 'update')
    const resource = await resourceOf(parts, request, type)
    const ifMatch = ifMatchVersion(request)
    const match = { ...(ifMatch === undefined ? {} : { ifMatch }), ...ifAbsent(request) }
    return retried(async () => {
      const intent =
        request.id === undefined
          ? await conditionalIntent(parts, request, trail, type, resource)
          : { kind: 'update' as const, id: sameId(type, resource, request.id) }
      const kept = type === 'Binary' ? await withContext(parts, request, resource, intent.id) : resource
      const put = { method: 'PUT' as const, type, resource: kept, at: type, ...match, ...intent }
      const [written] = await write(parts, request, trail, [put])
      return writtenResponse(request, written as NonNullable<typeof written>)
    })
  })
}

/** RFC 9110, section 13.1.2: of a write, `*` alone says something that a version would not. */
function ifAbsent({ headers }: InteractionRequest): { ifAbsent?: true } {
  const value = headers['if-none-match']
  if (value === undefined) return {}
  if (value.trim() === '*') return { ifAbsent: true }
  throw new ConsentryError('malformed', 'If-None-Match of an update is *, or left out.', {
    expression: ['If-None-Match'],
  })
}

/** https://hl7.org/fhir/R4/http.html#cond-update */
async function conditionalIntent(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  type: string,
  resource: ValidResource,
): Promise<Pick<PutIntent, 'kind' | 'id' | 'claim' | 'unmatched'>> {
  const { existing, claim } = await meet(parts, request, trail, type)
  if (existing === undefined) {
    requireWriteScope(request.principal, type, 'create')
    return resource.id === undefined
      ? { kind: 'create', id: randomUUID(), claim }
      : { kind: 'update', id: resource.id, claim, unmatched: true }
  }
  if (resource.id !== undefined && resource.id !== existing.id) {
    throw new ConsentryError('malformed', 'The condition matches a resource with another id than this one has.', {
      code: 'value',
      expression: [`${type}.id`],
    })
  }
  return { kind: 'update', id: existing.id }
}

function sameId(type: string, resource: ValidResource, id: string): string {
  if (resource.id === id) return id
  throw new ConsentryError(
    'malformed',
    resource.id === undefined
      ? `The resource must have the id of the URL, '${id}'.`
      : `The id of the resource must be the id of the URL, '${id}'.`,
    { code: 'value', expression: [`${type}.id`] },
  )
}
