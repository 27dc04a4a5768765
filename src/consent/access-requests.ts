import {
  grantsGiven,
  policyIn,
  type GrantedTerms,
  type LedgerConsentEvent,
  type LedgerPlace,
  type LedgerTerms,
} from './ledger-grants.js'
import { ALL_LABELS_ID } from './labels.js'
import type { PartyId, PatientId } from './permit.js'

type Hex = `0x${string}`

/** What a grantee asks for. */
export interface RequestedTerms extends LedgerTerms {
  /** Salted hash of the justification. */
  readonly reasonHash: Hex
}

/** `accepted`: granted as it was asked, or more; `narrowed`: granted in part. */
export type RequestState = 'open' | 'accepted' | 'narrowed' | 'declined' | 'withdrawn' | 'expired'

/** One request of access as the history of its patient leaves it. */
export interface LedgerRequest {
  /** keccak-256 of the terms. */
  readonly request: Hex
  readonly terms: RequestedTerms
  readonly state: RequestState
  readonly requestedAt: LedgerPlace
  /** The event that last decided: the request itself while it is open, and when nobody has answered. */
  readonly decidedAt: LedgerPlace
  /** Seconds since the epoch: not answered by then, it expires. */
  readonly until: number
  /** What answered it. */
  readonly grant: GrantedTerms | null
}

/** A request is open for so long, and never beyond the end of what it asks for. */
export const OPEN_SECONDS = 30 * 86_400

/**
 * The requests of one patient, folded from its events in the order of the chain. A request is answered by the first thing that happens to it
 * in its time: a grant to the grantee of something that it asks for, however it came to the ledger, a refusal or a withdrawal. The
 * contract itself knows no expiry and no answer by a grant: what it says later of a request that is over changes nothing.
 * Each party may make as many as it likes, so each is held against what may answer it, and not against the whole history.
 *
 * @param now seconds since the epoch
 */
export function ledgerRequests(
  patient: PatientId,
  events: readonly LedgerConsentEvent[],
  now: number,
): LedgerRequest[] {
  const given = Map.groupBy(grantsGiven(patient, events), ({ terms }) => terms.grantee)
  const closings = Map.groupBy(
    events.flatMap(({ args, ...place }) => {
      const state = CLOSING[place.name]
      return state === undefined ? [] : [{ request: String(args['request']), place, grant: null, state }]
    }),
    ({ request }) => request,
  )
  return events.flatMap(({ args, ...requestedAt }): LedgerRequest[] => {
    if (requestedAt.name !== 'AccessRequested') return []
    const request = String(args['request']) as Hex
    const terms = termsIn(args['terms'] as Readonly<Record<string, unknown>>)
    const until = Math.min(terms.to, requestedAt.blockTime + OPEN_SECONDS)
    const inTime = (place: LedgerPlace): boolean => isAfter(place, requestedAt) && place.blockTime < until
    const answers = [
      ...(given.get(terms.grantee) ?? []).flatMap(({ terms: granted, place }) =>
        inTime(place) && overlap(granted, terms)
          ? [{ place, grant: granted, state: givesAll(granted, terms) ? ('accepted' as const) : ('narrowed' as const) }]
          : [],
      ),
      ...(closings.get(request) ?? []).filter(({ place }) => inTime(place)),
    ].sort((a, b) => (isAfter(a.place, b.place) ? 1 : -1))
    const [answer] = answers
    const common = { request, terms, requestedAt, until }
    if (answer !== undefined) return [{ ...common, state: answer.state, decidedAt: answer.place, grant: answer.grant }]
    return [{ ...common, state: until <= now ? 'expired' : 'open', decidedAt: requestedAt, grant: null }]
  })
}

const CLOSING: Readonly<Record<string, RequestState | undefined>> = {
  AccessRefused: 'declined',
  AccessRequestWithdrawn: 'withdrawn',
}

/** A policy document takes something away from the words that it stands beside. */
function givesAll(granted: GrantedTerms, asked: RequestedTerms): boolean {
  return policyIn(granted) === undefined && covers(granted, asked)
}

type Bounds = Pick<RequestedTerms, 'grantee' | 'labels' | 'actions' | 'purposes' | 'categories' | 'from' | 'to'>

/** Whether `a` gives all that `b` asks for. */
function covers(a: Bounds, b: Bounds): boolean {
  return (
    a.grantee === b.grantee &&
    (a.labels.includes(ALL_LABELS_ID) || b.labels.every((label) => a.labels.includes(label))) &&
    (a.actions & b.actions) === b.actions &&
    (a.purposes & b.purposes) === b.purposes &&
    (a.categories & b.categories) === b.categories &&
    // What was asked from the past on is given from the grant on.
    a.to >= b.to
  )
}

/** Whether `a` gives anything that `b` asks for. */
function overlap(a: Bounds, b: Bounds): boolean {
  const all = a.labels.includes(ALL_LABELS_ID) || b.labels.includes(ALL_LABELS_ID)
  return (
    a.grantee === b.grantee &&
    (all || a.labels.some((label) => b.labels.includes(label))) &&
    (a.actions & b.actions) !== 0 &&
    (a.purposes & b.purposes) !== 0 &&
    (a.categories & b.categories) !== 0n &&
    Math.max(a.from, b.from) < Math.min(a.to, b.to)
  )
}

function isAfter(a: LedgerPlace, b: LedgerPlace): boolean {
  return a.blockNumber > b.blockNumber || (a.blockNumber === b.blockNumber && a.logIndex > b.logIndex)
}

function termsIn(args: Readonly<Record<string, unknown>>): RequestedTerms {
  return {
    patient: String(args['patient']) as PatientId,
    grantee: String(args['grantee']) as PartyId,
    labels: args['labels'] as readonly Hex[],
    actions: Number(args['actions']),
    purposes: Number(args['purposes']),
    categories: BigInt(String(args['categories'])),
    from: Number(args['from']),
    to: Number(args['to']),
    reasonHash: String(args['reasonHash']) as Hex,
  }
}
