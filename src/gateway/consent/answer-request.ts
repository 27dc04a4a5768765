import { requireWriteScope } from '../../auth/allows.js'
import { type LedgerRequest, ledgerRequests } from '../../consent/access-requests.js'
import type { Party } from '../../consent/parties.js'
import { ConsentryError } from '../../errors.js'
import { relayCall, signerOf, typedData, walletPayload } from '../../ledger/typed-data.js'
import type { AuditedHandler } from '../audited.js'
import type { InteractionRequest, InteractionResponse } from '../interaction.js'
import { operationInput } from '../operation-input.js'
import type { GatewayParts } from '../parts.js'
import type { Trail } from '../trail.js'
import { requireOwnClient } from './asked-patient.js'
import { namedTerms, narrowed } from './asked-terms.js'
import { type Authority, authorityIfGiven, openAuthorisation } from './authorisation.js'
import type { AccessParts } from './break-glass.js'
import { carryOut } from './carry-out.js'
import { dataToSign } from './data-to-sign.js'
import { type LoadedNotice, loadNotice, noticeResponse } from './loaded-notice.js'
import { proposeAnswer } from './proposed-answer.js'
import { SIGNING_SECONDS } from './request.js'
import { sendGrant } from './sign.js'
import { requireSigner } from './signature.js'
import { prepare, preparedKey } from './to-sign.js'

/**
 * `Task/[id]/$accept`: the patient gives what was asked for, or less of it. Without signature and authorisation a Consent of these terms is
 * proposed and the data to sign is answered; the signature goes to this operation or to `$sign` of that Consent.
 */
export function accept(parts: GatewayParts, access: AccessParts): AuditedHandler {
  return async (request, trail) => {
    const input = operationInput(request)
    const named = namedTerms(input)
    const authority = authorityIfGiven(parts, request)
    const { loaded, asked, patient } = await openRequest(parts, access, request, trail, authority)
    const { consent } = access
    if (authority !== null && authority.signature !== null) {
      if (Object.keys(named).length > 0) {
        throw new ConsentryError(
          'invalid',
          'What was signed is what was answered without the signature: name no terms beside it.',
        )
      }
      const { row, grant } = await preparedAnswer(parts, access, loaded)
      requireSigner(patient, signerOf(typedData(consent.contracts, 'Grant', grant), authority.signature))
      await sendGrant(consent, row.id, grant, relayCall(consent.contracts, 'Grant', grant, authority.signature))
      return answered(parts, access, request, loaded)
    }
    const terms = narrowed(asked.terms, named, Math.floor(parts.clock() / 1000))
    const proposal = await proposeAnswer(parts, access, request, trail, patient, loaded, asked, terms)
    const grant = await prepare(parts, consent, proposal)
    if (authority === null) {
      return dataToSign(walletPayload(typedData(consent.contracts, 'Grant', grant)), [
        { name: 'consent', valueReference: { reference: `Consent/${proposal.row.id}` } },
      ])
    }
    await sendGrant(consent, proposal.row.id, grant, consent.contracts.write('ConsentRegistry', 'grant', grant))
    return answered(parts, access, request, loaded)
  }
}

/** `Task/[id]/$refuse`: the patient says no. Without signature and authorisation the data to sign is answered. */
export function refuse(parts: GatewayParts, access: AccessParts): AuditedHandler {
  return async (request, trail) => {
    const authority = authorityIfGiven(parts, request)
    const { loaded, asked, patient } = await openRequest(parts, access, request, trail, authority)
    const message = {
      patient: patient.id,
      request: asked.request,
      deadline: authority?.deadline ?? Math.floor(parts.clock() / 1000) + SIGNING_SECONDS,
    }
    const data = typedData(access.contracts, 'RefuseAccess', message)
    if (authority === null) return dataToSign(walletPayload(data))
    const { signature } = authority
    if (signature !== null) requireSigner(patient, signerOf(data, signature))
    await carryOut(
      access,
      signature === null
        ? access.contracts.write('ConsentRegistry', 'refuseAccess', asked.request)
        : relayCall(access.contracts, 'RefuseAccess', message, signature),
    )
    return answered(parts, access, request, loaded)
  }
}

/** `Task/[id]/$withdraw`: who asked does not ask any more. */
export function withdraw(parts: GatewayParts, access: AccessParts): AuditedHandler {
  return async (request, trail) => {
    const { loaded, asked } = await openRequest(parts, access, request, trail, null)
    const { grantee } = asked.terms
    const { practitioner } = request.principal
    const party = await access.mirror.party(grantee)
    const ours = grantee === parts.entity || party?.parent === parts.entity
    if (
      !ours ||
      request.principal.role === 'patient' ||
      (practitioner !== undefined && practitioner !== grantee && grantee !== parts.entity)
    ) {
      throw new ConsentryError('forbidden', 'A request is withdrawn by the party that made it.')
    }
    await carryOut(access, access.contracts.write('ConsentRegistry', 'withdrawRequest', asked.request))
    return answered(parts, access, request, loaded)
  }
}

/** The request, disclosed to the caller and still open on the ledger; an answer is the patient's own hospital's to take. */
async function openRequest(
  parts: GatewayParts,
  access: AccessParts,
  request: InteractionRequest,
  trail: Trail,
  authority: Authority | null,
): Promise<{ loaded: LoadedNotice; asked: LedgerRequest; patient: Party }> {
  requireWriteScope(request.principal, 'Task', 'update')
  requireOwnClient(parts, request, 'does it')
  const loaded = await loadNotice(parts, access, request, trail, 'request', async ({ patient: id }) => {
    const authorised = authority?.authorised ?? null
    if (authorised === null) return
    const held = await access.mirror.party(id)
    if (held !== null) await openAuthorisation(parts, request, trail, held, null, authorised)
  })
  const { patient: id, about } = loaded.notice
  const events = (await access.histories([id])).get(id) ?? []
  const asked = ledgerRequests(id, events, Math.floor(parts.clock() / 1000)).find(
    (each) => each.request === about['request'],
  )
  const patient = await access.mirror.party(id)
  if (asked === undefined || patient === null)
    throw new ConsentryError('conflict', 'This request is not on the ledger.')
  if (asked.state !== 'open') throw new ConsentryError('conflict', `This request is ${asked.state} already.`)
  return { loaded, asked, patient }
}

async function preparedAnswer(parts: GatewayParts, { consent }: AccessParts, { notice }: LoadedNotice) {
  const [row] = notice.consentId === null ? [] : await parts.records.read([{ type: 'Consent', id: notice.consentId }])
  const grant = row ? await consent.prepared.find(preparedKey(row)) : null
  if (row && grant !== null) return { row, grant }
  throw new ConsentryError('conflict', 'Ask for the data to sign first: $accept without a signature.')
}

/** The Task, and the Consent with it, as the ledger's answer has left them. */
async function answered(
  parts: GatewayParts,
  access: AccessParts,
  request: InteractionRequest,
  { row, notice }: LoadedNotice,
): Promise<InteractionResponse> {
  await access.consent.mirroring.settle([notice.patient])
  await access.mirroring.settle([notice.patient])
  return noticeResponse(parts, request, row.type, row.id)
}
