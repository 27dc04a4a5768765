import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { blockOf, DAG_CBOR } from '../../src/vault/cid.js'
import { capsulesOf, chunksOf, open, type SealedRecord } from '../../src/vault/open.js'
import { MAX_BLOCK } from '../../src/vault/envelope.js'
import { contentHashOf } from '../../src/vault/payload.js'
import { PublicKey } from '../../src/vault/pre/index.js'
import { seal, type Sealed } from '../../src/vault/seal.js'
import { permitFor } from './support/permits.js'
import { author, capsuleKeys, fetched, openingKeys, sealOne, subject } from './support/records.js'

const permit = permitFor(subject)

/** JSON of any shape, and bytes that are none. */
const anyBody = fc.oneof(
  fc.json({ maxDepth: 6 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 5000 }).map((bytes) => Buffer.from(bytes)),
)
const anyId = fc.stringMatching(/^[A-Za-z]{1,30}\/[A-Za-z0-9.-]{1,64}$/)
const anyKeys = fc.integer({ min: 1, max: 3 }).map((count) => capsuleKeys.slice(0, count))

/** A body that does not compress, so that it takes several blocks. */
const large = randomBytes(3 * MAX_BLOCK)

describe('seal and open', () => {
  it('gives back any body of any record under any labels', () => {
    fc.assert(
      fc.property(anyBody, anyId, fc.integer({ min: 1, max: 0xffffffff }), anyKeys, (body, id, version, keys) => {
        const sealed = sealOne(body, keys, id, version)
        const payload = open(permit, fetched(sealed, { id, version }), openingKeys)
        expect(Buffer.from(payload.body).equals(body)).toBe(true)
        expect([payload.id, payload.version]).toEqual([id, version])
        expect(payload.subject).toEqual({ patient: subject.patient, labels: subject.labels })
        expect(Buffer.from(payload.salt)).toEqual(Buffer.from(sealed.salt))
        expect(Buffer.from(contentHashOf(payload.salt, body))).toEqual(Buffer.from(sealed.contentHash))
        expect(capsulesOf(fetched(sealed).envelope).map((c) => Buffer.from(c))).toEqual(
          keys.map(({ capsule }) => Buffer.from(capsule)),
        )
      }),
      { numRuns: 60 },
    )
  })

  it('learns record and version by opening when nobody knows them yet', () => {
    const { record: _, ...unknown } = fetched(sealOne(Buffer.from('{}')))
    expect(open(permit, unknown, openingKeys)).toMatchObject({ id: 'Observation/o1', version: 1 })
  })

  it('takes large bodies in blocks of 262,144 bytes at most', () => {
    const sealed = sealOne(large)
    expect(sealed.blocks).toHaveLength(5)
    expect(Math.max(...sealed.blocks.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(MAX_BLOCK)
    expect(chunksOf(sealed.blocks[0]!.bytes)).toEqual(sealed.blocks.slice(1).map(({ cid }) => cid))
    expect(Buffer.from(open(permit, fetched(sealed), openingKeys).body).equals(large)).toBe(true)
  })

  it('never makes the same block twice', () => {
    expect(sealOne(Buffer.from('{}')).cid).not.toBe(sealOne(Buffer.from('{}')).cid)
  })

  it('shows neither content nor record nor patient in its blocks', () => {
    const body = Buffer.from(`{"resourceType":"Condition","id":"o1","code":{"text":"Tuberculosis"}}`)
    const bytes = sealOne(body).blocks[0]!.bytes
    for (const clue of [
      'Tuberculosis',
      'Condition',
      'Observation',
      'o1/',
      Buffer.from(subject.patient!.slice(2), 'hex'),
    ]) {
      expect(Buffer.from(bytes).includes(clue)).toBe(false)
    }
  })

  it('gives records of similar size blocks of equal size', () => {
    const sizes = [1, 10, 50, 90].map((n) => sealOne(randomBytes(n)).blocks[0]!.bytes.length)
    expect(new Set(sizes).size).toBe(1)
  })

  it('refuses a body above 64 MiB and a record without a label', () => {
    const huge = Buffer.alloc(64 * 1024 * 1024 + 1)
    expect(() => sealOne(huge)).toThrowError(/limit/)
    expect(() => sealOne(Buffer.from('{}'), [])).toThrowError(/capsule key/)
  })
})

/** Records of one body, signed together. */
function sealAll(count: number): Sealed[] {
  const body = Buffer.from('{"resourceType":"Observation"}')
  const item = { id: 'Observation/o1', version: 1, body, keys: capsuleKeys.slice(0, 1), subject }
  return seal(
    Array.from({ length: count }, () => item),
    author,
  )
}

describe('records that were signed together', () => {
  it.each([2, 3, 15, 16, 17, 18, 33])('open each by itself: %i', (count) => {
    for (const sealed of sealAll(count)) {
      expect(Buffer.from(open(permit, fetched(sealed), openingKeys).body).toString()).toContain('Observation')
    }
  })

  it('are refused of another author, and verified once for all of them', () => {
    const imposter = { ...author, id: randomBytes(32) }
    const item = { id: 'Observation/o1', version: 1, body: Buffer.from('{}'), keys: [capsuleKeys[0]!] }
    for (const forged of seal([item, item], imposter)) {
      expect(() => open(permit, fetched(forged), openingKeys)).toThrowError(/not signed/)
    }
    const verify = vi.spyOn(PublicKey.prototype, 'verify')
    for (const sealed of sealAll(16)) open(permit, fetched(sealed), openingKeys)
    expect(verify).toHaveBeenCalledOnce()
    expect((verify.mock.contexts[0] as PublicKey).toBytes()).toEqual(author.key.publicKey.toBytes())
    verify.mockRestore()
  })
})

describe('what was changed', () => {
  const several = sealOne(large.subarray(0, 2 * MAX_BLOCK), capsuleKeys)
  const single = sealOne(Buffer.from('{"resourceType":"Observation"}'), capsuleKeys.slice(0, 2))
  const [, ofThree] = sealAll(3) as [Sealed, Sealed, Sealed]

  it('is found whatever bit of whatever block it is, under the right CID and under its own', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(single, several, ofThree),
        fc.nat(),
        fc.nat(),
        fc.boolean(),
        (sealed, which, at, recompute) => {
          const record = fetched(sealed)
          const blocks = [record.envelope, ...(record.chunks ?? [])].map((bytes) => Uint8Array.from(bytes))
          const block = blocks[which % blocks.length]!
          const bit = at % (block.length * 8)
          block[bit >> 3]! ^= 1 << (bit & 7)
          const [envelope, ...chunks] = blocks as [Uint8Array, ...Uint8Array[]]
          const cid = recompute ? blockOf(envelope, DAG_CBOR).cid : sealed.cid
          expect(() => open(permit, { ...record, cid, envelope, chunks }, openingKeys)).toThrowError()
          // A body that lies in its row has no CID.
          expect(() => open(permit, { ...record, cid: null, envelope, chunks }, openingKeys)).toThrowError()
        },
      ),
      { numRuns: 400 },
    )
  })

  const other = sealOne(Buffer.from('{"resourceType":"Observation"}'), capsuleKeys.slice(0, 2), 'Observation/o2')
  const inBlocks = fetched(several)
  const [first, second, third] = inBlocks.chunks as [Uint8Array, Uint8Array, Uint8Array]
  const cases: [string, SealedRecord, RegExp][] = [
    ['another record', { ...fetched(single), record: { id: 'Observation/o2', version: 1 } }, /another record/],
    ['another version', { ...fetched(single), record: { id: 'Observation/o1', version: 2 } }, /another record/],
    [
      'the envelope of another record',
      { ...fetched(other), record: { id: 'Observation/o1', version: 1 } },
      /another record/,
    ],
    ['the block of another CID', { ...fetched(single), cid: other.cid }, /altered/],
    ['something that is no envelope', { ...fetched(single), cid: null, envelope: first }, /not an envelope/],
    ['chunks in another order', { ...inBlocks, chunks: [second, first, third] }, /altered/],
    ['a missing chunk', { ...inBlocks, chunks: [first, second] }, /missing/],
    ['a repeated chunk', { ...inBlocks, chunks: [first, second, third, third] }, /missing/],
    ['too few capsules known', fetched(sealOne(Buffer.from('{}'), capsuleKeys)), /not at hand/],
  ]
  it.each(cases)('is refused: %s', (name, record, message) => {
    const keys =
      name === 'too few capsules known'
        ? {
            ...openingKeys,
            capsuleKey: (capsule: Uint8Array) => {
              if (Buffer.compare(capsule, capsuleKeys[2]!.capsule) === 0) throw new Error('not at hand')
              return openingKeys.capsuleKey(capsule)
            },
          }
        : openingKeys
    expect(() => open(permit, record, keys)).toThrowError(message)
  })

  it('is refused: a wrong capsule key', () => {
    const keys = { ...openingKeys, capsuleKey: () => new Uint8Array(32) }
    expect(() => open(permit, fetched(single), keys)).toThrowError(/authentication/)
  })

  it('is refused: another author, an author without keys, an author with other keys', () => {
    const imposter = { ...author, id: randomBytes(32) }
    const forged = seal(
      [{ id: 'Observation/o1', version: 1, body: Buffer.from('{}'), keys: [capsuleKeys[0]!] }],
      imposter,
    )
    expect(() => open(permit, fetched(forged[0]!), openingKeys)).toThrowError(/not signed/)
    const others = { ...openingKeys, authorKeys: () => [permitlessKey] }
    expect(() => open(permit, fetched(sealOne(Buffer.from('{}'))), others)).toThrowError(/not signed/)
  })
  const permitlessKey = Buffer.from('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798', 'hex')

  it('is refused again when it was opened before: nothing is remembered but signatures', () => {
    const record = fetched(single)
    open(permit, record, openingKeys)
    const envelope = Uint8Array.from(record.envelope)
    envelope[envelope.length - 1]! ^= 1
    expect(() => open(permit, { ...record, cid: null, envelope }, openingKeys)).toThrowError(/not signed/)
  })
})

