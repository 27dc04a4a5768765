import { createHash } from 'node:crypto'
import { AbiCoder, keccak256 } from 'ethers'
import { canonicalJson } from '../../audit/canonical-json.js'
import { evidenceExtension } from '../../audit/balp.js'
import type { LedgerEvidence } from '../../audit/occurrence.js'
import type { RequestedTerms, RequestState } from '../../consent/access-requests.js'
import { instant } from '../../consent/instant.js'
import { actionsOf, CATEGORIES, OPEN_END, purposesOf } from '../../consent/terms.js'
import type { Resource } from '../../fhir/types.js'
import type { Hex } from '../../ledger/hex.js'
import { ACCESS_STATE, ACCESS_TASK, ACCESS_TERM, coded, REQUEST_SYSTEM } from './access-codes.js'
import { type AskedTerms, isEveryCategory, labelCodesOf } from './asked-terms.js'
import { ACT_CODE, ACT_REASON, ACTION_SYSTEM, CATEGORY_SYSTEM, LABEL_SYSTEM, PARTY_SYSTEM } from './codes.js'
import type { PatientReference } from './emergency-resources.js'

/** `sent`: on its way to the ledger. `refused`: not taken by it. `undone`: its block has left the chain. */
export type ToldRequestState = RequestState | 'sent' | 'refused' | 'undone'

const STATUS: Readonly<Record<ToldRequestState, string>> = {
  sent: 'draft',
  refused: 'cancelled',
  open: 'requested',
  accepted: 'completed',
  narrowed: 'completed',
  declined: 'rejected',
  withdrawn: 'cancelled',
  expired: 'failed',
  undone: 'entered-in-error',
}

/** What the Task says of one request. */
export interface RequestFacts {
  readonly request: Hex
  readonly terms: RequestedTerms
  readonly state: ToldRequestState
  readonly evidence: LedgerEvidence | null
  /** Seconds since the epoch. */
  readonly authoredOn: number
  readonly until: number
  /** What was given. */
  readonly given: AskedTerms | null
  readonly consentId: string | null
  /** Only where it was stated here. */
  readonly reason: { readonly text: string; readonly salt: string } | null
}

/** As the contract computes it: keccak256(abi.encode(accessRequest)). */
export function requestId(terms: RequestedTerms): Hex {
  const type =
    'tuple(bytes32 patient,bytes32 grantee,bytes32[] labels,uint8 actions,uint32 purposes,uint64 categories,uint40 from,uint40 to,bytes32 reasonHash)'
  return keccak256(AbiCoder.defaultAbiCoder().encode([type], [terms])) as Hex
}

/** What stands on the ledger for a reason: SHA-256 of salt and RFC 8785 form of `{text}`. */
export function requestReasonHash(text: string, salt: string): Hex {
  const hash = createHash('sha256').update(Buffer.from(salt.slice(2), 'hex'))
  return `0x${hash.update(canonicalJson({ text })).digest('hex')}`
}

/** The request as a Task that the patient answers. */
export function requestTask(base: Resource | null, facts: RequestFacts, patient: PatientReference): Resource {
  const { request, terms, state, evidence, authoredOn, until, given, consentId, reason } = facts
  const kept = base === null ? {} : pick(base, 'reasonCode')
  const salt = (base?.['input'] as { type?: { coding?: { code?: string }[] } }[] | undefined)?.filter(
    ({ type }) => type?.coding?.[0]?.code === 'salt',
  )
  return {
    resourceType: 'Task',
    meta: base?.meta ?? {},
    ...(evidence === null ? {} : { extension: [evidenceExtension(evidence)] }),
    identifier: [{ system: REQUEST_SYSTEM, value: request }],
    status: STATUS[state],
    businessStatus: coded(ACCESS_STATE, state),
    intent: 'proposal',
    priority: 'routine',
    code: coded(ACCESS_TASK, 'answer-access-request', 'Answer to a request of access'),
    for: patient,
    authoredOn: instant(authoredOn),
    requester: { identifier: { system: PARTY_SYSTEM, value: terms.grantee } },
    owner: patient,
    ...(reason === null ? kept : { reasonCode: { text: reason.text } }),
    restriction: { period: { end: instant(until) } },
    input: [...termsTold(terms), ...(reason === null ? (salt ?? []) : [{ ...term('salt'), valueString: reason.salt }])],
    ...(given === null
      ? {}
      : {
          output: [
            ...(consentId === null
              ? []
              : [{ ...term('consent'), valueReference: { reference: `Consent/${consentId}` } }]),
            ...termsTold(given),
          ],
        }),
  }
}

function termsTold(terms: AskedTerms): object[] {
  const codes = CATEGORIES.filter((_, i) => (terms.categories & (1n << BigInt(i))) !== 0n)
  const { from, to } = terms
  return [
    ...labelCodesOf(terms).map((code) => ({
      ...term('label'),
      valueCoding: { system: code === 'general' || code === 'R' ? LABEL_SYSTEM : ACT_CODE, code },
    })),
    ...actionsOf(terms.actions).map((code) => ({ ...term('action'), valueCoding: { system: ACTION_SYSTEM, code } })),
    ...purposesOf(terms.purposes).map((code) => ({ ...term('purpose'), valueCoding: { system: ACT_REASON, code } })),
    ...(isEveryCategory(terms)
      ? []
      : codes.map((code) => ({ ...term('category'), valueCoding: { system: CATEGORY_SYSTEM, code } }))),
    {
      ...term('period'),
      valuePeriod: {
        start: instant(from),
        ...(to === OPEN_END ? {} : { end: instant(to) }),
      },
    },
  ]
}

function term(code: string): { type: object } {
  return { type: coded(ACCESS_TERM, code) }
}

function pick(base: Resource, ...elements: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(elements.flatMap((name) => (base[name] === undefined ? [] : [[name, base[name]]])))
}
