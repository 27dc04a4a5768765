import { requireWriteScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { audited } from './audited.js'
import { meetAll } from './conditional.js'
import { refuseServerWritten } from './input.js'
import type { Handler, InteractionRequest, InteractionResponse } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { deletedResponse, deletedTogether, ifMatchVersion } from './represent.js'
import type { Trail } from './trail.js'
import { write } from './write.js'

/**
 * delete, https://hl7.org/fhir/R4/http.html#delete. Old versions stay; deleting what is not there succeeds, too. On the URL
 * of a type it is conditional.
 */
export function deleteResource(parts: GatewayParts): Handler {
  return audited(parts, async (request, trail) => {
    const type = request.type as string
    requireWriteScope(request.principal, type, 'delete')
    refuseServerWritten(type, type)
    const { id } = request
    if (id === undefined) return conditionalDelete(parts, request, trail, type)
    const ifMatch = ifMatchVersion(request)
    const [written] = await write(parts, request, trail, [
      { kind: 'delete', type, id, at: type, ...(ifMatch === undefined ? {} : { ifMatch }) },
    ])
    return deletedResponse(written as NonNullable<typeof written>)
  })
}

/**
 * One match is deleted. Several are deleted together, all or none, if `_count` says that so many are meant; without it they are
 * refused, because a condition that is wider than its author thinks must not empty a server. No match is a success.
 */
async function conditionalDelete(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  type: string,
): Promise<InteractionResponse> {
  const condition = request.params.filter(([name]) => name !== '_count')
  const rows = await meetAll(parts, request, trail, type, condition, mostOf(parts, request))
  const ifMatch = ifMatchVersion(request)
  if (rows.length === 0) return deletedResponse({ version: 0 })
  // Only what fulfils the condition goes: a version that came meanwhile may not.
  const written = await write(
    parts,
    request,
    trail,
    rows.map(({ id, version }) => ({ kind: 'delete' as const, type, id, at: type, ifMatch: ifMatch ?? version })),
  )
  const [one] = written
  return one !== undefined && written.length === 1 ? deletedResponse(one) : deletedTogether(written.length)
}

function mostOf({ limits }: GatewayParts, { params }: InteractionRequest): number {
  const count = params.find(([name]) => name === '_count')?.[1]
  if (count === undefined) return 1
  if (/^[1-9]\d{0,8}$/.test(count) && Number(count) <= limits.maxPageSize) return Number(count)
  throw new ConsentryError(
    'malformed',
    `_count of a conditional delete is the largest number that may be deleted, from 1 to ${limits.maxPageSize}.`,
    { code: 'value', expression: ['_count'] },
  )
}