describe('a row that was changed in the database', () => {
  const sealed = fetched(sealOne(Buffer.from('{}')))
  const elsewhere = { ...subject, patient: `0x${'ab'.repeat(32)}` as const }

  it('does not open as the record of another patient', () => {
    expect(() => open(permitFor(elsewhere), { ...sealed, subject: elsewhere }, openingKeys)).toThrowError(
      /another patient/,
    )
    const nobody = { ...subject, patient: null }
    expect(() => open(permitFor(nobody), { ...sealed, subject: nobody }, openingKeys)).toThrowError(/another patient/)
  })

  it('does not open without one of its labels, but with more of them', () => {
    const [labelled] = seal(
      [
        {
          id: 'Observation/o1',
          version: 1,
          body: Buffer.from('{}'),
          keys: [capsuleKeys[0]!],
          subject: { ...subject, labels: 5n },
        },
      ],
      author,
    )
    const as = (labels: bigint) => {
      const claimed = { ...subject, labels }
      return open(permitFor(claimed), { ...fetched(labelled!), subject: claimed }, openingKeys)
    }
    expect(as(5n).subject?.labels).toBe(5n)
    expect(as(7n).subject?.labels).toBe(5n)
    expect(() => as(1n)).toThrowError(/under more labels/)
    expect(() => as(4n)).toThrowError(/under more labels/)
  })
})
