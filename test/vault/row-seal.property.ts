import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { open, type OpeningKeys, type SealedRecord } from '../../src/vault/open.js'
import { contentHashOf } from '../../src/vault/payload.js'
import { sealRows } from '../../src/vault/row-seal.js'
import { permitFor } from './support/permits.js'
import { author, capsuleKeys, openingKeys, subject } from './support/records.js'

const permit = permitFor(subject)
const [trail, other] = capsuleKeys as [(typeof capsuleKeys)[number], (typeof capsuleKeys)[number]]
const keys: OpeningKeys = {
  ...openingKeys,
  capsuleKey: () => expect.unreachable('a row is not opened as an envelope'),
  rowKey: (capsule) => openingKeys.capsuleKey(capsule),
}
const record = { id: 'AuditEvent/a1', version: 1 }

function rowOf(body: Uint8Array, change: Partial<SealedRecord> = {}): SealedRecord {
  const [row] = sealRows([{ ...record, body, subject }], author.id, trail)
  return { subject, record, cid: null, envelope: row?.body as Uint8Array, ...change }
}

describe('bodies in rows', () => {
  it('come back, each for itself, with salt and content hash', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 5000 }), { minLength: 1, maxLength: 5 }), (bodies) => {
        const items = bodies.map((body, i) => ({ id: `AuditEvent/a${i}`, version: 1, body, subject }))
        const rows = sealRows(items, author.id, trail)
        for (const [i, { body, salt, contentHash }] of rows.entries()) {
          const sealed = { subject, record: { id: `AuditEvent/a${i}`, version: 1 }, cid: null, envelope: body }
          const payload = open(permit, sealed, keys)
          expect(Buffer.from(payload.body).equals(bodies[i] as Uint8Array)).toBe(true)
          expect(payload.subject).toEqual({ patient: subject.patient, labels: subject.labels })
          expect(Buffer.from(payload.salt).equals(salt)).toBe(true)
          expect(Buffer.from(contentHashOf(salt, bodies[i] as Uint8Array)).equals(contentHash)).toBe(true)
        }
        expect(new Set(rows.map(({ body }) => Buffer.from(body).toString('hex'))).size).toBe(rows.length)
      }),
      { numRuns: 60 },
    )
  })

  it('are refused whatever bit of them was changed', () => {
    const row = rowOf(Buffer.from('{"resourceType":"AuditEvent"}'))
    fc.assert(
      fc.property(fc.nat(row.envelope.length * 8 - 1), (bit) => {
        const envelope = Uint8Array.from(row.envelope)
        envelope[bit >> 3]! ^= 1 << (bit & 7)
        expect(() => open(permit, { ...row, envelope }, keys)).toThrowError()
      }),
      { numRuns: 300 },
    )
  })

  const row = rowOf(Buffer.from('{}'))
  const patient = `0x${'ab'.repeat(32)}` as const
  const origin = `0x${'cd'.repeat(32)}` as const
  it.each<[string, Partial<SealedRecord>, RegExp]>([
    ['another record', { record: { id: 'AuditEvent/a2', version: 1 } }, /another record/],
    ['another version', { record: { id: 'AuditEvent/a1', version: 2 } }, /another record/],
    ['another patient', { subject: { ...subject, patient } }, /another patient/],
    ['other labels', { subject: { ...subject, labels: 2n } }, /more labels/],
    ['another author', { subject: { ...subject, origin } }, /authentication/],
    ['a block', { cid: 'bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy' }, /altered/],
    ['cut off', { envelope: row.envelope.subarray(0, 40) }, /envelope/],
  ])('are refused as %s', (_, change, message) => {
    const changed = { ...row, ...change }
    expect(() => open(permitFor(changed.subject), changed, keys)).toThrowError(message)
  })

  it('are refused where no rows are expected, and under the key of another capsule', () => {
    expect(() => open(permit, row, openingKeys)).toThrowError(/not an envelope/)
    expect(() => open(permit, row, { ...keys, rowKey: () => other.key })).toThrowError(/authentication/)
  })

  it('show neither what they say nor whose they are', () => {
    const { envelope } = rowOf(Buffer.from('{"resourceType":"AuditEvent","outcomeDesc":"Tuberculosis"}'))
    for (const clue of ['Tuberculosis', 'AuditEvent', Buffer.from(subject.patient!.slice(2), 'hex')]) {
      expect(Buffer.from(envelope).includes(clue)).toBe(false)
    }
  })
})
