import type { RowFilter } from '../records/types.js'
import { AUDIT, NOTICE } from './labels.js'
import type { Action, PartyId } from './permit.js'
import { actionNumber, type Purpose, purposeMask, wordAsked } from './terms.js'

/** No row has it. */
const NO_WORD = -1

/**
 * `policyPermits` of policy.ts: every document that the word `g` names is kept here, its limits hold for the row and none of its
 * exceptions does. It is looked at for words with documents alone.
 */
const POLICIES_PERMIT = `(
            (SELECT count(*) FROM policy_document d WHERE d.hash = ANY(g.policies)) = cardinality(g.policies)
            AND NOT EXISTS (SELECT FROM policy_rule p WHERE p.hash = ANY(g.policies) AND NOT p.excepts AND NOT coalesce(
              (p.care_from IS NULL OR r.care_lo >= p.care_from AND r.care_hi <= p.care_to)
              AND (p.facets IS NULL OR r.facets && p.facets), false))
            AND NOT EXISTS (SELECT FROM policy_rule p WHERE p.hash = ANY(g.policies) AND p.excepts
              AND (p.parties IS NULL OR p.parties && $1::bytea[])
              AND (p.actions IS NULL OR (p.actions & $5) <> 0) AND (p.purposes IS NULL OR (p.purposes & $4) <> 0)
              AND (p.labels IS NULL OR (p.labels & r.labels) <> 0)
              AND (p.categories IS NULL OR (p.categories & r.categories) <> 0)
              AND coalesce((p.care_from IS NULL OR r.care_lo < p.care_to AND r.care_hi > p.care_from)
                AND (p.facets IS NULL OR r.facets && p.facets), true)))`

/** The labels that the words of one patient give for the row. */
const permittedBy = (patient: string): string => `(
        SELECT bit_or(g.label_mask) FROM "grant" g
        WHERE g.patient = ${patient} AND g.grantee = ANY($1::bytea[]) AND g.action = $2
          AND g.valid_from <= $3 AND g.valid_to > $3 AND (g.purposes & $4) <> 0
          AND (g.categories & r.categories) = r.categories
          AND (g.policies IS NULL OR ${POLICIES_PERMIT})
      )`

/** Who searches, why, and when; `parties` are active ones already. */
export interface RowQuestion {
  readonly action: Action
  readonly purpose: Purpose
  readonly parties: readonly PartyId[]
  readonly auditor?: boolean
  /** Seconds since the epoch. */
  readonly now: number
}

/**
 * The decision of decide.ts as a condition on rows `r` of `resource`, so that what a search counts, pages and follows
 * is permitted rows only. A test holds the two equal. The label masks of all words in force whose categories cover
 * the row are united and must contain every label of the row.
 *
 * `<> AUDIT` says the same as `= 0` of one bit, but the planner takes the latter for rare and then chooses badly.
 */
export function rowFilter(question: RowQuestion): RowFilter {
  const parties = question.parties.map((party) => Buffer.from(party.slice(2), 'hex'))
  if (question.auditor) {
    return { sql: `r.labels = ${AUDIT} AND r.origin = ANY($1::bytea[])`, params: [parties] }
  }
  // A notice is read and never changed.
  const notices = question.action === 'read' ? 'r.origin = ANY($1::bytea[])' : 'false'
  const action = wordAsked(question.action, question.purpose)
  return {
    sql: `(r.labels & ${AUDIT}) <> ${AUDIT} AND CASE
      WHEN (r.labels & ${NOTICE}) = ${NOTICE} THEN ${notices}
      WHEN r.patient IS NULL THEN r.origin = ANY($1::bytea[])
      ELSE r.labels & ${permittedBy('r.patient')} = r.labels END
      AND (r.others IS NULL OR (r.labels & ${NOTICE}) = ${NOTICE} OR NOT EXISTS (
        SELECT FROM unnest(r.others) o(patient) WHERE (r.labels & ${permittedBy('o.patient')}) IS DISTINCT FROM r.labels))`,
    params: [
      parties,
      action === null ? NO_WORD : actionNumber(action),
      question.now,
      purposeMask([question.purpose]),
      1 << actionNumber(question.action),
    ],
  }
}
