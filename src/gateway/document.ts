import { randomUUID } from 'node:crypto'
import { allows, requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { storedResource } from '../fhir/stored-resource.js'
import { stringify } from '../fhir/json.js'
import { parseReference, referencesOf } from '../fhir/references.js'
import type { Resource } from '../fhir/types.js'
import type { Ref, StoredVersion } from '../records/types.js'
import type { AuditedHandler } from './audited.js'
import { disclose, trace } from './disclose.js'
import type { InteractionRequest } from './interaction.js'
import { missing, withoutExistence } from './missing.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { released } from './release.js'
import { requireInsideScope } from './scope-filter.js'

/** Resources that one document may be made of. */
const MOST = 1000

/**
 * `Composition/[id]/$document` and `Composition/$document?id=…`, https://hl7.org/fhir/R4/composition-operation-document.html: a document of the Composition
 * and of all of this server that it refers to. It is not kept (`persist`), and no GraphDefinition adds to it (`graph`).
 */
export function documentOperations(parts: GatewayParts): OperationTable {
  const run = released(parts, document(parts))
  return { 'Composition/[id]/$document': run, 'Composition/$document': run }
}

function document(parts: GatewayParts): AuditedHandler {
  return async (request, trail) => {
    const id = idOf(request)
    const filters = requireScope(request.principal, 'Composition', 'read')
    const [row] = await parts.records.read([{ type: 'Composition', id }])
    if (!row) {
      trail.touches(`Composition/${id}`)
      throw await missing(parts, request, `Composition/${id}`)
    }
    await trace(parts, trail, [row])
    const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
    await requireInsideScope(parts, request, row, filters)
    if (row.deleted) throw new ConsentryError('gone', `Composition/${id} was deleted.`)
    const told = { interaction: '$document' }
    const [composition] = await disclose(parts, request, trail, permit, [row], told)
    const first = storedResource(composition as Uint8Array)
    const refs = referredTo(first, id)
    const rows = await presentOf(parts, request, refs)
    // What is there is decided about before it is said that something is not: what may not be read is no other than what does not exist.
    const others = await parts.access.permit(request.principal, 'read', rows).catch((error: unknown) => {
      throw error instanceof ConsentryError && error.kind === 'forbidden' ? incomplete() : error
    })
    if (rows.length < refs.length) throw incomplete()
    await trace(parts, trail, rows)
    const bodies = await disclose(parts, request, trail, others, rows, told)
    const resources = [first, ...bodies.map((body) => storedResource(body))]
    const body = {
      resourceType: 'Bundle',
      identifier: { system: 'urn:ietf:rfc:3986', value: `urn:uuid:${randomUUID()}` },
      type: 'document',
      timestamp: new Date(parts.clock()).toISOString(),
      entry: resources.map((resource) => ({
        fullUrl: `${request.baseUrl}/${resource.resourceType}/${resource.id}`,
        resource,
      })),
    }
    return { status: 200, headers: {}, body: Buffer.from(stringify(body)) }
  }
}

/** What the Composition names of this server, each once; URLs of other servers are left to whoever reads the document. */
function referredTo(composition: Resource, id: string): Ref[] {
  const names = new Map<string, Ref>()
  for (const { reference } of referencesOf(composition)) {
    const parsed = reference.reference === undefined ? undefined : parseReference(reference.reference)
    if (parsed?.kind !== 'relative' || (parsed.type === 'Composition' && parsed.id === id)) continue
    names.set(`${parsed.type}/${parsed.id}`, { type: parsed.type, id: parsed.id })
  }
  if (names.size <= MOST) return [...names.values()]
  throw new ConsentryError('too-large', `A document is made of at most ${MOST} resources here.`, { code: 'too-costly' })
}

/** Those that are there, in one statement. @throws ConsentryError as `incomplete` for what the token does not reach */
async function presentOf(
  parts: GatewayParts,
  request: InteractionRequest,
  refs: readonly Ref[],
): Promise<StoredVersion[]> {
  const reached = refs.every(({ type }) => {
    const decision = allows(request.principal, type, 'read')
    return decision.allowed && decision.filters === null
  })
  if (!reached) throw incomplete()
  const rows = await parts.records.read(refs)
  return rows.filter((row) => row !== null && !row.deleted) as StoredVersion[] // null is left out
}

/** "All resources referred to by the Composition SHALL be included" (https://hl7.org/fhir/R4/documents.html#content). The same words whatever is the reason. */
function incomplete(): ConsentryError {
  return new ConsentryError(
    'forbidden',
    'A document has all that its Composition refers to; some of that may not be read with this token, or does not exist.',
    { code: 'suppressed', expression: ['Composition'] },
  )
}

function idOf(request: InteractionRequest): string {
  const params = new Map(request.params)
  const refused = [...params.keys()].find((name) => name !== 'id' || request.id !== undefined)
  const persist = params.get('persist')
  if (refused !== undefined && !(refused === 'persist' && persist === 'false')) {
    throw new ConsentryError(
      'malformed',
      '$document is served with id, at Composition/$document, and persist=false alone.',
      {
        code: 'not-supported',
        expression: [/^\w{1,40}$/.test(refused) ? refused : 'http.query'],
      },
    )
  }
  const id = request.id ?? params.get('id')
  if (id !== undefined && /^[A-Za-z0-9\-.]{1,64}$/.test(id)) return id
  throw new ConsentryError('malformed', 'id must be that of a Composition of this server.', {
    code: id === undefined ? 'required' : 'value',
    expression: ['id'],
  })
}
