import { decide, type GrantWord } from '../../../src/consent/decide.js'
import type { Action, PartyId, Permit, RecordSubject } from '../../../src/consent/permit.js'

const grantee: PartyId = `0x${'e1'.repeat(32)}`

/** What consent/decide makes where all of the subject is granted. */
export function permitFor(subject: RecordSubject, action: Action = 'read', decidedAt = Date.now()): Permit {
  const { patient, origin, labels, categories } = subject
  const terms = { action, from: 0, to: Number.MAX_SAFE_INTEGER, purposes: 0xffff }
  const words: GrantWord[] = patient === null ? [] : [{ patient, grantee, labels, categories, ...terms }]
  const parties = patient === null ? [origin] : [grantee]
  const freshness = { confirmedAt: decidedAt, limitMs: 0 }
  const facts = { now: decidedAt, freshness, activeParties: new Set(parties), words }
  const decision = decide({ action, purpose: 'TREAT', parties, subjects: [subject] }, facts)
  if ('denial' in decision) throw new Error(`No permit: ${decision.denial.reason}`)
  return decision.permit
}
