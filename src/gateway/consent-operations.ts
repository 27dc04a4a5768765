import { requireWriteScope } from '../auth/allows.js'
import { labelId } from '../consent/labels.js'
import type { ConsentMirror } from '../consent/mirror.js'
import type { Party } from '../consent/parties.js'
import type { PatientId } from '../consent/permit.js'
import { actionMask, purposeMask } from '../consent/terms.js'
import { evidenceExtension } from '../audit/balp.js'
import { ConsentryError } from '../errors.js'
import type { Granting } from '../exchange/granting.js'
import { type JsonObject, parseJson } from '../fhir/json.js'
import type { Resource } from '../fhir/types.js'
import { validOrThrow } from '../fhir/validate.js'
import type { Contracts } from '../ledger/contracts.js'
import type { ChainFollower } from '../ledger/follower.js'
import type { Hex } from '../ledger/hex.js'
import type { LedgerReader } from '../ledger/reads.js'
import type { Receipt } from '../ledger/receipt.js'
import type { TransactionSender } from '../ledger/sender.js'
import { type Grant, relayCall, type Revocation, signerOf, typedData, walletPayload } from '../ledger/typed-data.js'
import type { StoredVersion } from '../records/types.js'
import type { AuditedHandler } from './audited.js'
import { type GrantTerms, grantTerms } from './consent-terms.js'
import { disclose, trace } from './disclose.js'
import type { InteractionRequest, InteractionResponse } from './interaction.js'
import { missing, withoutExistence } from './missing.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { writtenResponse } from './represent.js'
import type { Trail } from './trail.js'
import { write } from './write.js'

/** What granting and revoking need besides. */
export interface ConsentParts {
  readonly mirror: ConsentMirror
  readonly granting: Granting
  readonly contracts: Contracts
  readonly reader: LedgerReader
  readonly sender: TransactionSender
  readonly follower: Pick<ChainFollower, 'reached'>
  /** The root secret of a patient in our custody; `null` when it is not here. */
  readonly rootOf: (patient: PatientId) => Promise<Uint8Array | null>
  /** Grants that were prepared for a signature, by Consent id and version. */
  readonly prepared: PreparedGrants
  /** New capsules from now on: nobody who lost access opens what is sealed next. */
  readonly rotate: (patient: PatientId) => Promise<void>
}

/** A grant waits for its signature; what it holds is public once it is relayed. */
export interface PreparedGrants {
  keep(key: string, grant: Grant): Promise<void>
  find(key: string): Promise<Grant | null>
}

const DAY = 86_400
const NO_POLICY: Hex = `0x${'00'.repeat(32)}`

/**
 * A patient's decision on the ledger, asked for with a Consent of our grant profile:
 * `Consent/[id]/$to-sign` gives the EIP-712 data, `$sign` takes the signature and relays it, `$revoke` takes it back.
 * Where the patient is in our custody, the entity's wallet service signs on a request that names what authorises it.
 */
export function consentOperations(parts: GatewayParts, consent: ConsentParts): OperationTable {
  return {
    'Consent/[id]/$to-sign': toSign(parts, consent),
    'Consent/[id]/$sign': sign(parts, consent),
    'Consent/[id]/$revoke': revoke(parts, consent),
  }
}

interface Asked {
  readonly row: StoredVersion
  readonly resource: Resource
  readonly terms: GrantTerms
  readonly patient: Party
}

function toSign(parts: GatewayParts, consent: ConsentParts): AuditedHandler {
  return async (request, trail) => {
    const asked = await load(parts, consent, request, trail)
    const grant = await prepare(parts, consent, asked)
    return parameters([
      { name: 'typedData', valueString: JSON.stringify(walletPayload(typedData(consent.contracts, 'Grant', grant))) },
    ])
  }
}

