import type { Principal } from '../auth/principal.js'
import { ANY_ENTITY } from '../consent/parties.js'
import type { PartyId } from '../consent/permit.js'
import { isPurpose, type Purpose, PURPOSES } from '../consent/terms.js'
import { ConsentryError } from '../errors.js'

/** The identities on the ledger that a caller acts as. */
export function partiesOf(principal: Principal): PartyId[] {
  return principal.practitioner === undefined ? [principal.entity] : [principal.entity, principal.practitioner]
}

/** Whose words count for it: its own, and those that are given to every active entity. */
export function granteesOf(principal: Principal): PartyId[] {
  return [...partiesOf(principal), ANY_ENTITY]
}

/** A token may name several purposes; the first that the ledger knows is what the caller acts for. */
export function actsFor(principal: Principal): Purpose | undefined {
  return principal.purposes.find(isPurpose)
}

/** @throws ConsentryError `forbidden` for a token without a purpose that the ledger knows */
export function purposeOf(principal: Principal): Purpose {
  const purpose = actsFor(principal)
  if (purpose !== undefined) return purpose
  throw new ConsentryError(
    'forbidden',
    `The access token names no purpose of use that a grant can name; ask for one of ${PURPOSES.join(', ')} (extension hl7-b2b of the client's assertion).`,
  )
}
