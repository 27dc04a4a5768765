import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { receiptsOf, type SentRequest, VerifiedReceipt } from '../../src/exchange/receipts.js'
import {
  digestOf,
  type Receipt,
  receiptHash,
  receiptText,
  type ReencryptionRequest,
  type ReencryptionResponse,
} from '../../src/proxy/protocol.js'
import { SecretKey } from '../../src/vault/pre/index.js'
import { randomId } from '../ledger/support/consortium.js'

const key = SecretKey.random()
const NOW = 1_800_000_000
const [proxy, grantee, patient, label, other] = [randomId(), randomId(), randomId(), randomId(), randomId()]
const capsule = () => randomBytes(105).toString('base64')
const capsules = [capsule(), capsule(), capsule()] as const
const request: ReencryptionRequest = {
  proxy,
  grantee,
  purpose: 1,
  categories: '1',
  nonce: 'nonce-nonce-nonce',
  at: NOW,
  event: 'told',
  items: [
    { patient, label, epoch: 0, capsules: [capsules[0], capsules[1]] },
    { patient, label: other, epoch: 0, capsules: [capsules[2]] },
  ],
}
const sent: SentRequest = { request, text: JSON.stringify(request) }
const results: ReencryptionResponse['results'] = [{ capsuleFrags: ['a', 'b'] }, { denied: 'no consent' }]
const named = (...of: string[]) => of.map((text) => digestOf(Buffer.from(text, 'base64')))

function signed(receipt: Omit<Receipt, 'signature'>, by = key): Receipt {
  return { ...receipt, signature: Buffer.from(by.sign(Buffer.from(receiptText(receipt)))).toString('base64') }
}
const common = { proxy, patient, grantee, request: digestOf(sent.text), event: 'told', at: NOW }
/** As an honest proxy answers, with parts of either receipt changed and signed anew. */
function answer(one: Partial<Receipt> = {}, two: Partial<Receipt> = {}, by = key): Receipt[] {
  const capsulesOf = { done: named(capsules[0], capsules[1]), denied: named(capsules[2]) }
  const previous = digestOf('before')
  const done = { sequence: 7, kind: 'reencrypted' as const, label, capsules: capsulesOf.done, previous }
  const first = signed({ ...common, ...done, ...one }, by)
  const denied = { sequence: 8, kind: 'denied' as const, label: other, capsules: capsulesOf.denied }
  return [first, signed({ ...common, ...denied, previous: receiptHash(first), ...two }, by)]
}
const check = (receipts: readonly unknown[]) =>
  receiptsOf(sent, { results, receipts: receipts as readonly Receipt[] }, key.publicKey.toBytes())
const honest = answer()
const [first, second] = honest as [Receipt, Receipt]

describe('the receipts of an answer', () => {
  it('are taken from an honest proxy', () => {
    expect(check(honest).map(({ receipt, hash }) => [receipt, hash])).toEqual(honest.map((r) => [r, receiptHash(r)]))
  })

  it.each<[string, unknown]>([
    ['left out', []],
    ['left out for what was denied', [first]],
    ['left out for what was re-encrypted', [second]],
    ['no list', undefined],
    ['given twice', [first, first]],
    ['more than was asked', [first, second, second]],
    ['in another order', [second, first]],
    ['of another key', answer({}, {}, SecretKey.random())],
    ['of another proxy', answer({ proxy: other }, { proxy: other })],
    ['of another grantee', answer({ grantee: other }, { grantee: other })],
    ['of another patient', answer({ patient: other }, { patient: other })],
    ['of another label', answer({ label: randomId() })],
    ['of an earlier request', answer({ request: digestOf('earlier') }, { request: digestOf('earlier') })],
    ['of an event that we did not name', answer({ event: 'other' }, { event: 'other' })],
    ['of another time', answer({ at: NOW - 1_000 }, { at: NOW - 1_000 })],
    ['without one of the capsules', answer({ capsules: named(capsules[0]) })],
    ['with a capsule more', answer({ capsules: named(...capsules) })],
    ['with another capsule', answer({ capsules: named(capsules[0], capsule()) })],
    ['with a capsule twice', answer({ capsules: named(capsules[0], capsules[1], capsules[1]) })],
    ['denials for what was re-encrypted', answer({ kind: 'denied' })],
    ['re-encryptions for what was denied', answer({}, { kind: 'reencrypted' })],
    ['not one after the other', answer({}, { sequence: 9 })],
    ['not chained', answer({}, { previous: digestOf('elsewhere') })],
    ['changed after they were signed', [{ ...first, at: NOW + 1 }, second]],
    ['with a member more', [{ ...first, more: 1 }, second]],
    ['nothing', [null, null]],
    ['without capsules', [{ ...first, capsules: 2 }, second]],
    ['with a sequence that is none', answer({ sequence: -1 }, { sequence: 0 })],
  ])('are refused when they are %s', (_, receipts) => {
    expect(() => check(receipts as readonly unknown[])).toThrow(expect.objectContaining({ kind: 'integrity' }))
  })

  it('are of the ledger’s key, or nothing', () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(33), SecretKey.random().publicKey.toBytes()]) {
      expect(() => VerifiedReceipt.verify(first, proxy, bytes)).toThrow(/not signed/)
    }
  })
})
