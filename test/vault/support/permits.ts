import { takeIssuer, type Action, type Permit, type RecordSubject } from '../../../src/consent/permit.js'

const issue = takeIssuer()

/** A permit as consent/decide makes it; only tests of the vault make their own. */
export function permitFor(subject: RecordSubject, action: Action = 'read', decidedAt = Date.now()): Permit {
  return issue(action, 'TREAT', decidedAt, [subject])
}
