import { describe, expect, it } from 'vitest'
import { labelId } from '../../src/consent/labels.js'
import type { GrantedTerms, LedgerGrant, LedgerPlace } from '../../src/consent/ledger-grants.js'
import { tellingDigest, tellingOf } from '../../src/gateway/consent/telling.js'

const hash = (n: number) => `0x${String(n).padStart(64, '0')}` as const
const at = (blockNumber: number): LedgerPlace => ({
  name: 'ConsentGranted',
  blockNumber,
  blockHash: hash(blockNumber),
  blockTime: blockNumber,
  transactionHash: hash(blockNumber),
  logIndex: 0,
})
const [general, HIV] = [labelId('general'), labelId('HIV')]
const terms: GrantedTerms = {
  patient: hash(1),
  grantee: hash(2),
  labels: [general, HIV],
  actions: 0b11,
  purposes: 1,
  categories: 1n,
  from: 0,
  to: 2_000,
  packageHash: hash(0),
}
const grantWith = (held: [`0x${string}`, number][], over: Partial<LedgerGrant> = {}): LedgerGrant => ({
  key: hash(9),
  terms,
  held: new Map(held),
  grantedAt: at(10),
  decidedAt: at(10),
  ...over,
})
const whole = grantWith([
  [general, 0b11],
  [HIV, 0b11],
])

describe('what a Consent says of its grant', () => {
  it('is proposed until the block is final, then active, then over with its period', () => {
    const told = (finalized: number, now: number) => tellingOf({ terms, proposed: true }, whole, finalized, now)
    expect([told(9, 1_000), told(10, 1_000), told(10, 2_000)].map(({ status, until }) => [status, until])).toEqual([
      ['proposed', 2_000],
      ['active', 2_000],
      ['inactive', null],
    ])
    expect(
      new Set([told(9, 1), told(10, 1), told(10, 2_000)].map((one) => tellingDigest(one).toString('hex'))).size,
    ).toBe(3)
  })

  it('counts a revocation at once, final or not', () => {
    const revoked = grantWith([], { decidedAt: at(11) })
    expect(tellingOf({ terms, proposed: true }, revoked, 10, 1)).toMatchObject({ status: 'inactive', evidence: at(11) })
  })

  it('is a proposal again, or a mistake, when no block holds the grant any more', () => {
    expect(tellingOf({ terms, proposed: true }, null, 10, 1)).toMatchObject({ status: 'proposed', evidence: null })
    expect(tellingOf({ terms, proposed: false }, null, 10, 1)).toMatchObject({
      status: 'entered-in-error',
      evidence: null,
    })
  })

  it.each<[string, [`0x${string}`, number][], string[], string[]]>([
    ['a label', [[general, 0b11]], ['general'], ['read', 'create']],
    [
      'an action',
      [
        [general, 0b10],
        [HIV, 0b10],
      ],
      ['general', 'HIV'],
      ['create'],
    ],
    [
      'an action of one label',
      [
        [general, 0b11],
        [HIV, 0b01],
      ],
      ['general', 'HIV'],
      ['read'],
    ],
    [
      'everything that the labels share',
      [
        [general, 0b10],
        [HIV, 0b01],
      ],
      ['general'],
      ['create'],
    ],
  ])('is never more than what is left after the loss of %s', (_, held, labels, actions) => {
    expect(tellingOf({ terms, proposed: true }, grantWith(held), 10, 1)).toMatchObject({
      status: 'active',
      labels,
      actions,
    })
  })
})
