import { createHash } from 'node:crypto'
import { canonicalJson } from '../../audit/canonical-json.js'
import { evidenceExtension } from '../../audit/balp.js'
import type { LedgerEvidence } from '../../audit/occurrence.js'
import { instant } from '../../consent/instant.js'
import type { PartyId } from '../../consent/permit.js'
import type { Resource } from '../../fhir/types.js'
import { ACCESS_STATE, ACCESS_TASK, CLIENT_SYSTEM, coded, EMERGENCY_REASON, EMERGENCY_SYSTEM } from './access-codes.js'
import { PARTY_SYSTEM } from './codes.js'
import type { Person } from './notices.js'

/** Why the glass is broken, as it was stated; sealed here, and on the ledger as a salted hash alone. */
export interface EmergencyReason {
  readonly code: string
  readonly text: string
  /** 32 bytes, 0x and hex. */
  readonly salt: string
}

/**
 * How far it has come. `sent`: on its way to the ledger. `refused`: the ledger has not taken it, nothing was opened. `open`: on the ledger.
 * `undone`: its block has left the chain.
 */
export type EmergencyState = 'sent' | 'refused' | 'open' | 'undone'

/** What the review and the alarm say of one emergency access. */
export interface EmergencyFacts {
  readonly reasonHash: string
  readonly grantee: PartyId
  /** `null`: it was broken without this gateway. */
  readonly person: Person | null
  readonly reason: EmergencyReason | null
  readonly state: EmergencyState
  readonly evidence: LedgerEvidence | null
  /** Seconds since the epoch. */
  readonly from: number
  readonly to: number
  /** When the review is due. */
  readonly due: number
  readonly overdue: boolean
  readonly reviewId: string
  /** `null`: the patient is another hospital's to tell. */
  readonly alarmId: string | null
  readonly entity: PartyId
}

export interface PatientReference {
  readonly reference?: string
  readonly identifier: { readonly system: string; readonly value: string }
}

/** What stands on the ledger for a reason: SHA-256 of salt and RFC 8785 form of `{code, system, text}`. */
export function reasonHashOf({ code, text, salt }: EmergencyReason): `0x${string}` {
  const said = canonicalJson({ code, system: EMERGENCY_REASON, text })
  return `0x${createHash('sha256')
    .update(Buffer.from(salt.slice(2), 'hex'))
    .update(said)
    .digest('hex')}`
}

/** Statuses of a review that its reviewer has set. */
const REVIEWED: readonly unknown[] = ['completed', 'in-progress']

/** The review by a second person, a Task of the privacy officer. What a reviewer has written in `base` stays. */
export function reviewTask(base: Resource | null, facts: EmergencyFacts, patient: PatientReference): Resource {
  const { state, reason, reasonHash, from, to, due, overdue } = facts
  const reviewed = REVIEWED.includes(base?.['status'])
  const status = { sent: 'draft', refused: 'cancelled', open: 'requested', undone: 'requested' }[state]
  const made: Record<string, unknown> = {
    identifier: [{ system: EMERGENCY_SYSTEM, value: reasonHash }],
    intent: 'order',
    code: coded(ACCESS_TASK, 'review-emergency-access', 'Review of an emergency access'),
    description:
      'A record was opened in an emergency, without consent. A second person reviews whether that was justified.',
    ...(facts.alarmId === null ? {} : { focus: { reference: `Communication/${facts.alarmId}` } }),
    for: patient,
    authoredOn: instant(from),
    requester: requesterOf(facts),
    owner: { identifier: { system: PARTY_SYSTEM, value: facts.entity }, display: 'Privacy officer' },
    ...(reason === null
      ? {}
      : {
          reasonCode: coded(EMERGENCY_REASON, reason.code, reason.text),
          input: [{ type: { text: 'Salt of the hash on the ledger' }, valueString: reason.salt }],
        }),
    ...own(base, 'reasonCode', 'input', 'requester', 'authoredOn', 'output', 'note'),
  }
  return {
    resourceType: 'Task',
    meta: base?.meta ?? {},
    ...evidence(facts),
    ...made,
    status: reviewed ? base?.['status'] : status,
    businessStatus: coded(ACCESS_STATE, reviewed ? 'reviewed' : overdue ? 'overdue' : state),
    priority: overdue && !reviewed ? 'asap' : 'urgent',
    executionPeriod: { start: instant(from), end: instant(to) },
    restriction: { period: { end: instant(due) } },
  }
}

/** What the patient is told, and the privacy officer with it. */
export function alarm(base: Resource | null, facts: EmergencyFacts, patient: PatientReference): Resource {
  const { state, reason, reasonHash, grantee, from, to } = facts
  const status = { sent: 'preparation', refused: 'not-done', open: 'completed', undone: 'completed' }[state]
  return {
    resourceType: 'Communication',
    meta: base?.meta ?? {},
    ...evidence(facts),
    identifier: [{ system: EMERGENCY_SYSTEM, value: reasonHash }],
    status,
    category: [coded('http://terminology.hl7.org/CodeSystem/communication-category', 'alert')],
    priority: 'urgent',
    subject: patient,
    topic: coded(ACCESS_STATE, state),
    about: [{ reference: `Task/${facts.reviewId}` }],
    sent: instant(from),
    recipient: [patient, { identifier: { system: PARTY_SYSTEM, value: facts.entity }, display: 'Privacy officer' }],
    sender: { identifier: { system: PARTY_SYSTEM, value: facts.entity } },
    ...(reason === null ? {} : { reasonCode: [coded(EMERGENCY_REASON, reason.code, reason.text)] }),
    ...own(base, 'reasonCode', 'sent'),
    payload: [{ contentString: textOf(state, grantee, from, to) }],
  }
}

function textOf(state: EmergencyState, grantee: PartyId, from: number, to: number): string {
  const who = `Party ${grantee}`
  switch (state) {
    case 'sent':
      return `${who} is about to open your record in an emergency, without your consent.`
    case 'refused':
      return `${who} asked to open your record in an emergency, without your consent. The ledger refused; nothing was opened.`
    case 'open':
      return `${who} opened your record in an emergency, without your consent, from ${instant(from)} to ${instant(to)} at the latest. Each access in that time is in your audit trail with the purpose BTG. You can forbid emergency access from now on.`
    case 'undone':
      return `${who} opened your record in an emergency, without your consent, on ${instant(from)}. The ledger has since lost the block that said so: what was read was read without it, and is in your audit trail with the purpose BTG.`
  }
}

function requesterOf({ person, grantee }: EmergencyFacts): object {
  if (person === null || person.practitioner !== undefined) {
    return { identifier: { system: PARTY_SYSTEM, value: person?.practitioner ?? grantee } }
  }
  const { client, subject } = person
  return {
    identifier: { system: CLIENT_SYSTEM, value: client },
    ...(subject === undefined ? {} : { display: subject }),
  }
}

function evidence({ evidence: found }: EmergencyFacts): object {
  return found === null ? {} : { extension: [evidenceExtension(found)] }
}

/** Elements that stay as they are. */
function own(base: Resource | null, ...elements: readonly string[]): Record<string, unknown> {
  if (base === null) return {}
  return Object.fromEntries(elements.flatMap((name) => (base[name] === undefined ? [] : [[name, base[name]]])))
}
