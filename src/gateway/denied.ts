import type { Principal } from '../auth/principal.js'
import type { Denial } from '../consent/decide.js'
import type { Action } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import { partiesOf, purposeOf } from './acting-party.js'

export function outsideLaunch(): ConsentryError {
  return new ConsentryError(
    'forbidden',
    'The access token is for the records of one patient, and this is none of them.',
  )
}

/** Why consent does not permit it, in words for whoever asked. */
export function denied(denial: Denial, action: Action, principal: Principal): ConsentryError {
  switch (denial.reason) {
    case 'mirror-stale':
      return new ConsentryError('unavailable', 'The ledger has not been heard of recently, so consent is not known.', {
        retryAfterSeconds: 5,
      })
    case 'party-not-active':
      return new ConsentryError(
        'forbidden',
        `The party that this client acts for, ${partiesOf(principal).join(' or ')}, is not active on the ledger.`,
      )
    case 'not-the-author':
      return new ConsentryError('forbidden', 'The record is in no compartment and belongs to its author entity alone.')
    case 'not-written':
      return new ConsentryError(
        'forbidden',
        'This is a notice of who asks for access or took it: the server writes it from the ledger, and its operations alone change it.',
      )
    case 'auditors-only':
      return new ConsentryError('forbidden', 'The audit trail can be read by auditors alone, and written by nobody.')
    case 'no-grant':
      return new ConsentryError(
        'forbidden',
        purposeOf(principal) === 'BTG'
          ? `No emergency access of this party to the patient is open for it to ${action}; breaking the glass opens it on the ledger, for reading alone.`
          : `No consent of the patient is in force that lets this party ${action} for purpose ${purposeOf(principal)}.`,
        { code: 'suppressed' },
      )
  }
}
