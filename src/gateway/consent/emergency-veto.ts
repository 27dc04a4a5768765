import { requireScope } from '../../auth/allows.js'
import { ConsentryError } from '../../errors.js'
import { relayCall, signerOf, typedData, walletPayload } from '../../ledger/typed-data.js'
import type { AuditedHandler } from '../audited.js'
import { recordAccess } from '../disclose.js'
import { operationInput } from '../operation-input.js'
import type { GatewayParts } from '../parts.js'
import { askedPatient, requireNotices, requireOwnClient } from './asked-patient.js'
import { authorityIfGiven, openAuthorisation } from './authorisation.js'
import type { AccessParts } from './break-glass.js'
import { carryOut } from './carry-out.js'
import { dataToSign } from './data-to-sign.js'
import { SIGNING_SECONDS } from './request.js'
import { requireSigner } from './signature.js'

/**
 * `Patient/[id]/$emergency-veto`: the patient forbids emergency access, or allows it again. Without a signature and an authorisation it answers
 * the EIP-712 data to sign; with a signature it is relayed; for a patient in custody the wallet service decides on a named document.
 */
export function emergencyVeto(parts: GatewayParts, access: AccessParts): AuditedHandler {
  return async (request, trail) => {
    requireScope(request.principal, 'Patient', 'read')
    requireOwnClient(parts, request, 'relays it')
    const input = operationInput(request)
    const [vetoed] = input.booleans('vetoed')
    if (vetoed === undefined) throw new ConsentryError('internal', 'The definition lets vetoed be absent.')
    const authority = authorityIfGiven(parts, request)
    const { id } = await askedPatient(parts, request, trail)
    await requireNotices(parts, request, id)
    const patient = await access.mirror.party(id)
    if (patient === null) throw new ConsentryError('conflict', 'The patient is not known to the ledger.')
    if (authority?.authorised) await openAuthorisation(parts, request, trail, patient, null, authority.authorised)
    // Durable before the ledger is told.
    await recordAccess(parts, request, trail, { interaction: '$emergency-veto' })
    const message = {
      patient: id,
      vetoed,
      nonce: await access.reader.read('ConsentRegistry', 'revocationNonce', id),
      deadline: authority?.deadline ?? Math.floor(parts.clock() / 1000) + SIGNING_SECONDS,
    }
    const data = typedData(access.contracts, 'EmergencyVeto', message)
    if (authority === null) return dataToSign(walletPayload(data))
    const { signature } = authority
    if (signature !== null) requireSigner(patient, signerOf(data, signature))
    const call =
      signature === null
        ? access.contracts.write('ConsentRegistry', 'setEmergencyVeto', id, vetoed)
        : relayCall(access.contracts, 'EmergencyVeto', message, signature)
    await carryOut(access, call)
    const parameter = [
      { name: 'vetoed', valueBoolean: await access.reader.read('ConsentRegistry', 'emergencyVetoed', id) },
    ]
    return { status: 200, headers: {}, body: { resourceType: 'Parameters', parameter } }
  }
}
