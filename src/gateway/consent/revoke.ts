import type { GrantedTerms } from '../../consent/ledger-grants.js'
import { ConsentryError } from '../../errors.js'
import { relayCall, type Revocation, signerOf, typedData } from '../../ledger/typed-data.js'
import type { AuditedHandler } from '../audited.js'
import type { GatewayParts } from '../parts.js'
import { authorityOf } from './authorisation.js'
import { carryOut } from './carry-out.js'
import { type ConsentParts, load, settled, SIGNING_SECONDS } from './request.js'
import { requireSigner } from './signature.js'

/**
 * `Consent/[id]/$revoke`: takes back what the grant that the Consent stands for gave, by the terms that were signed. A
 * revocation may be repeated: it always speaks.
 */
export function revoke(parts: GatewayParts, consent: ConsentParts): AuditedHandler {
  return async (request, trail) => {
    const { signature, deadline, authorised } = authorityOf(parts, request)
    const asked = await load(parts, consent, request, trail, authorised)
    const revocation = await revocationOf(parts, consent, await signedTerms(consent, asked.row.id), deadline)
    const { patient, grantee, labels, actions } = revocation
    if (signature !== null) {
      requireSigner(asked.patient, signerOf(typedData(consent.contracts, 'Revocation', revocation), signature))
    }
    const call =
      signature === null
        ? consent.contracts.write('ConsentRegistry', 'revoke', patient, grantee, labels, actions)
        : relayCall(consent.contracts, 'Revocation', revocation, signature)
    await carryOut(consent, call)
    await consent.rotate(asked.patient.id)
    return settled(parts, consent, request, asked)
  }
}

async function signedTerms(consent: ConsentParts, id: string): Promise<GrantedTerms> {
  const [link] = await consent.links.of([id])
  if (link !== undefined) return link.terms
  throw new ConsentryError('conflict', 'This Consent stands for no grant on the ledger: there is nothing to revoke.')
}

async function revocationOf(
  parts: GatewayParts,
  consent: ConsentParts,
  { patient, grantee, labels, actions }: GrantedTerms,
  deadline: number | null,
): Promise<Revocation> {
  return {
    patient,
    grantee,
    labels,
    actions,
    nonce: await consent.reader.read('ConsentRegistry', 'revocationNonce', patient),
    deadline: deadline ?? Math.floor(parts.clock() / 1000) + SIGNING_SECONDS,
  }
}
