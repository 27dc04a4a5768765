import { ConsentryError } from '../errors.js'
import { parseJson } from '../fhir/json.js'
import type { Resource } from '../fhir/types.js'
import type { InteractionRequest, InteractionResponse } from './interaction.js'
import type { GatewayParts } from './parts.js'

/** Media types that mean the resource; `application/xml` and `text/xml` are documents like any other here. */
const FHIR = /^(?:application\/(?:fhir\+json|fhir\+xml|json)|text\/json|json|xml)$/

/**
 * The resource that a Binary's own bytes stand for (https://hl7.org/fhir/R4/binary.html#rest): its type is the Content-Type,
 * `X-Security-Context` the resource whose rules it follows. `null` where the body is a Binary resource itself.
 */
export function binaryOf({ headers, body, id }: InteractionRequest): Resource | null {
  const type = mediaType(headers['content-type'])
  if (type === '' || FHIR.test(type)) return null
  const context = headers['x-security-context']
  return {
    resourceType: 'Binary',
    ...(id === undefined ? {} : { id }),
    contentType: headers['content-type'] as string,
    ...(context === undefined ? {} : { securityContext: { reference: context } }),
    data: Buffer.from(body ?? []).toString('base64'),
  }
}

/** A body that is the bytes of the Binary says nothing of its context: what is there keeps the one that it has. */
export async function withContext<R extends Resource>(
  parts: GatewayParts,
  { headers }: InteractionRequest,
  binary: R,
  id: string,
): Promise<R> {
  const type = mediaType(headers['content-type'])
  if (type === '' || FHIR.test(type) || binary['securityContext'] !== undefined) return binary
  const [before] = await parts.records.read([{ type: 'Binary', id }])
  const patient = before && !before.deleted ? before.patient : null
  if (patient === null) return binary
  const [localId] = (await parts.patients.localIds([patient])).get(patient) ?? []
  return localId === undefined ? binary : { ...binary, securityContext: { reference: `Patient/${localId}` } }
}

/**
 * The bytes of a Binary for whoever does not ask for a FHIR format. What was stored may be a page with scripts: it is given as
 * something to save, without rights where a browser opens it all the same.
 */
export function nativeBinary(
  { headers }: InteractionRequest,
  response: InteractionResponse,
  body: Uint8Array,
): InteractionResponse {
  const wanted = (headers.accept ?? '*/*').split(',').map(mediaType)
  if (wanted.some((type) => FHIR.test(type))) return response
  const { contentType, data } = parseJson(body) as { contentType?: unknown; data?: unknown }
  if (typeof contentType !== 'string' || !TYPE.test(contentType)) {
    throw new ConsentryError('not-acceptable', 'The type of this Binary is none; ask for application/fhir+json.')
  }
  return {
    ...response,
    headers: {
      ...response.headers,
      'content-type': contentType,
      'content-disposition': 'attachment',
      'content-security-policy': "sandbox; default-src 'none'",
    },
    body: Buffer.from(typeof data === 'string' ? data : '', 'base64'),
  }
}

/** What a header may hold. */
const TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[\w !#$&^.+/=-]*"))*$/

function mediaType(value: string | undefined): string {
  return (value ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}
