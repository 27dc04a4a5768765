import { ConsentryError } from '../errors.js'
import type { Principal } from './principal.js'

/**
 * The scope of a client that may ask the entity's wallet service to sign for patients in its custody. No resource scope
 * says that, so it is a scope of our own, a full URI as OAuth and SMART want such scopes to be.
 */
export const WALLET_SCOPE = 'https://consentry.health/fhir/scope/wallet.sign'

/** @throws ConsentryError `forbidden` naming the scope */
export function requireWalletScope(principal: Principal): void {
  if (principal.wallet === true) return
  throw new ConsentryError(
    'forbidden',
    `The access token lacks the scope ${WALLET_SCOPE} that asking the wallet service to sign for a patient needs.`,
    { code: 'security' },
  )
}
