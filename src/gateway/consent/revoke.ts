import type { GrantedTerms } from '../../consent/ledger-grants.js'
import type { Party } from '../../consent/parties.js'
import { ConsentryError } from '../../errors.js'
import type { Call } from '../../ledger/contracts.js'
import type { Hex } from '../../ledger/hex.js'
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
    const terms = await signedTerms(consent, asked.row.id)
    const call =
      signature === null
        ? ownCall(consent, terms)
        : await relayed(consent, asked.patient, terms, deadline ?? secondsOf(parts) + SIGNING_SECONDS, signature)
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

const secondsOf = ({ clock }: GatewayParts): number => Math.floor(clock() / 1000)

/** As whoever has the patient's key in custody. */
function ownCall({ contracts }: ConsentParts, { patient, grantee, labels, actions }: GrantedTerms): Call {
  return contracts.write('ConsentRegistry', 'revoke', patient, grantee, labels, actions)
}

/** With the patient's signature. @throws ConsentryError when it is another's */
async function relayed(
  { contracts, reader }: ConsentParts,
  holder: Party,
  { patient, grantee, labels, actions }: GrantedTerms,
  deadline: number,
  signature: Hex,
): Promise<Call> {
  const nonce = await reader.read('ConsentRegistry', 'revocationNonce', patient)
  const revocation: Revocation = { patient, grantee, labels, actions, nonce, deadline }
  requireSigner(holder, signerOf(typedData(contracts, 'Revocation', revocation), signature))
  return relayCall(contracts, 'Revocation', revocation, signature)
}
