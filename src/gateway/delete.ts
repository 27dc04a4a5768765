import { requireWriteScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { audited } from './audited.js'
import type { Handler } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { etag, ifMatchVersion } from './represent.js'
import { write } from './write.js'

/**
 * delete, https://hl7.org/fhir/R4/http.html#delete. Old versions stay; deleting what is not there succeeds, too.
 */
export function deleteResource(parts: GatewayParts): Handler {
  return audited(parts, async (request, trail) => {
    const type = request.type as string
    requireWriteScope(request.principal, type, 'delete')
    const id = request.id
    if (id === undefined) throw new ConsentryError('not-supported', 'Conditional delete is not served.')
    const ifMatch = ifMatchVersion(request)
    const [written] = await write(parts, request, trail, [
      { kind: 'delete', type, id, at: type, ...(ifMatch === undefined ? {} : { ifMatch }) },
    ])
    const headers: Record<string, string> = {}
    if (written && written.version > 0) headers['etag'] = etag(written.version)
    return { status: 204, headers }
  })
}
