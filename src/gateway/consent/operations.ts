import type { OperationTable } from '../operations.js'
import type { GatewayParts } from '../parts.js'
import type { ConsentParts } from './request.js'
import { revoke } from './revoke.js'
import { revokeAll } from './revoke-all.js'
import { sign } from './sign.js'
import { toSign } from './to-sign.js'

/**
 * A patient's decision on the ledger, asked for with a Consent of our grant profile:
 * `Consent/[id]/$to-sign` gives the EIP-712 data, `$sign` takes the signature and relays it, `$revoke` takes it back, `Patient/[id]/$revoke-all` all of them.
 * Where the patient is in our custody, the entity's wallet service signs on a request that names what authorises it.
 */
export function consentOperations(parts: GatewayParts, consent: ConsentParts): OperationTable {
  return {
    'Consent/[id]/$to-sign': toSign(parts, consent),
    'Consent/[id]/$sign': sign(parts, consent),
    'Consent/[id]/$revoke': revoke(parts, consent),
    'Patient/[id]/$revoke-all': revokeAll(parts, consent),
  }
}
