import { createHash, randomBytes } from 'node:crypto'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { compress, decompress } from '../../src/vault/compression.js'
import { DICTIONARY_1 } from '../../src/vault/dictionary/dictionary-1.js'
import { keptContext } from '../../src/vault/zstd-context.js'
import { hasSharedData, syntheaResources } from '../support/shared-data.js'
import { observation } from './support/records.js'

const text = Buffer.from('{"resourceType":"Patient","id":"p1","active":true,"note":"kept as it is: 1.50"}')

describe('compression', () => {
  it('stays readable: what dictionary 1 packed when it was released', () => {
    const digest = createHash('sha256').update(DICTIONARY_1).digest('hex')
    expect(digest, 'dictionary 1 is released and never changes; make dictionary 2').toBe(RELEASED)
    expect(Buffer.from(decompress(Buffer.from(PACKED, 'base64'), 1, 1000))).toEqual(text)
  })

  it.each([0, 1])('gives back what it packed with dictionary %i', (dictionary) => {
    expect(Buffer.from(decompress(compress(observation(), dictionary), dictionary, 10_000))).toEqual(observation())
  })

  it('gives in one context, call after call, what a context of its own gives each, and shares no buffer', () => {
    const options = { dictionary: DICTIONARY_1, params: { [constants.ZSTD_c_compressionLevel]: 3 } }
    const pack = keptContext(options)
    const random = randomBytes(300_000)
    const bodies = [text, observation(), Buffer.alloc(0), random, Buffer.alloc(500_000, 'abc'), text, observation()]
    const packed = bodies.map((body) => pack(body))
    for (const [i, body] of bodies.entries()) {
      expect(Buffer.from(packed[i]!).equals(zstdCompressSync(body, options))).toBe(true)
      expect(zstdDecompressSync(packed[i]!, { dictionary: DICTIONARY_1 }).equals(body)).toBe(true)
    }
  })

  it('refuses a dictionary that it does not know, another dictionary, and what is not Zstandard', () => {
    expect(() => decompress(compress(text), 2, 1000)).toThrowError(/dictionary 2/)
    expect(() => decompress(compress(text), 0, 1000)).toThrowError(/do not decompress/)
    expect(() => decompress(text, 1, 1000)).toThrowError(/do not decompress/)
  })

  it('does not let a small envelope fill the memory', () => {
    const bomb = zstdCompressSync(Buffer.alloc(10_000_000))
    expect(bomb.length).toBeLessThan(1000)
    expect(() => decompress(bomb, 0, 1_000_000)).toThrowError(/do not decompress/)
  })

  it.skipIf(!hasSharedData)('halves what Zstandard alone leaves of Synthea resources', () => {
    const resources = syntheaResources('2019-smart', 20).map((resource) => Buffer.from(JSON.stringify(resource)))
    const total = (pack: (body: Buffer) => Uint8Array) => resources.reduce((sum, body) => sum + pack(body).length, 0)
    const ratio = total((body) => compress(body)) / total((body) => compress(body, 0))
    expect(ratio).toBeLessThan(0.6)
  })
})

const RELEASED = 'c57bb4cadf6c5f92113dc51968e4499a319b5eed920c6e74704f7a397bda42d2'
const PACKED = 'KLUv/SIBgE9dAQCgcDoia2VwdGl0IGlzOiAxLjUwIn0H/JhrTJsPkvtJ1EEtoITBCXJfqNAC'
