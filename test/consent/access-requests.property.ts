import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ledgerRequests, OPEN_SECONDS } from '../../src/consent/access-requests.js'
import { ALL_LABELS_ID } from '../../src/consent/labels.js'
import type { LedgerConsentEvent } from '../../src/consent/ledger-grants.js'

const id = (n: number) => `0x${n.toString(16).padStart(64, '0')}` as const
const PATIENT = id(1)
const NOW = 1_700_000_000
const END = NOW + 100_000

const labels = fc.uniqueArray(fc.constantFrom(id(10), id(11), id(12)), { minLength: 1 })
const mask = (most: number) => fc.integer({ min: 1, max: most })
const terms = fc.record({
  grantee: fc.constantFrom(id(2), id(3)),
  labels,
  actions: mask(7),
  purposes: mask(3),
  categories: mask(7).map(BigInt),
  from: fc.constantFrom(NOW, NOW + 500),
  to: fc.constantFrom(NOW + 1_000, END),
})
type Terms = typeof terms extends fc.Arbitrary<infer T> ? T : never

/** What happens, in the order of the chain; `at` counts requests. */
type Step =
  | { readonly kind: 'request'; readonly terms: Terms }
  | { readonly kind: 'grant'; readonly terms: Terms; readonly all: boolean }
  | { readonly kind: 'AccessRefused' | 'AccessRequestWithdrawn'; readonly at: number }
  | { readonly kind: 'wait'; readonly seconds: number }
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('request' as const), terms }),
  fc.record({ kind: fc.constant('grant' as const), terms, all: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('AccessRefused' as const, 'AccessRequestWithdrawn' as const), at: fc.nat(5) }),
  fc.record({ kind: fc.constant('wait' as const), seconds: fc.constantFrom(600, 40 * 86_400) }),
)

function eventsOf(steps: readonly Step[]): { events: LedgerConsentEvent[]; now: number } {
  let now = NOW
  let block = 0
  const requests: string[] = []
  const events = steps.flatMap((each): LedgerConsentEvent[] => {
    const place = {
      blockNumber: ++block,
      blockHash: id(block),
      blockTime: now,
      transactionHash: id(block),
      logIndex: 0,
    }
    if (each.kind === 'wait') {
      now += each.seconds
      return []
    }
    if (each.kind === 'request') {
      const request = id(1_000 + requests.length)
      requests.push(request)
      const { grantee, categories } = each.terms
      const args = { patient: PATIENT, reasonHash: id(9), ...each.terms, categories: String(categories) }
      return [{ ...place, name: 'AccessRequested', args: { patient: PATIENT, grantee, request, terms: args } }]
    }
    if (each.kind === 'grant') {
      const { grantee, actions, purposes, categories, from, to } = each.terms
      const word = BigInt(from) | (BigInt(to) << 40n) | (BigInt(purposes) << 80n) | (categories << 112n) | (1n << 176n)
      return (each.all ? [ALL_LABELS_ID] : each.terms.labels).map((label, logIndex) => ({
        ...place,
        logIndex,
        name: 'ConsentGranted',
        args: { patient: PATIENT, grantee, label, actions, consent: String(word), packageHash: id(0) },
      }))
    }
    const request = requests[each.at] ?? id(0)
    return [{ ...place, name: each.kind, args: { patient: PATIENT, request } }]
  })
  return { events, now }
}

/** The same, said step by step: what is open is looked at whenever something happens. */
function slowly(steps: readonly Step[]): string[] {
  const requests: { terms: Terms; until: number; state: string }[] = []
  let now = NOW
  const bits = (of: Terms, all: boolean) =>
    [id(10), id(11), id(12)].flatMap((label) =>
      all || of.labels.includes(label)
        ? [0, 1, 2].flatMap((a) =>
            of.actions & (1 << a)
              ? [0, 1].flatMap((p) =>
                  of.purposes & (1 << p)
                    ? [0, 1, 2].flatMap((c) => (of.categories & (1n << BigInt(c)) ? [`${label}${a}${p}${c}`] : []))
                    : [],
                )
              : [],
          )
        : [],
    )
  for (const each of steps) {
    for (const request of requests) if (request.state === 'open' && now >= request.until) request.state = 'expired'
    if (each.kind === 'wait') now += each.seconds
    else if (each.kind === 'request') {
      requests.push({ terms: each.terms, until: Math.min(each.terms.to, now + OPEN_SECONDS), state: 'open' })
      const last = requests.at(-1)
      if (last && now >= last.until) last.state = 'expired'
    } else if (each.kind === 'grant') {
      const given = new Set(bits(each.terms, each.all))
      for (const request of requests.filter(
        ({ state, terms: asked }) => state === 'open' && asked.grantee === each.terms.grantee,
      )) {
        const wanted = bits(request.terms, false)
        const common = wanted.filter((bit) => given.has(bit))
        const { from, to } = request.terms
        if (common.length === 0 || Math.max(from, each.terms.from) >= Math.min(to, each.terms.to)) continue
        const all = common.length === wanted.length && each.terms.to >= to
        request.state = all ? 'accepted' : 'narrowed'
      }
    } else {
      const request = requests[each.at]
      if (request?.state === 'open') request.state = each.kind === 'AccessRefused' ? 'declined' : 'withdrawn'
    }
  }
  for (const request of requests) if (request.state === 'open' && now >= request.until) request.state = 'expired'
  return requests.map(({ state }) => state)
}

describe('the requests of a history', () => {
  it('are what a reader of the events, one after the other, finds', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
        const { events, now } = eventsOf(steps)
        const states = ledgerRequests(PATIENT, events, now).map(({ state }) => state)
        for (const state of states) seen.add(state)
        expect(states).toEqual(slowly(steps))
      }),
      { numRuns: 2_000 },
    )
    expect([...seen].toSorted()).toEqual(['accepted', 'declined', 'expired', 'narrowed', 'open', 'withdrawn'])
  })

  it('never say of a later block what an earlier one does not: undoing blocks is reading less', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14 }), fc.nat(14), (steps, cut) => {
        const { events, now } = eventsOf(steps)
        const kept = events.filter(({ blockNumber }) => blockNumber <= cut)
        const states = ledgerRequests(PATIENT, kept, now)
        for (const { decidedAt } of states) expect(decidedAt.blockNumber).toBeLessThanOrEqual(cut)
      }),
    )
  })
})

it('looks at each event some few times, however many requests somebody makes of a patient', () => {
  const many = 2_000
  const asked = { grantee: id(2), labels: [id(10)], actions: 1, purposes: 1, categories: 1n, from: NOW, to: END }
  const { events, now } = eventsOf(Array.from({ length: many }, () => ({ kind: 'request' as const, terms: asked })))
  let looks = 0
  const counted = events.map((event) => ({
    ...event,
    get args() {
      looks++
      return event.args
    },
  }))
  expect(ledgerRequests(PATIENT, counted, now)).toHaveLength(many)
  expect(looks).toBeLessThan(20 * many)
})
