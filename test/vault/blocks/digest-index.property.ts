import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { DigestIndex, type Place } from '../../../src/vault/blocks/digest-index.js'
import { DAG_CBOR, RAW } from '../../../src/vault/cid.js'

/** Few digests, so that they meet; half of them collide in the first four bytes, on one shard. */
const digests = Array.from({ length: 300 }, (_, i) => {
  const digest = createHash('sha256').update(String(i)).digest()
  if (i % 2 === 0) digest.fill(i % 8, 0, 4).fill(0, 31)
  return new Uint8Array(digest)
})
const anyPlace = fc.record<Place>({
  segment: fc.nat(0xffff_fffe),
  offset: fc.nat(0xffff_ffff),
  stateAt: fc.nat(0xffff_ffff),
  length: fc.nat(0x7fff_ffff),
  codec: fc.constantFrom(RAW, DAG_CBOR),
})
const steps = fc.array(fc.tuple(fc.nat(digests.length - 1), fc.option(anyPlace)), { maxLength: 1500, size: 'max' })

it('is a map, whatever is set and deleted in whatever order', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const index = new DigestIndex()
      const model = new Map<number, Place>()
      for (const [i, place] of all) {
        if (place === null) index.delete(digests[i]!)
        else index.set(digests[i]!, place)
        if (place === null) model.delete(i)
        else model.set(i, place)
      }
      expect(index.size).toBe(model.size)
      for (const [i, digest] of digests.entries()) expect(index.get(digest)).toEqual(model.get(i))
      const entries = new Map(
        Array.from(index.entries(), ([digest, place]) => [Buffer.from(digest).toString('hex'), place]),
      )
      const expected = new Map(Array.from(model, ([i, place]) => [Buffer.from(digests[i]!).toString('hex'), place]))
      expect(entries).toEqual(expected)
    }),
    { numRuns: 40 },
  )
})

it('grows to many blocks', () => {
  const index = new DigestIndex()
  const many = Array.from({ length: 50_000 }, () => new Uint8Array(randomBytes(32)))
  for (const [i, digest] of many.entries())
    index.set(digest, { segment: 0, offset: i, stateAt: i, length: 1, codec: RAW })
  expect(index.size).toBe(many.length)
  expect(many.every((digest, i) => index.get(digest)?.offset === i)).toBe(true)
})
