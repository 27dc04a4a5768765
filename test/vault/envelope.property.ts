import * as dagCbor from '@ipld/dag-cbor'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Block, blockOf, DAG_CBOR } from '../../src/vault/cid.js'
import { MTH as referenceRoot, PATH as referencePath } from '../reference/rfc9162.js'
import { decodeEnvelope, encodeEnvelopes, type UnsignedEnvelope } from '../../src/vault/envelope.js'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const anyEnvelope: fc.Arbitrary<UnsignedEnvelope> = fc.record({
  v: fc.constant(1 as const),
  author: bytes(32),
  tag: bytes(32),
  capsules: fc.array(bytes(105), { minLength: 1, maxLength: 64 }),
  dek: bytes(48),
  nonce: bytes(24),
  dict: fc.nat(300),
  body: fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(23, 24, 255, 256, 65_535, 65_536).chain(bytes)),
})
const sig = new Uint8Array(64).fill(7)
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')
const u32 = (n: number): Buffer => Buffer.from(n.toString(16).padStart(8, '0'), 'hex')
const leafHash = (map: Uint8Array): Buffer => createHash('sha256').update(Uint8Array.of(0)).update(map).digest()

/** The blocks, and what was signed for them. */
function encoded(envelopes: readonly UnsignedEnvelope[]) {
  const messages: Uint8Array[] = []
  const blocks = encodeEnvelopes(envelopes, (message) => {
    messages.push(message)
    return sig
  })
  return { blocks, messages }
}

it('an envelope alone is what the general encoder of dag-cbor writes', () => {
  fc.assert(
    fc.property(anyEnvelope, (envelope) => {
      const { blocks, messages } = encoded([envelope])
      const [block] = blocks as [(typeof blocks)[0]]
      const map = dagCbor.encode(envelope)
      expect(Buffer.from(block.bytes).equals(dagCbor.encode([envelope, sig]))).toBe(true)
      expect(messages.map(hex)).toEqual([hex(Buffer.concat([Buffer.from('consentry envelope 1'), map]))])
      expect(block.cid).toBe(blockOf(block.bytes, DAG_CBOR).cid)
      const { signed, sig: decodedSig, together, ...decoded } = decodeEnvelope(block.bytes)
      expect(decoded).toEqual(envelope)
      expect([hex(signed), hex(decodedSig), together]).toEqual([hex(messages[0] as Uint8Array), hex(sig), false])
    }),
    { numRuns: 200 },
  )
})

it('envelopes that are signed together are dag-cbor, and lead to the root that was signed, sixteen at a time', () => {
  fc.assert(
    fc.property(fc.array(anyEnvelope, { minLength: 2, maxLength: 40 }), (envelopes) => {
      const { blocks, messages } = encoded(envelopes)
      expect(messages).toHaveLength(Math.ceil(envelopes.length / 16))
      envelopes.forEach((envelope, i) => {
        const [first, place] = [i - (i % 16), i % 16]
        const leaves = envelopes.slice(first, first + 16).map((each) => leafHash(dagCbor.encode(each)))
        const size = leaves.length
        const bytes = (blocks[i] as Block).bytes
        expect((blocks[i] as Block).cid).toBe(blockOf(bytes, DAG_CBOR).cid)
        const { signed, sig: decodedSig, together, ...decoded } = decodeEnvelope(bytes)
        expect(decoded).toEqual(envelope)
        expect([hex(decodedSig), together]).toEqual([hex(sig), size > 1])
        if (size === 1) return
        const message = Buffer.concat([Buffer.from('consentry envelopes 1'), u32(size), referenceRoot(leaves)])
        expect([hex(signed), hex(messages[i >> 4] as Uint8Array)]).toEqual([hex(message), hex(message)])
        const path = Buffer.concat(referencePath(place, leaves))
        expect(
          Buffer.from(bytes).equals(dagCbor.encode([envelope, path, Buffer.concat([sig, u32(place), u32(size)])])),
        ).toBe(true)
      })
    }),
    { numRuns: 40 },
  )
})

it('no other map, place, size or path leads to what was signed', () => {
  fc.assert(
    fc.property(fc.array(anyEnvelope, { minLength: 2, maxLength: 16 }), fc.nat(), fc.nat(), (envelopes, which, at) => {
      const { blocks, messages } = encoded(envelopes)
      const bytes = Uint8Array.from((blocks[which % blocks.length] as Block).bytes)
      const bit = at % (bytes.length * 8)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      let read: { signed: Uint8Array; sig: Uint8Array } | undefined
      try {
        read = decodeEnvelope(bytes)
      } catch {
        return
      }
      expect([hex(read.signed), hex(read.sig)]).not.toEqual([hex(messages[0] as Uint8Array), hex(sig)])
    }),
    { numRuns: 120 },
  )
})

it.each([0, 1, 17, 2 ** 32 - 1])('more or fewer than are signed together (%i) are refused', (size) => {
  const [envelope] = fc.sample(anyEnvelope, 1) as [UnsignedEnvelope]
  const tail = Buffer.concat([sig, u32(0), u32(size)])
  const block = dagCbor.encode([envelope, new Uint8Array(32), tail])
  expect(() => decodeEnvelope(block)).toThrowError(/not an envelope/)
})
