import type { PartyId, RecordFacts } from './permit.js'

/**
 * What narrows a word beside the ledger, as the database holds it: names are keyed tokens and dates are bytes that keep
 * their order, so that a row can be compared with it without being opened. `policy-document.ts` is where it comes from.
 */
export interface Policy {
  readonly rules: readonly PolicyRule[]
}

/** All that a rule names must hold for it to match; what it does not name holds always. */
export interface PolicyRule {
  /** True: what matches is refused. False: only what matches is permitted. */
  readonly excepts: boolean
  readonly parties?: readonly PartyId[]
  /** Bit sets, as in a word. */
  readonly actions?: number
  readonly purposes?: number
  readonly labels?: bigint
  readonly categories?: bigint
  /** The record's dates of care: within [from, to) to permit, and in part in it to refuse. */
  readonly care?: { readonly from: Uint8Array; readonly to: Uint8Array }
  /** Tokens, one of which the record has. */
  readonly facets?: readonly bigint[]
}

/** What is asked, as far as a rule looks at it. */
export interface PolicyQuestion {
  readonly parties: readonly PartyId[]
  /** Each one bit. */
  readonly action: number
  readonly purpose: number
}

export interface PolicySubject {
  readonly labels: bigint
  readonly categories: bigint
  /** Absent: nobody knows, as of versions from before facts were kept. */
  readonly facts?: RecordFacts | null | undefined
}

/** Whether a policy leaves the record permitted. Unknown means deny: to a limit it does not conform, and an exception meets it. */
export function policyPermits({ rules }: Policy, question: PolicyQuestion, subject: PolicySubject): boolean {
  return rules.every((rule) =>
    rule.excepts ? !excepted(rule, question, subject) : (factsMeet(rule, subject, within) ?? false),
  )
}

function excepted(rule: PolicyRule, { parties, action, purpose }: PolicyQuestion, subject: PolicySubject): boolean {
  if (rule.parties !== undefined && !rule.parties.some((party) => parties.includes(party))) return false
  if (rule.actions !== undefined && (rule.actions & action) === 0) return false
  if (rule.purposes !== undefined && (rule.purposes & purpose) === 0) return false
  if (rule.labels !== undefined && (rule.labels & subject.labels) === 0n) return false
  if (rule.categories !== undefined && (rule.categories & subject.categories) === 0n) return false
  return factsMeet(rule, subject, overlap) ?? true
}

type Interval = NonNullable<RecordFacts['care']>
type Compare = (care: Interval, asked: NonNullable<PolicyRule['care']>) => boolean

const within: Compare = ({ lo, hi }, { from, to }) => Buffer.compare(lo, from) >= 0 && Buffer.compare(hi, to) <= 0
const overlap: Compare = ({ lo, hi }, { from, to }) => Buffer.compare(lo, to) < 0 && Buffer.compare(hi, from) > 0

/** Three values, as in SQL: `undefined` where nothing says no and something is unknown. */
function factsMeet({ care, facets }: PolicyRule, { facts }: PolicySubject, compare: Compare): boolean | undefined {
  const dated = care === undefined ? true : facts?.care ? compare(facts.care, care) : undefined
  const named = facets === undefined ? true : facts ? facets.some((facet) => facts.facets.includes(facet)) : undefined
  if (dated === false || named === false) return false
  return dated === undefined || named === undefined ? undefined : true
}
