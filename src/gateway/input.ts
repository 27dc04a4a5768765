import { setImmediate } from 'node:timers/promises'
import { ConsentryError } from '../errors.js'
import { type JsonValue, parseJson } from '../fhir/json.js'
import { withLocalReferences } from '../fhir/references.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import { validOrThrow } from '../fhir/validate.js'
import { binaryOf } from './binary.js'
import { checkBundle, type ReceivedBundle, withoutEntries } from './body-check.js'
import { type CheckingThread, LARGE_BODY } from './checking.js'
import { requireEnforced, requireProposal } from './consent/proposal.js'
import type { InteractionRequest } from './interaction.js'
import type { JsonPlan } from './json-plan.js'
import { parseInTurns } from './parse-in-turns.js'
import type { GatewayParts } from './parts.js'
import { requireOff } from './subscription.js'

/** The trail's own records: written by the server alone (DESIGN.md, section 9). */
const WRITTEN_BY_SERVER: ReadonlySet<string> = new Set(['AuditEvent'])

/**
 * The resource in the body of a create or update, valid and of the type that the URL names. A large one is checked in a thread of its own; the
 * bytes are parsed here once more, piece by piece, for objects do not come from a thread with their numbers as they were written.
 */
export async function resourceOf(
  parts: GatewayParts,
  request: InteractionRequest,
  type: string,
): Promise<ValidResource> {
  const thread = type === 'Binary' ? null : threadFor(parts, request)
  if (thread === null) return validOrThrow(bodyOf(request, type))
  refuseServerWritten(type, type)
  const plan = await thread.resource(request.body as Uint8Array, request.baseUrl)
  return bodyOf(request, type, await inTurns(request, plan)) as ValidResource // the thread has checked the same bytes
}

/** The Bundle of a transaction or batch; others have their turn while it is checked, and a large one is checked in a thread of its own. */
export async function bundleOf(parts: GatewayParts, request: InteractionRequest): Promise<ReceivedBundle> {
  const thread = threadFor(parts, request)
  if (thread === null) return checkBundle(bodyOf(request, 'Bundle'), setImmediate)
  const { refused, plan } = await thread.bundle(request.body as Uint8Array)
  const bundle = bodyOf(request, 'Bundle', await inTurns(request, plan)) as Resource
  return { bundle: withoutEntries(bundle, refused) as ValidResource, refused } // checked as above
}

/** What the thread has checked, without holding up others. */
function inTurns({ body }: InteractionRequest, plan: JsonPlan): Promise<JsonValue> {
  return parseInTurns(body as Uint8Array, plan, setImmediate)
}

function threadFor({ conformance }: GatewayParts, { body }: InteractionRequest): CheckingThread | null {
  return body !== undefined && body.length >= LARGE_BODY ? conformance.checking : null
}

/** @param parsed the body, where that has been done */
function bodyOf(request: InteractionRequest, type: string, parsed?: JsonValue): unknown {
  refuseServerWritten(type, type)
  if (request.body === undefined || request.body.length === 0) {
    throw new ConsentryError('malformed', `The body must be a ${type} as FHIR JSON; it is empty.`, { code: 'required' })
  }
  const value = parsed ?? (type === 'Binary' ? binaryOf(request) : null) ?? parseJson(request.body)
  // It may not be a resource, nor a valid one: that is looked at later.
  const resource = value as Resource | null
  const found = resource?.resourceType
  if (typeof found === 'string' && found !== type) {
    throw new ConsentryError('malformed', `The URL is of ${type}, so the resource must be of that type too.`, {
      code: 'value',
      expression: ['resourceType'],
    })
  }
  refuseServerWritten(type, type, resource)
  // References of a Bundle are resolved with its entries. Most bodies have no URL of ours: bytes tell without a walk.
  const walk = found === type && type !== 'Bundle' && Buffer.from(request.body).includes(request.baseUrl)
  return walk ? withLocalReferences(resource as Resource, request.baseUrl) : value
}

/** Evidence of the ledger is the mirror's: nobody else says what the ledger said. */
const LEDGER_CLAIMS = /^https:\/\/consentry\.health\/fhir\/StructureDefinition\/ledger-(?:evidence|provenance)(?:\||$)/
const WITH_EVIDENCE: ReadonlySet<unknown> = new Set(['Provenance', 'Consent'])

/**
 * What the server alone can say: the audit trail, what the ledger says, and that something is in force. `resource` may not be valid yet.
 *
 * @throws ConsentryError `method-not-allowed` for the trail, `forbidden` for evidence, `invalid` for the state of a grant or of a Subscription
 */
export function refuseServerWritten(type: string, at: string, resource?: Resource | null): void {
  // A body may be any JSON.
  for (const one of typeof resource === 'object' && resource !== null ? nested(resource) : []) {
    if (WITH_EVIDENCE.has(one.resourceType) && claims(one).some(isLedgerClaim)) {
      throw new ConsentryError(
        'forbidden',
        `A ${one.resourceType} with evidence of the ledger is written by the server itself.`,
        { expression: [at] },
      )
    }
    if (one.resourceType === 'Consent') requireProposal(one, at)
  }
  if (resource?.resourceType === 'Consent') requireEnforced(resource, at)
  if (resource?.resourceType === 'Subscription') requireOff(resource, at)
  if (!WRITTEN_BY_SERVER.has(type)) return
  throw new ConsentryError('method-not-allowed', `${type} is append-only and written by the server itself.`, {
    expression: [at],
  })
}

function isLedgerClaim(url: unknown): boolean {
  return typeof url === 'string' && LEDGER_CLAIMS.test(url)
}

/**
 * A resource with those inside of it, of what may not be valid yet. Entries of a transaction or batch come to be checked
 * themselves.
 */
function* nested(resource: Resource): Generator<Resource> {
  yield resource
  const entries = /^(?:transaction|batch)$/.test(typeof resource['type'] === 'string' ? resource['type'] : '')
    ? []
    : listAt(resource['entry'])
  const holders = [...entries, ...listAt(resource['parameter'])].map(
    (h) => (h as { resource?: unknown } | null)?.resource,
  )
  for (const inner of [...listAt(resource['contained']), ...holders]) {
    if (typeof inner === 'object' && inner !== null) yield* nested(inner as Resource)
  }
}

/** Profiles and extensions, of what may not be valid yet. */
function claims(resource: Resource | null | undefined): unknown[] {
  const { meta, extension, modifierExtension } = (resource ?? {}) as Record<string, unknown>
  const urls = [...listAt(extension), ...listAt(modifierExtension)].map((e) => (e as { url?: unknown } | null)?.url)
  return [...listAt((meta as { profile?: unknown } | null | undefined)?.profile), ...urls]
}

function listAt(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
