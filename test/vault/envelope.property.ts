import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { blockOf, DAG_CBOR } from '../../src/vault/cid.js'
import { decodeEnvelope, encodeEnvelope, type UnsignedEnvelope } from '../../src/vault/envelope.js'

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

it('an envelope is what the general encoder of dag-cbor writes', () => {
  fc.assert(
    fc.property(anyEnvelope, (envelope) => {
      let signed: Uint8Array | undefined
      const block = encodeEnvelope(envelope, (message) => {
        signed = message
        return sig
      })
      const map = dagCbor.encode(envelope)
      expect(Buffer.from(block.bytes).equals(dagCbor.encode([envelope, sig]))).toBe(true)
      expect(Buffer.from(signed!).equals(Buffer.concat([Buffer.from('consentry envelope 1'), map]))).toBe(true)
      expect(block.cid).toBe(blockOf(block.bytes, DAG_CBOR).cid)
      const { signed: _, sig: decodedSig, ...decoded } = decodeEnvelope(block.bytes)
      expect(decoded).toEqual(envelope)
      expect(Buffer.from(decodedSig).equals(sig)).toBe(true)
    }),
    { numRuns: 200 },
  )
})
