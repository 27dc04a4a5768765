import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { labelId, maskOfLabelId } from '../../src/consent/labels.js'
import { type LedgerConsentEvent, ledgerGrants } from '../../src/consent/ledger-grants.js'
import { grantRows } from '../../src/consent/grant-rows.js'

type Hex = `0x${string}`
const patient: Hex = `0x${'11'.repeat(32)}`
const GRANTEES = ['a1', 'b2'].map((byte): Hex => `0x${byte.repeat(32)}`)
const LABELS = [labelId('general'), labelId('HIV'), `0x${'00'.repeat(32)}` as const]

/** A word without a policy, or with one, which permits nothing here. */
const word = (serial: number, policy: boolean): bigint =>
  ((2n ** 40n - 1n) << 40n) | (1n << 80n) | (1n << 112n) | ((policy ? 1n : 0n) << 208n) | (BigInt(serial) << 224n)

const step = fc.oneof(
  fc.record({
    is: fc.constant('grant' as const),
    grantee: fc.constantFrom(...GRANTEES),
    labels: fc.uniqueArray(fc.constantFrom(...LABELS), { minLength: 1 }),
    actions: fc.integer({ min: 1, max: 63 }),
    serial: fc.integer({ min: 0, max: 3 }),
    policy: fc.boolean(),
  }),
  fc.record({
    is: fc.constant('revoke' as const),
    grantee: fc.constantFrom(...GRANTEES),
    labels: fc.uniqueArray(fc.constantFrom(...LABELS), { minLength: 1 }),
    actions: fc.integer({ min: 1, max: 63 }),
  }),
  fc.record({ is: fc.constant('revokeAll' as const) }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

function eventsOf(steps: readonly Step[]): LedgerConsentEvent[] {
  return steps.flatMap((one, i) => {
    const hash = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
    const place = { blockNumber: i, blockHash: hash(i), blockTime: i, transactionHash: hash(i) }
    if (one.is === 'revokeAll') return [{ ...place, name: 'AllConsentsRevoked', logIndex: 0, args: { patient } }]
    const { grantee, labels, actions } = one
    return labels.flatMap((label, n) => {
      const args = { patient, grantee, label, actions }
      const logIndex = 2 * n
      if (one.is === 'revoke') return [{ ...place, name: 'ConsentRevoked', logIndex, args }]
      const consent = String(word(one.serial, one.policy))
      const given = { ...place, name: 'ConsentGranted', logIndex, args: { ...args, consent, packageHash: hash(0) } }
      const pinned = { ...place, name: 'PolicyPinned', logIndex: logIndex + 1, args: { ...args, policyHash: hash(7) } }
      return one.policy ? [given, pinned] : [given]
    })
  })
}

describe('the grants of a history', () => {
  it('hold together exactly what the words in force hold, each word once', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const events = eventsOf(steps)
        const held = ledgerGrants(patient, events).flatMap(({ terms, held: labels }) =>
          [...labels].flatMap(([label, actions]) =>
            [0, 1, 2, 3, 4, 5]
              .filter((action) => (actions & (1 << action)) !== 0)
              .map((action) => `${terms.grantee}|${maskOfLabelId(label)}|${action}`),
          ),
        )
        const stored = events.map(({ name, args, blockNumber }) => ({
          contract: 'ConsentRegistry' as const,
          name,
          args: { ...args },
          block: blockNumber,
        }))
        const inForce = grantRows(patient, stored, Infinity).map(
          ({ grantee, mask, action }) => `${grantee}|${mask}|${action}`,
        )
        expect(held.toSorted()).toEqual(inForce.toSorted())
      }),
      { numRuns: 300 },
    )
  })

  it('are one grant of several labels when one transaction gave them, and found again by their terms', () => {
    const grant = { is: 'grant', grantee: GRANTEES[0], actions: 1, serial: 1, policy: false } as Step & { is: 'grant' }
    const [together, ...others] = ledgerGrants(patient, eventsOf([{ ...grant, labels: LABELS.slice(0, 2) }]))
    expect(others).toEqual([])
    expect(together?.terms.labels).toEqual(LABELS.slice(0, 2))
    const apart = ledgerGrants(patient, eventsOf(LABELS.slice(0, 2).map((label) => ({ ...grant, labels: [label] }))))
    expect(apart).toHaveLength(2)
    expect(new Set([together, ...apart].map((one) => one?.key)).size).toBe(3)
    const revoked = eventsOf([{ ...grant, labels: LABELS.slice(0, 2) }, { is: 'revokeAll' }])
    expect(ledgerGrants(patient, revoked)).toMatchObject([{ key: together?.key, decidedAt: { blockNumber: 1 } }])
  })
})
