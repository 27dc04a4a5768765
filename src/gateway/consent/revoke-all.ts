import { requireScope, requireWriteScope } from '../../auth/allows.js'
import { ConsentryError } from '../../errors.js'
import { relayCall, type SignedActions, signerOf, typedData } from '../../ledger/typed-data.js'
import type { AuditedHandler } from '../audited.js'
import { recordAccess, trace } from '../disclose.js'
import { missing, withoutExistence } from '../missing.js'
import type { GatewayParts } from '../parts.js'
import { requireInsideScope } from '../scope-filter.js'
import { authorityOf, openAuthorisation } from './authorisation.js'
import { carryOut } from './carry-out.js'
import { type ConsentParts, SIGNING_SECONDS } from './request.js'
import { requireSigner } from './signature.js'

/**
 * `Patient/[id]/$revoke-all`: a new epoch of the patient, in which nothing that was granted so far counts, to whomever: the care grant of
 * the entity too, and what is open for an emergency. Whoever may correct the patient's Consents may ask for it; the patient signs, or in custody authorises it.
 */
export function revokeAll(parts: GatewayParts, consent: ConsentParts): AuditedHandler {
  return async (request, trail) => {
    const { signature, deadline, authorised } = authorityOf(parts, request)
    requireWriteScope(request.principal, 'Consent', 'update')
    const filters = requireScope(request.principal, 'Patient', 'read')
    const name = `Patient/${request.id}`
    const [row] = await parts.records.read([{ type: 'Patient', id: request.id as string }])
    if (row) await trace(parts, trail, [row])
    else trail.touches(name)
    if (!row || row.deleted) throw await missing(parts, request, name)
    await withoutExistence(parts, request, parts.access.permit(request.principal, 'read', [row]))
    await requireInsideScope(parts, request, row, filters)
    const patient = row.patient === null ? null : await consent.mirror.party(row.patient)
    if (patient === null) throw new ConsentryError('invalid', `${name} is not known to the ledger.`)
    if (authorised !== null) await openAuthorisation(parts, request, trail, patient, row, authorised)
    const message: SignedActions['RevokeAll'] = {
      patient: patient.id,
      nonce: await consent.reader.read('ConsentRegistry', 'revocationNonce', patient.id),
      deadline: deadline ?? Math.floor(parts.clock() / 1000) + SIGNING_SECONDS,
    }
    if (signature !== null) {
      requireSigner(patient, signerOf(typedData(consent.contracts, 'RevokeAll', message), signature))
    }
    await recordAccess(parts, request, trail, { interaction: '$revoke-all' })
    const call =
      signature === null
        ? consent.contracts.write('ConsentRegistry', 'revokeAll', patient.id)
        : relayCall(consent.contracts, 'RevokeAll', message, signature)
    await carryOut(consent, call)
    await consent.rotate(patient.id)
    await consent.mirroring.settle([patient.id])
    const issue = [{ severity: 'information', code: 'informational', diagnostics: TOLD }]
    return { status: 200, headers: {}, body: { resourceType: 'OperationOutcome', issue } }
  }
}

const TOLD = 'Nothing that the patient has granted so far counts any more.'
