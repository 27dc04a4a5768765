import { requireScope, requireWriteScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { type JsonObject, parseJson } from '../fhir/json.js'
import { applyFhirPathPatch } from '../fhir/patch/fhirpath-patch.js'
import { applyJsonPatch } from '../fhir/patch/json-patch.js'
import { withLocalReferences } from '../fhir/references.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import { validOrThrow } from '../fhir/validate.js'
import type { StoredVersion } from '../records/types.js'
import { audited } from './audited.js'
import { meet } from './conditional.js'
import { retried } from './contention.js'
import { disclose, trace } from './disclose.js'
import { refuseServerWritten } from './input.js'
import type { PutIntent } from './intent.js'
import type { Handler, InteractionRequest } from './interaction.js'
import { missing, withoutExistence } from './missing.js'
import type { GatewayParts } from './parts.js'
import { released, withoutBody } from './release.js'
import { ifMatchVersion, writtenResponse } from './represent.js'
import type { Trail } from './trail.js'
import { write } from './write.js'

/**
 * patch, https://hl7.org/fhir/R4/http.html#patch: JSON Patch (RFC 6902) or FHIRPath Patch (https://hl7.org/fhir/R4/fhirpatch.html);
 * conditional on the URL of a type. A patch tells about what it changes, by its tests and by its answer, so it needs
 * the permission to read besides the one to update, and is audited as both.
 */
export function patch(parts: GatewayParts): Handler {
  return audited(
    parts,
    released(
      parts,
      async (request, trail) => {
        const type = request.type as string
        requireWriteScope(request.principal, type, 'patch')
        const change = changeOf(request)
        const ifMatch = ifMatchVersion(request)
        const match = ifMatch === undefined ? {} : { ifMatch }
        return retried(async () => {
          const id = request.id ?? (await matching(parts, request, trail, type))
          const intents = await patchIntents(parts, request, trail, [{ type, id, at: type, change, ...match }])
          const [written] = await write(parts, request, trail, intents)
          return writtenResponse(request, written as NonNullable<typeof written>)
        })
      },
      withoutBody,
    ),
  )
}

/** What a patch makes of a resource, which it leaves as it was. */
export type Change = (resource: Resource) => unknown

/** One resource that is to be patched. */
export interface PatchTarget {
  readonly type: string
  readonly id: string
  readonly at: string
  readonly ifMatch?: number
  readonly change: Change
  /** With its `$`, where an operation changes it and no patch does. */
  readonly operation?: string
}

/** What the body asks for. @throws ConsentryError `malformed` */
export function changeOf({ body, headers }: Pick<InteractionRequest, 'body' | 'headers'>): Change {
  if (body === undefined || body.length === 0)
    throw new ConsentryError(
      'malformed',
      'The body must be a JSON Patch (an array, application/json-patch+json) or a FHIRPath Patch (Parameters); it is empty.',
      { code: 'required' },
    )
  const document = parseJson(body)
  if (Array.isArray(document) || /json-patch/.test(headers['content-type'] ?? '')) {
    return (resource) => applyJsonPatch(resource as JsonObject, document)
  }
  const parameters = validOrThrow(document)
  return (resource) => applyFhirPathPatch(resource as JsonObject, parameters as Resource as JsonObject)
}

/** The updates that patches amount to, each of the version that it was applied to and of no other. */
export async function patchIntents(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  targets: readonly PatchTarget[],
): Promise<PutIntent[]> {
  const rows = await readable(parts, request, trail, targets)
  const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', rows))
  const gone = rows.find((row) => row.deleted)
  if (gone) throw new ConsentryError('gone', `${gone.type}/${gone.id} was deleted: there is nothing to patch.`)
  const bodies = await disclose(parts, request, trail, permit, rows, { interaction: 'read' })
  return Promise.all(
    targets.map(async ({ change, ...target }, i): Promise<PutIntent> => {
      const before = parseJson(bodies[i] as Uint8Array) as Resource
      return {
        ...target,
        kind: 'update',
        method: target.operation === undefined ? 'PATCH' : 'POST',
        basis: (rows[i] as StoredVersion).version,
        resource: await patched(parts, before, change(before), target.at),
      }
    }),
  )
}

async function readable(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  targets: readonly PatchTarget[],
): Promise<StoredVersion[]> {
  for (const type of new Set(targets.map((target) => target.type))) {
    if (requireScope(request.principal, type, 'read') === null) continue
    throw new ConsentryError('forbidden', `patch on ${type} is not served under a granular scope.`, {
      code: 'security',
    })
  }
  const found = await parts.records.read(targets)
  const rows = found.flatMap((row) => row ?? [])
  await trace(parts, trail, rows)
  const absent = targets[found.indexOf(null)]
  if (absent === undefined) return rows
  trail.touches(`${absent.type}/${absent.id}`)
  throw await missing(parts, request, `${absent.type}/${absent.id}`)
}

/** Type and id stay; the rest is what an update would be held to. */
async function patched(
  { conformance, baseUrl }: GatewayParts,
  before: Resource,
  after: unknown,
  at: string,
): Promise<ValidResource> {
  const { resourceType, id } = (after ?? {}) as Partial<Resource>
  if (resourceType !== before.resourceType || id !== before.id) {
    throw new ConsentryError('invalid', 'A patch cannot change the type or the id of a resource.', { expression: [at] })
  }
  refuseServerWritten(before.resourceType, at, after as Resource)
  return conformance.valid(withLocalReferences(after as Resource, baseUrl))
}

async function matching(parts: GatewayParts, request: InteractionRequest, trail: Trail, type: string): Promise<string> {
  const { existing } = await meet(parts, request, trail, type)
  if (existing !== undefined) return existing.id
  throw new ConsentryError('not-found', `No ${type} fulfils the condition.`, { expression: ['http.query'] })
}
