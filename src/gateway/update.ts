import { requireWriteScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { audited } from './audited.js'
import { resourceOf } from './input.js'
import type { Handler } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { ifMatchVersion, writtenResponse } from './represent.js'
import { write } from './write.js'

/** update, https://hl7.org/fhir/R4/http.html#update; a new id is created under that id (update as create). */
export function update(parts: GatewayParts): Handler {
  return audited(parts, async (request, trail) => {
    const type = request.type as string
    requireWriteScope(request.principal, type, 'update')
    const id = request.id
    if (id === undefined) throw new ConsentryError('not-supported', 'Conditional update is not served.')
    const resource = resourceOf(request, type)
    if (resource.id !== id) {
      throw new ConsentryError(
        'malformed',
        resource.id === undefined
          ? `The resource must have the id of the URL, '${id}'.`
          : `The id of the resource must be the id of the URL, '${id}'.`,
        { code: 'value', expression: [`${type}.id`] },
      )
    }
    const ifMatch = ifMatchVersion(request)
    const [written] = await write(parts, request, trail, [
      { kind: 'update', type, id, resource, at: type, ...(ifMatch === undefined ? {} : { ifMatch }) },
    ])
    return writtenResponse(request, written as NonNullable<typeof written>)
  })
}
