import { type Action, type PartyId, type PatientId, type Permit, type RecordSubject, takeIssuer } from './permit.js'
import { AUDIT, NOTICE } from './labels.js'
import { type Policy, policyPermits, type PolicyQuestion } from './policy.js'
import { actionNumber, type Purpose, purposeMask, type WordAction, wordAsked } from './terms.js'

const issue = takeIssuer()

/** The part of the consent contract's word that can still be in force, as the mirror holds it. */
export interface GrantWord {
  readonly patient: PatientId
  readonly grantee: PartyId
  /** One label bit, or every bit for a grant under ALL_LABELS. */
  readonly labels: bigint
  readonly action: WordAction
  /** Seconds since the epoch; in force when `from <= now < to`. */
  readonly from: number
  readonly to: number
  readonly purposes: number
  readonly categories: bigint
  /** Every one of them narrows the word. */
  readonly policies?: readonly Policy[]
}

/** Who asks, why, and to do what. */
export interface Question {
  readonly action: Action
  readonly purpose: Purpose
  /** The identities on the ledger that the caller acts as: its entity, and the practitioner if one is known. */
  readonly parties: readonly PartyId[]
  /** The caller acts as auditor of one of `parties`. */
  readonly auditor?: boolean
  readonly subjects: readonly RecordSubject[]
}

/** What is known of the ledger when the question is asked. */
export interface Facts {
  /** Milliseconds since the epoch. */
  readonly now: number
  readonly freshness: Freshness
  /** Those of `parties` that are registered, active and inside their validity. */
  readonly activeParties: ReadonlySet<PartyId>
  readonly words: readonly GrantWord[]
}

export interface Freshness {
  /** When the node last confirmed its head, milliseconds since the epoch; `null` before the first time. */
  readonly confirmedAt: number | null
  readonly limitMs: number
  /** Age limit of the head block itself, on chains with regular blocks. */
  readonly head?: { readonly timestampMs: number; readonly limitMs: number }
}

export type DenialReason =
  'mirror-stale' | 'party-not-active' | 'no-grant' | 'not-the-author' | 'auditors-only' | 'not-written'

export interface Denial {
  readonly reason: DenialReason
  /** The first subject that is not permitted; absent when the reason concerns none. */
  readonly subject?: RecordSubject
}

export type Decision = { readonly permit: Permit } | { readonly denial: Denial }

/**
 * The consent decision, and the only maker of permits. Pure: it reads no clock, no table and no chain.
 *
 * A permit is for all the subjects or there is none. A subject in a patient's compartment needs, for each of its
 * labels, one word in force of one of the caller's active parties that covers the label, the action, the purpose
 * and every category of the subject, and whose policy documents leave it permitted; while the glass is broken, the emergency word is asked instead (terms.ts). Where a subject names other patients, the same is asked of each of them. A subject in no compartment belongs to its author
 * entity alone, and so does a notice, which nobody changes (labels.ts).
 * A mirror that is too old permits nothing (DESIGN.md, promise 5). The audit trail is read by auditors of the entity
 * that keeps it and by nobody else; no grant reaches it, and it can be read while the ledger is silent.
 */
export function decide(question: Question, facts: Facts): Decision {
  if (question.auditor) return decideAudit(question, facts)
  if (isStale(facts.freshness, facts.now)) return { denial: { reason: 'mirror-stale' } }
  const parties = question.parties.filter((party) => facts.activeParties.has(party))
  if (parties.length === 0) return { denial: { reason: 'party-not-active' } }

  const words = inForce(question, facts, new Set(parties))
  const asked = policyQuestion(question, parties)
  for (const subject of question.subjects) {
    if ((subject.labels & AUDIT) !== 0n) return { denial: { reason: 'auditors-only', subject } }
    const notice = (subject.labels & NOTICE) !== 0n
    if (notice && question.action !== 'read') return { denial: { reason: 'not-written', subject } }
    if (subject.patient === null || notice) {
      if (!parties.includes(subject.origin)) return { denial: { reason: 'not-the-author', subject } }
    } else if (!covered(subject, words.get(subject.patient) ?? [], asked)) {
      return { denial: { reason: 'no-grant', subject } }
    }
    const others = notice ? [] : (subject.others ?? [])
    if (!others.every((patient) => covered(subject, words.get(patient) ?? [], asked))) {
      return { denial: { reason: 'no-grant', subject } }
    }
  }
  return { permit: issue(question.action, question.purpose, facts.now, question.subjects) }
}

/** An auditor reads audit records, and nothing else: clinical records never carry the label `AUDIT`. */
function decideAudit(question: Question, facts: Facts): Decision {
  const outside = question.subjects.find((s) => s.labels !== AUDIT || !question.parties.includes(s.origin))
  if (outside) return { denial: { reason: 'no-grant', subject: outside } }
  if (question.action !== 'read') return { denial: { reason: 'auditors-only' } }
  return { permit: issue(question.action, question.purpose, facts.now, question.subjects) }
}

export function isStale(freshness: Freshness, now: number): boolean {
  const { confirmedAt, limitMs, head } = freshness
  if (confirmedAt === null || now - confirmedAt > limitMs) return true
  return head !== undefined && now - head.timestampMs > head.limitMs
}

function inForce(question: Question, facts: Facts, parties: ReadonlySet<PartyId>): Map<PatientId, GrantWord[]> {
  const seconds = Math.floor(facts.now / 1000)
  const purpose = purposeMask([question.purpose])
  const action = wordAsked(question.action, question.purpose)
  const byPatient = new Map<PatientId, GrantWord[]>()
  for (const word of facts.words) {
    const applies =
      word.action === action &&
      parties.has(word.grantee) &&
      word.from <= seconds &&
      seconds < word.to &&
      (word.purposes & purpose) !== 0
    if (!applies) continue
    const held = byPatient.get(word.patient)
    if (held) held.push(word)
    else byPatient.set(word.patient, [word])
  }
  return byPatient
}

function policyQuestion({ action, purpose }: Question, parties: readonly PartyId[]): PolicyQuestion {
  return { parties, action: 1 << actionNumber(action), purpose: purposeMask([purpose]) }
}

function covered(subject: RecordSubject, words: readonly GrantWord[], asked: PolicyQuestion): boolean {
  // As in the contract: a question about nothing is not permitted.
  if (subject.categories === 0n || subject.labels === 0n) return false
  let labels = 0n
  for (const word of words) {
    if ((word.categories & subject.categories) !== subject.categories) continue
    if (word.policies?.every((policy) => policyPermits(policy, asked, subject)) ?? true) labels |= word.labels
  }
  return (labels & subject.labels) === subject.labels
}