function sign(parts: GatewayParts, consent: ConsentParts): AuditedHandler {
  return async (request, trail) => {
    const asked = await load(parts, consent, request, trail)
    if (asked.resource['status'] !== 'proposed') {
      throw new ConsentryError(
        'conflict',
        `Only a proposed Consent can be signed; this one is ${String(asked.resource['status'])}.`,
      )
    }
    // Before the ledger is told: the Consent that says so must be ours to change.
    await parts.access.permit(request.principal, 'update', [asked.row])
    const { signature, authorisation } = signatureOf(request)
    let receipt: Receipt
    if (signature === null) {
      requireCustody(parts, asked.patient, authorisation)
      trail.authorisedBy = authorisation
      const call = consent.contracts.write('ConsentRegistry', 'grant', await prepare(parts, consent, asked))
      receipt = await (await consent.sender.send(call)).wait()
    } else {
      const grant = await consent.prepared.find(keyOf(asked.row))
      if (grant === null) throw new ConsentryError('conflict', 'Ask for the data to sign with $to-sign first.')
      requireSigner(asked.patient, signerOf(typedData(consent.contracts, 'Grant', grant), signature))
      receipt = await (await consent.sender.send(relayCall(consent.contracts, 'Grant', grant, signature))).wait()
    }
    await consent.follower.reached(receipt.blockNumber)
    return record(parts, consent, request, trail, asked, receipt, 'active')
  }
}

function revoke(parts: GatewayParts, consent: ConsentParts): AuditedHandler {
  return async (request, trail) => {
    const asked = await load(parts, consent, request, trail)
    const { signature, authorisation, deadline } = signatureOf(request)
    const revocation: Revocation = {
      patient: asked.patient.id,
      grantee: asked.terms.grantee,
      labels: asked.terms.labels.map(labelId),
      actions: actionMask(asked.terms.actions),
      nonce: await consent.reader.read('ConsentRegistry', 'revocationNonce', asked.patient.id),
      deadline: deadline ?? Math.floor(parts.clock() / 1000) + DAY,
    }
    let receipt: Receipt
    if (signature === null) {
      requireCustody(parts, asked.patient, authorisation)
      trail.authorisedBy = authorisation
      const { patient, grantee, labels, actions } = revocation
      const call = consent.contracts.write('ConsentRegistry', 'revoke', patient, grantee, labels, actions)
      receipt = await (await consent.sender.send(call)).wait()
    } else {
      requireSigner(asked.patient, signerOf(typedData(consent.contracts, 'Revocation', revocation), signature))
      receipt = await (
        await consent.sender.send(relayCall(consent.contracts, 'Revocation', revocation, signature))
      ).wait()
    }
    await consent.follower.reached(receipt.blockNumber)
    await consent.rotate(asked.patient.id)
    return record(parts, consent, request, trail, asked, receipt, 'inactive')
  }
}

/** The Consent, disclosed to the caller like any read, its terms, and the patient on the ledger. */
async function load(
  parts: GatewayParts,
  consent: ConsentParts,
  request: InteractionRequest,
  trail: Trail,
): Promise<Asked> {
  requireWriteScope(request.principal, 'Consent', 'update')
  const [row] = await parts.records.read([{ type: 'Consent', id: request.id as string }])
  if (!row || row.deleted) throw missing(parts, request, `Consent/${request.id}`)
  await trace(parts, trail, [row])
  const permit = await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
  const [body] = await disclose(parts, request, trail, permit, [row], { interaction: `$${request.operation}` })
  const resource = parseJson(body as Uint8Array) as unknown as Resource
  if (row.source !== null) {
    throw new ConsentryError('forbidden', 'This Consent was written by another entity: the patient decides there.')
  }
  const { verification: _, extension: __, ...proposal } = resource
  const terms = grantTerms(proposal, parts.clock())
  const patient = row.patient === null ? null : await consent.mirror.party(row.patient)
  if (patient !== null) return { row, resource, terms, patient }
  throw new ConsentryError('invalid', 'The patient of this Consent is not known to the ledger.')
}

async function prepare(parts: GatewayParts, consent: ConsentParts, { row, terms, patient }: Asked): Promise<Grant> {
  const root = await consent.rootOf(patient.id)
  if (root === null) {
    throw new ConsentryError('conflict', 'The patient holds its keys: prepare the grant in the patient’s wallet.')
  }
  const reads = terms.actions.includes('read')
  const grant: Grant = {
    patient: patient.id,
    grantee: terms.grantee,
    labels: terms.labels.map(labelId),
    actions: actionMask(terms.actions),
    purposes: purposeMask(terms.purposes),
    categories: terms.categories,
    from: terms.from,
    to: terms.to,
    packageHash: reads ? await consent.granting.prepare(patient.id, root, terms.grantee, terms.labels) : NO_POLICY,
    policyHash: NO_POLICY,
    nonce: await consent.reader.read('ConsentRegistry', 'grantNonce', patient.id),
    deadline: Math.floor(parts.clock() / 1000) + DAY,
  }
  await consent.prepared.keep(keyOf(row), grant)
  return grant
}

