import { storedResource } from '../fhir/stored-resource.js'
import { requireScope, requireWriteScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { type JsonObject, type JsonValue, parseJson } from '../fhir/json.js'
import type { Resource } from '../fhir/types.js'
import { validOrThrow } from '../fhir/validate.js'
import type { AuditedHandler } from './audited.js'
import { retried } from './contention.js'
import { disclose, trace } from './disclose.js'
import type { InteractionRequest } from './interaction.js'
import { missing, withoutExistence } from './missing.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { type Change, patchIntents } from './patch.js'
import { released, withoutBody } from './release.js'
import type { Trail } from './trail.js'
import { write } from './write.js'

/**
 * `$meta`, `$meta-add` and `$meta-delete` of an instance (https://hl7.org/fhir/R4/resource-operation-meta.html and the like). Adding
 * and deleting are updates with all that belongs to one: what a security label says decides under which keys a record rests, so a
 * change of labels makes a new version, decided under both.
 */
export function metaOperations(parts: GatewayParts): OperationTable {
  return {
    '*/[id]/$meta': released(parts, meta(parts)),
    '*/[id]/$meta-add': released(parts, change(parts, added), withoutBody),
    '*/[id]/$meta-delete': released(parts, change(parts, deleted), withoutBody),
  }
}

function meta(parts: GatewayParts): AuditedHandler {
  return async (request, trail) => answer((await current(parts, request, trail)).meta)
}

async function current(parts: GatewayParts, request: InteractionRequest, trail: Trail): Promise<Resource> {
  const ref = { type: request.type as string, id: request.id as string }
  if (requireScope(request.principal, ref.type, 'read') !== null) {
    throw new ConsentryError('forbidden', '$meta is not served under a granular scope.', { code: 'security' })
  }
  const [row] = await parts.records.read([ref])
  if (!row) {
    trail.touches(`${ref.type}/${ref.id}`)
    throw await missing(parts, request, `${ref.type}/${ref.id}`)
  }
  await trace(parts, trail, [row])
  const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
  if (row.deleted) throw new ConsentryError('gone', `${ref.type}/${ref.id} was deleted.`)
  const [body] = await disclose(parts, request, trail, permit, [row], { interaction: '$meta' })
  return storedResource(body as Uint8Array)
}

type Lists = Readonly<Record<(typeof LISTS)[number], readonly JsonValue[]>>
const LISTS = ['profile', 'security', 'tag'] as const

function change(parts: GatewayParts, merge: (present: Lists, given: Lists) => Lists): AuditedHandler {
  return async (request, trail) => {
    const type = request.type as string
    if (request.method !== 'POST') {
      throw new ConsentryError(
        'method-not-allowed',
        `$${request.operation} changes something: it is asked for with POST.`,
      )
    }
    requireWriteScope(request.principal, type, 'update')
    const given = listsOf(metaOf(request))
    const patch: Change = (resource) => {
      const meta = (resource.meta ?? {}) as JsonObject
      const merged = merge(listsOf(meta), given)
      const kept = Object.entries(meta).filter(([name]) => !(LISTS as readonly string[]).includes(name))
      const lists = Object.entries(merged).filter(([, list]) => list.length > 0)
      return { ...resource, meta: Object.fromEntries([...kept, ...lists]) }
    }
    return retried(async () => {
      const target = { type, id: request.id as string, at: type, change: patch, operation: `$${request.operation}` }
      const [written] = await write(parts, request, trail, await patchIntents(parts, request, trail, [target]))
      return answer(storedResource(written?.body as Uint8Array).meta)
    })
  }
}

/** "If the profile, tag or security label is already there, nothing is done." */
function added(present: Lists, given: Lists): Lists {
  return each((name) => {
    const there = identities(present[name])
    return [...present[name], ...given[name].filter((value) => !there.has(identity(value)))]
  })
}

/** "Profiles, tags and security labels that are not there are ignored." */
function deleted(present: Lists, given: Lists): Lists {
  return each((name) => {
    const gone = identities(given[name])
    return present[name].filter((value) => !gone.has(identity(value)))
  })
}

function each(list: (name: (typeof LISTS)[number]) => JsonValue[]): Lists {
  return { profile: list('profile'), security: list('security'), tag: list('tag') }
}

/** Codings are the same by system and code. */
function identity(value: JsonValue): string {
  const { system = null, code = null } = (typeof value === 'object' ? value : {}) as JsonObject
  return typeof value === 'string' ? value : JSON.stringify([system, code])
}

function identities(list: readonly JsonValue[]): ReadonlySet<string> {
  return new Set(list.map(identity))
}

function listsOf(meta: JsonObject): Lists {
  return each((name) => {
    const list = meta[name]
    return Array.isArray(list) ? list : []
  })
}

function metaOf({ body, operation }: InteractionRequest): JsonObject {
  const parameters = body === undefined || body.length === 0 ? {} : validOrThrow(parseJson(body))
  const list = (parameters as JsonObject | null)?.['parameter']
  const found = (Array.isArray(list) ? (list as JsonObject[]) : []).find(({ name }) => name === 'meta')
  const value = found?.['valueMeta']
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw new ConsentryError('malformed', `$${operation} needs Parameters with a parameter meta of type Meta.`, {
    code: 'required',
    expression: ['Parameters.parameter:meta'],
  })
}

function answer(meta: unknown) {
  const body = { resourceType: 'Parameters', parameter: [{ name: 'return', valueMeta: meta ?? {} }] }
  return { status: 200, headers: {}, body }
}
