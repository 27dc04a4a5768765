import { requireScope } from '../../auth/allows.js'
import { requireWalletScope } from '../../auth/wallet-scope.js'
import type { Party } from '../../consent/parties.js'
import type { RecordSubject } from '../../consent/permit.js'
import { ConsentryError } from '../../errors.js'
import { storedResource } from '../../fhir/stored-resource.js'
import { parseReference } from '../../fhir/references.js'
import type { StoredVersion } from '../../records/types.js'
import type { Hex } from '../../ledger/hex.js'
import type { InteractionRequest } from '../interaction.js'
import { operationInput } from '../operation-input.js'
import type { GatewayParts } from '../parts.js'
import { requireInsideScope } from '../scope-filter.js'
import type { Trail } from '../trail.js'
import { GRANT_PROFILE } from './codes.js'
import { signatureOf } from './signature.js'

/** The document in which the patient authorises what the wallet service is asked to sign. */
export interface Authorisation {
  readonly type: string
  readonly id: string
}

/** Documents that can authorise, and the status in which each of them is valid. */
const VALID: Readonly<Record<string, readonly string[]>> = {
  DocumentReference: ['current'],
  Consent: ['active'],
  QuestionnaireResponse: ['completed', 'amended'],
}

const AT = { expression: ['Parameters.parameter:authorisation'] }

/**
 * Reads the reference. @throws ConsentryError `forbidden` when the token may not ask the wallet service to sign, `invalid`
 * when no such document is named
 */
export function authorisationOf(parts: GatewayParts, request: InteractionRequest, reference: string): Authorisation {
  requireWalletScope(request.principal)
  if (request.principal.entity !== parts.entity) {
    throw new ConsentryError('forbidden', 'The wallet service signs for clients of its own entity alone.')
  }
  const parsed = parseReference(reference)
  const here = parsed.kind === 'relative' || (parsed.kind === 'absolute' && parsed.base === parts.baseUrl)
  if (here && Object.hasOwn(VALID, parsed.type)) return { type: parsed.type, id: parsed.id }
  throw new ConsentryError('invalid', `The authorisation must be a reference to a ${types()} of this server.`, {
    code: 'value',
    ...AT,
  })
}

/** By whom the patient's word is given: its own signature, or the wallet service on a document. */
export interface Authority {
  /** `null`: the wallet service signs. */
  readonly signature: Hex | null
  /** Of the signature; seconds since the epoch. */
  readonly deadline: number | null
  readonly authorised: Authorisation | null
}

/** @throws ConsentryError as `signatureOf` and `authorisationOf` */
export function authorityOf(parts: GatewayParts, request: InteractionRequest): Authority {
  const { by, deadline } = signatureOf(request)
  const authorised = by.signature === null ? authorisationOf(parts, request, by.authorisation) : null
  return { signature: by.signature, deadline, authorised }
}

/** `null`: neither is given, so the data to sign is asked for. */
export function authorityIfGiven(parts: GatewayParts, request: InteractionRequest): Authority | null {
  const input = operationInput(request)
  const given = input.strings('signature').length + input.references('authorisation').length > 0
  return given ? authorityOf(parts, request) : null
}

/**
 * The document is one of this patient, the caller may read it, and it is in force; the trail names it from then on. What does not
 * exist, is another patient's or may not be read is refused in the same words.
 */
export async function openAuthorisation(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  patient: Party,
  /** The resource itself that is to be signed: it authorises nothing. */
  consent: StoredVersion | null,
  { type, id }: Authorisation,
): Promise<void> {
  requireCustody(parts, patient)
  const filters = requireScope(request.principal, type, 'read')
  const [row] = await parts.records.read([{ type, id }])
  if (!row || row.deleted || row.patient !== patient.id || (consent !== null && isSame(row, consent)))
    throw notOfPatient()
  const permit = await parts.access.permit(request.principal, 'read', [row]).catch((error: unknown) => {
    throw error instanceof ConsentryError && error.kind === 'forbidden' ? notOfPatient() : error
  })
  await requireInsideScope(parts, request, row, filters)
  trail.authorisedBy = { reference: `${type}/${id}`, version: row.version }
  const [body] = await parts.bodies.open(permit, [row satisfies RecordSubject])
  const { status, meta } = storedResource(body as Uint8Array)
  const circular = (meta?.profile ?? []).some((url) => url.split('|')[0] === GRANT_PROFILE)
  if (!circular && VALID[type]?.includes(String(status)) === true) return
  throw new ConsentryError(
    'invalid',
    circular
      ? 'A grant does not authorise a grant: name the document in which the patient does.'
      : `The authorisation must be ${VALID[type]?.join(' or ')}; this ${type} is not.`,
    AT,
  )
}

/** @throws ConsentryError `forbidden` for a patient who holds the key, or whose key another entity holds */
function requireCustody({ entity }: GatewayParts, patient: Party): void {
  if (patient.controller === null && patient.parent === entity) return
  throw new ConsentryError('forbidden', 'The patient is not in our custody: a signature of the patient is needed.', {
    expression: ['Parameters.parameter:signature'],
  })
}

function isSame(a: StoredVersion, b: StoredVersion): boolean {
  return a.type === b.type && a.id === b.id
}

function notOfPatient(): ConsentryError {
  return new ConsentryError(
    'invalid',
    'The authorisation is not a document of this patient that this client may read.',
    {
      code: 'not-found',
      ...AT,
    },
  )
}

function types(): string {
  return Object.keys(VALID).join(', ')
}