/** The Consent as the ledger has it now: status, verification and evidence. */
async function record(
  parts: GatewayParts,
  consent: ConsentParts,
  request: InteractionRequest,
  trail: Trail,
  { row, resource }: Asked,
  receipt: Receipt,
  status: 'active' | 'inactive',
): Promise<InteractionResponse> {
  const at = new Date(parts.clock()).toISOString()
  const evidence = evidenceExtension({
    chainId: consent.contracts.chainId,
    contract: consent.contracts.addresses.ConsentRegistry,
    transactionHash: receipt.hash,
    blockNumber: receipt.blockNumber,
    blockHash: receipt.blockHash,
    logIndex: receipt.logs[0]?.logIndex ?? 0,
  })
  const extensions = Array.isArray(resource['extension']) ? (resource['extension'] as object[]) : []
  const changed = validOrThrow({
    ...resource,
    status,
    extension: [...extensions, evidence],
    verification: [{ verified: status === 'active', verificationDate: at }],
  })
  const [written] = await write(parts, request, trail, [
    { kind: 'update', type: 'Consent', id: row.id, resource: changed, at: 'Consent' },
  ])
  return writtenResponse(request, written as NonNullable<typeof written>)
}

function requireCustody(parts: GatewayParts, patient: Party, authorisation: string | null): void {
  if (patient.controller !== null || patient.parent !== parts.entity) {
    throw new ConsentryError('forbidden', 'The patient is not in our custody: a signature of the patient is needed.', {
      expression: ['Parameters.parameter:signature'],
    })
  }
  if (authorisation !== null) return
  throw new ConsentryError(
    'invalid',
    'Name the document in which the patient authorises this, as parameter authorisation.',
    {
      code: 'required',
      expression: ['Parameters.parameter:authorisation'],
    },
  )
}

function requireSigner(patient: Party, signer: string | null): void {
  if (signer !== null && signer === patient.controller) return
  throw new ConsentryError('invalid', 'The signature is not that of the patient’s account over this data.', {
    code: 'security',
    expression: ['Parameters.parameter:signature'],
  })
}

function signatureOf(request: InteractionRequest): {
  signature: Hex | null
  authorisation: string | null
  deadline: number | null
} {
  const body = request.body === undefined || request.body.length === 0 ? {} : parseJson(request.body)
  const parameter = isObject(body) ? (body['parameter'] ?? []) : null
  if (!Array.isArray(parameter) || !parameter.every(isObject)) {
    throw new ConsentryError('malformed', 'The body must be a Parameters resource, or empty.', {
      expression: ['Parameters.parameter'],
    })
  }
  const listed: readonly JsonObject[] = parameter
  const text = (name: string): string | null => {
    const value = listed.find((parameter) => parameter['name'] === name)?.['valueString']
    return typeof value === 'string' ? value : null
  }
  const signature = text('signature')
  if (signature !== null && !/^0x[0-9a-fA-F]+$/.test(signature)) {
    throw new ConsentryError('malformed', 'The signature must be 0x and hex digits.', {
      expression: ['Parameters.parameter:signature'],
    })
  }
  const deadline = text('deadline')
  if (deadline !== null && !/^\d{1,12}$/.test(deadline)) {
    throw new ConsentryError('malformed', 'The deadline must be seconds since 1970.', {
      expression: ['Parameters.parameter:deadline'],
    })
  }
  return {
    signature: signature as Hex | null,
    authorisation: text('authorisation'),
    deadline: deadline === null ? null : Number(deadline),
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function keyOf(row: StoredVersion): string {
  return `${row.id}/${row.version}`
}

function parameters(list: readonly object[]): InteractionResponse {
  return { status: 200, headers: {}, body: { resourceType: 'Parameters', parameter: list } }
}
