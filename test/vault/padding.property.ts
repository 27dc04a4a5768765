import fc from 'fast-check'
import { expect, it } from 'vitest'
import { pad, padmeLength, SMALLEST, unpad } from '../../src/vault/padding.js'

/** The algorithm as the paper prints it (section 4.2, listing), with arbitrary precision. */
function padmeOfThePaper(length: bigint): bigint {
  const bits = (n: bigint) => BigInt(n.toString(2).length - 1)
  const exponent = bits(length)
  const size = bits(exponent) + 1n
  const last = exponent - size
  if (last <= 0n) return length
  const mask = (1n << last) - 1n
  return (length + mask) & ~mask
}

it('is Padmé as the paper prints it', () => {
  const lengths = fc.oneof(fc.integer({ min: 2, max: 5000 }), fc.integer({ min: 2, max: 2 ** 31 - 1 }))
  fc.assert(fc.property(lengths, (n) => BigInt(padmeLength(n)) === padmeOfThePaper(BigInt(n))))
  for (const power of [8, 9, 16, 29, 30]) {
    for (const n of [2 ** power - 1, 2 ** power, 2 ** power + 1]) {
      expect(BigInt(padmeLength(n))).toBe(padmeOfThePaper(BigInt(n)))
    }
  }
})

it('costs at most 12 percent and is kept by padding again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 2 ** 30 }), (n) => {
      const padded = padmeLength(n)
      expect(padded).toBeGreaterThanOrEqual(n)
      expect(padded / n).toBeLessThanOrEqual(1.12)
      expect(padmeLength(padded)).toBe(padded)
    }),
  )
})

it('gives back what was padded, and nothing below 256 bytes tells its length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
      const padded = pad(bytes)
      expect(Buffer.from(unpad(padded)).equals(bytes)).toBe(true)
      expect(padded.length).toBe(Math.max(SMALLEST, padmeLength(bytes.length + 4)))
    }),
  )
})

it('refuses a length that is not there', () => {
  expect(() => unpad(new Uint8Array(3))).toThrowError(/length/)
  expect(() => unpad(Buffer.from('000000ff0000', 'hex'))).toThrowError(/length/)
})
