import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { base32 } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import { expect, it } from 'vitest'
import { fromBase32, toBase32 } from '../../src/vault/base32.js'
import { blockOf, cidBytes, DAG_CBOR, parseCid, RAW, rawCid, readCid } from '../../src/vault/cid.js'

it('writes and reads base32 as multiformats does, and reads nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      const text = toBase32(bytes)
      expect(text).toBe(base32.baseEncode(bytes))
      expect(fromBase32(text)).toEqual(bytes)
    }),
  )
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z2-7=A-Z01é ]{0,20}$/), (text) => {
      const bytes = fromBase32(text)
      if (bytes !== null) expect(toBase32(bytes)).toBe(text)
    }),
    { numRuns: 1000 },
  )
})

it('names blocks as every IPFS implementation does', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom(RAW, DAG_CBOR), (bytes, codec) => {
      const { cid } = blockOf(bytes, codec)
      const parsed = CID.parse(cid)
      const digest = createHash('sha256').update(bytes).digest()
      expect([parsed.version, parsed.code, parsed.multihash.code]).toEqual([1, codec, 0x12])
      expect(Buffer.from(parsed.multihash.digest)).toEqual(digest)
      expect(cidBytes(cid)).toEqual(parsed.bytes)
      expect(parseCid(cid).equals(parsed)).toBe(true)
      expect(parseCid(cid).toString()).toBe(cid)
      expect(readCid(cid).codec).toBe(codec)
      if (codec === RAW) expect(rawCid(digest)).toBe(cid)
    }),
  )
})

it('takes no other form of a CID: two names for one block would be two blocks', async () => {
  const { cid } = blockOf(Buffer.from('x'), RAW)
  const others = [
    '',
    'b',
    'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG',
    cid.toUpperCase(),
    `${cid}a`,
    cid.slice(0, -1),
    ` ${cid}`,
    cid.replace(/.$/, '7'),
    CID.createV1(0x70, CID.parse(cid).multihash).toString(),
    CID.parse(cid).toString((await import('multiformats/bases/base58')).base58btc),
  ]
  for (const other of others) expect(() => cidBytes(other), other).toThrowError(/CID/)
})
