import { setImmediate } from 'node:timers/promises'
import { ConsentryError } from '../errors.js'
import { parseJson } from '../fhir/json.js'
import { withLocalReferences } from '../fhir/references.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import { validInTurnsOrThrow, validOrThrow } from '../fhir/validate.js'
import { binaryOf } from './binary.js'
import { requireEnforced, requireProposal } from './consent/proposal.js'
import type { InteractionRequest } from './interaction.js'
import { requireOff } from './subscription.js'

/** The trail's own records: written by the server alone (DESIGN.md, section 9). */
const WRITTEN_BY_SERVER: ReadonlySet<string> = new Set(['AuditEvent'])

/** The resource in the body of a create or update, valid and of the type that the URL names. */
export function resourceOf(request: InteractionRequest, type: string): ValidResource {
  return validOrThrow(bodyOf(request, type))
}

/** A Bundle, and the entries of a batch that are refused before it is read. */
export interface ReceivedBundle {
  readonly bundle: ValidResource
  readonly refused: ReadonlyMap<number, ConsentryError>
}

/**
 * The Bundle of a transaction or batch; others have their turn while it is checked. "The success or failure of one
 * change should not alter the success or failure or resulting content of another change" of a batch
 * (https://hl7.org/fhir/R4/http.html#brules): its invalid resources are refused each for itself.
 */
export async function bundleOf(request: InteractionRequest): Promise<ReceivedBundle> {
  const value = bodyOf(request, 'Bundle')
  try {
    return { bundle: await validInTurnsOrThrow(value, setImmediate), refused: new Map() }
  } catch (error) {
    // A body may be any JSON.
    const { type, entry } = (value ?? {}) as { type?: unknown; entry?: unknown }
    if (type !== 'batch' || !Array.isArray(entry)) throw error
    const refused = new Map<number, ConsentryError>()
    const sound = entry.map((each: { resource?: unknown } | null, index) => {
      const fault = each?.resource === undefined ? null : faultOf(each.resource)
      if (fault === null) return each
      refused.set(index, fault)
      return { ...each, resource: { resourceType: 'Parameters' } }
    })
    if (refused.size === 0) throw error
    return { bundle: await validInTurnsOrThrow({ ...(value as Resource), entry: sound }, setImmediate), refused }
  }
}

function faultOf(resource: unknown): ConsentryError | null {
  try {
    validOrThrow(resource)
    return null
  } catch (error) {
    if (error instanceof ConsentryError) return error
    throw error
  }
}

function bodyOf(request: InteractionRequest, type: string): unknown {
  refuseServerWritten(type, type)
  if (request.body === undefined || request.body.length === 0) {
    throw new ConsentryError('malformed', `The body must be a ${type} as FHIR JSON; it is empty.`, { code: 'required' })
  }
  const value = (type === 'Binary' ? binaryOf(request) : null) ?? parseJson(request.body)
  const found = (value as Resource | null)?.resourceType
  if (typeof found === 'string' && found !== type) {
    throw new ConsentryError('malformed', `The URL is of ${type}, so the resource must be a ${type}.`, {
      code: 'value',
      expression: ['resourceType'],
    })
  }
  refuseServerWritten(type, type, value as unknown as Resource)
  // References of a Bundle are resolved with its entries. Most bodies have no URL of ours: bytes tell without a walk.
  const walk = found === type && type !== 'Bundle' && Buffer.from(request.body).includes(request.baseUrl)
  return walk ? withLocalReferences(value as unknown as Resource, request.baseUrl) : value
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
