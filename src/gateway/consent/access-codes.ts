/** Codes of what the gateway itself tells of access; the code systems stand in fhir-profiles/. */
const BASE = 'https://consentry.health/fhir'
export const ACCESS_TASK = `${BASE}/CodeSystem/access-task`
export const ACCESS_STATE = `${BASE}/CodeSystem/access-state`
export const ACCESS_TERM = `${BASE}/CodeSystem/access-term`
export const EMERGENCY_REASON = `${BASE}/CodeSystem/emergency-reason`
export const REVIEW_OUTCOME = `${BASE}/CodeSystem/review-outcome`
/** Identifier system of access requests on the ledger: keccak-256 of their terms. */
export const REQUEST_SYSTEM = `${BASE}/sid/access-request`
/** Identifier system of emergency accesses: the hash of their reason on the ledger. */
export const EMERGENCY_SYSTEM = `${BASE}/sid/emergency`
export const CLIENT_SYSTEM = `${BASE}/sid/client`

/** Why a record has to be opened without consent; as in CodeSystem-emergency-reason. */
export const EMERGENCY_REASONS = ['life-threatening', 'unresponsive', 'incapable', 'public-safety', 'other'] as const
/** As in CodeSystem-review-outcome. */
export const REVIEW_OUTCOMES = ['justified', 'not-justified'] as const

export function coded(system: string, code: string, text?: string): { coding: object[]; text?: string } {
  return { coding: [{ system, code }], ...(text === undefined ? {} : { text }) }
}
