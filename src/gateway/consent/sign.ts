import { ConsentryError } from '../../errors.js'
import type { Call } from '../../ledger/contracts.js'
import { ContractRefusal } from '../../ledger/refusal.js'
import { type Grant, relayCall, signerOf, typedData } from '../../ledger/typed-data.js'
import type { AuditedHandler } from '../audited.js'
import type { GatewayParts } from '../parts.js'
import { authorityOf } from './authorisation.js'
import { carryOut } from './carry-out.js'
import { type ConsentParts, load, settled } from './request.js'
import { requireSigner } from './signature.js'
import { prepare, preparedKey, requireProposed } from './to-sign.js'

/**
 * `Consent/[id]/$sign`: the grant goes to the ledger, with the patient's signature or, for a patient in custody, signed by
 * the wallet service. Answers the Consent as the ledger's answer has left it.
 */
export function sign(parts: GatewayParts, consent: ConsentParts): AuditedHandler {
  return async (request, trail) => {
    const { signature, authorised } = authorityOf(parts, request)
    const asked = await load(parts, consent, request, trail, authorised)
    requireProposed(asked)
    // Before the ledger is told: the Consent that says so must be ours to change.
    await parts.access.permit(request.principal, 'update', [asked.row])
    if (signature === null) {
      const grant = await prepare(parts, consent, asked)
      await sendGrant(consent, asked.row.id, grant, consent.contracts.write('ConsentRegistry', 'grant', grant))
    } else {
      const grant = await consent.prepared.find(preparedKey(asked.row))
      if (grant === null) throw new ConsentryError('conflict', 'Ask for the data to sign with $to-sign first.')
      requireSigner(asked.patient, signerOf(typedData(consent.contracts, 'Grant', grant), signature))
      await sendGrant(consent, asked.row.id, grant, relayCall(consent.contracts, 'Grant', grant, signature))
    }
    return settled(parts, consent, request, asked)
  }
}

/** The Consent is linked first: a grant that is mined while nobody listens finds it all the same. */
export async function sendGrant(consent: ConsentParts, consentId: string, grant: Grant, call: Call): Promise<void> {
  const key = await consent.links.propose(consentId, grant)
  try {
    await carryOut(consent, call)
  } catch (error) {
    if (error instanceof ContractRefusal) await consent.links.withdraw(consentId, key)
    throw error
  }
}
