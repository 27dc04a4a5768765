import { requireScope, requireWriteScope } from '../../auth/allows.js'
import type { ConsentMirror } from '../../consent/mirror.js'
import type { Party } from '../../consent/parties.js'
import type { PatientId } from '../../consent/permit.js'
import { ConsentryError } from '../../errors.js'
import type { Granting } from '../../exchange/granting.js'
import type { PolicyDocuments } from '../../exchange/policy-documents.js'
import { storedResource } from '../../fhir/stored-resource.js'
import type { Resource } from '../../fhir/types.js'
import type { Contracts } from '../../ledger/contracts.js'
import type { ChainFollower } from '../../ledger/follower.js'
import type { LedgerReader } from '../../ledger/reads.js'
import type { TransactionSender } from '../../ledger/sender.js'
import type { StoredVersion } from '../../records/types.js'
import { disclose, trace } from '../disclose.js'
import type { InteractionRequest, InteractionResponse } from '../interaction.js'
import { missing, withoutExistence } from '../missing.js'
import type { GatewayParts } from '../parts.js'
import { writtenResponse } from '../represent.js'
import { requireInsideScope } from '../scope-filter.js'
import type { Trail } from '../trail.js'
import { openAuthorisation, type Authorisation } from './authorisation.js'
import type { ConsentLinks } from './links.js'
import type { ConsentMirroring } from './mirroring.js'
import type { PreparedGrants } from './prepared-grants.js'

/** What granting and revoking need besides. */
export interface ConsentParts {
  readonly mirror: ConsentMirror
  readonly granting: Granting
  readonly policies: Pick<PolicyDocuments, 'keep'>
  readonly contracts: Contracts
  readonly reader: LedgerReader
  readonly sender: TransactionSender
  readonly follower: Pick<ChainFollower, 'reached'>
  /** The root secret of a patient in our custody; `null` when it is not here. */
  readonly rootOf: (patient: PatientId) => Promise<Uint8Array | null>
  /** Grants that were prepared for a signature, by Consent id and version. */
  readonly prepared: PreparedGrants
  readonly links: ConsentLinks
  readonly mirroring: Pick<ConsentMirroring, 'settle'>
  /** New capsules from now on: nobody who lost access opens what is sealed next. */
  readonly rotate: (patient: PatientId) => Promise<void>
}

/** The Consent that an operation is about, and its patient on the ledger. */
export interface Asked {
  readonly row: StoredVersion
  readonly resource: Resource
  readonly patient: Party
}

/** How long what is to be signed may be relayed, in seconds. */
export const SIGNING_SECONDS = 86_400

/**
 * The Consent, disclosed to the caller like any read, and the patient. What authorises the wallet service to sign is
 * looked up before, so that the record of the access names it.
 */
export async function load(
  parts: GatewayParts,
  consent: ConsentParts,
  request: InteractionRequest,
  trail: Trail,
  authorisation: Authorisation | null,
): Promise<Asked> {
  // The Consent is told and, by what the ledger makes of it, changed.
  requireWriteScope(request.principal, 'Consent', 'update')
  const filters = requireScope(request.principal, 'Consent', 'read')
  const [row] = await parts.records.read([{ type: 'Consent', id: request.id as string }])
  if (row) await trace(parts, trail, [row])
  else trail.touches(`Consent/${request.id}`)
  if (!row || row.deleted) throw await missing(parts, request, `Consent/${request.id}`)
  const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
  await requireInsideScope(parts, request, row, filters)
  if (row.source !== null) {
    throw new ConsentryError('forbidden', 'This Consent was written by another entity: the patient decides there.')
  }
  const patient = row.patient === null ? null : await consent.mirror.party(row.patient)
  if (patient === null) throw new ConsentryError('invalid', 'The patient of this Consent is not known to the ledger.')
  if (authorisation !== null) await openAuthorisation(parts, request, trail, patient, row, authorisation)
  const [body] = await disclose(parts, request, trail, permit, [row], { interaction: `$${request.operation}` })
  return { row, resource: storedResource(body as Uint8Array), patient }
}

/** The Consent as the ledger's answer has left it. */
export async function settled(
  parts: GatewayParts,
  consent: ConsentParts,
  request: InteractionRequest,
  { row, patient }: Asked,
): Promise<InteractionResponse> {
  await consent.mirroring.settle([patient.id])
  const [now] = await parts.records.read([{ type: 'Consent', id: row.id }])
  if (!now) throw new ConsentryError('internal', 'The Consent is gone.')
  const { type, id, version, lastUpdated } = now
  const body = await seenBy(parts, request, now)
  return writtenResponse(request, {
    type,
    id,
    version,
    lastUpdated,
    outcome: 'updated',
    ...(body === undefined ? {} : { body }),
  })
}

/** `undefined`: a grant to the caller's own entity was taken back, and the Consent is not the caller's to see any more. */
async function seenBy(
  parts: GatewayParts,
  { principal }: InteractionRequest,
  row: StoredVersion,
): Promise<Uint8Array | undefined> {
  try {
    const permit = await parts.access.permit(principal, 'read', [row])
    const [body] = await parts.bodies.open(permit, [row])
    await parts.access.confirm(principal, [{ permit, subjects: [row] }])
    return body
  } catch (error) {
    if (error instanceof ConsentryError && error.kind === 'forbidden') return undefined
    throw error
  }
}
