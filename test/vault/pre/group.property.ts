import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Claim, compress, G, type Group, type Point, type Scalar } from '../../../src/vault/pre/group.js'
import { U } from '../../../src/vault/pre/parameters.js'
import { randomScalar } from '../../../src/vault/pre/scalar.js'
import { add, BASE, compress as affine, decompress, integer, mod, multiply, N, octets } from '../../reference/curve.js'
import { groups } from './implementations.js'

const hex = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('hex'))
const scalar = (n: bigint): Scalar => octets(n, 32) as Scalar
/** Small, large and ordinary ones. */
const anyScalar = fc.oneof(
  fc.bigInt({ min: 1n, max: 4n }),
  fc.bigInt({ min: N - 4n, max: N - 1n }),
  fc.bigInt({ min: 1n, max: N - 1n }),
)
const twinPoint = (p: Point) => decompress(compress(p))

describe.each(groups.map((group) => [group.name, group] as const))('the group over %s', (_, group: Group) => {
  it('computes what the twin computes', () => {
    fc.assert(
      fc.property(anyScalar, anyScalar, (m, n) => {
        // Buffers, because their slices share memory and the native library works in place.
        const [a, b] = [Buffer.from(scalar(m)), Buffer.from(scalar(n))] as unknown as [Scalar, Scalar]
        const p = group.multiplyBase(a)
        expect(hex(compress(p))).toBe(hex(affine(multiply(m, BASE))))
        expect(hex(group.multiply(p, b))).toBe(hex(group.multiplyPublic(p, b)))
        expect(hex(compress(group.multiply(p, b)))).toBe(hex(affine(multiply(mod(m * n, N), BASE))))
        expect(hex(compress(group.multiplyU(a)))).toBe(hex(affine(multiply(m, twinPoint(U)))))
        expect(hex(group.decompress(compress(p)))).toBe(hex(p))
        expect(integer(group.times(a, b))).toBe(mod(m * n, N))
        expect(integer(group.negate(a))).toBe(N - m)
        const q = group.multiplyBase(b)
        if (mod(m + n, N) === 0n) {
          expect(group.sum([p, q])).toBeNull()
          expect(() => group.add(a, b)).toThrow()
        } else {
          expect(hex(compress(group.sum([p, q])!))).toBe(hex(affine(add(twinPoint(p), twinPoint(q)))))
          expect(integer(group.add(a, b))).toBe(mod(m + n, N))
        }
        expect([integer(a), integer(b)]).toEqual([m, n])
      }),
      { numRuns: 25 },
    )
  })

  it.each([
    ['no bytes', new Uint8Array(0)],
    ['x outside the field', Uint8Array.of(2, ...new Uint8Array(32).fill(255))],
    ['x off the curve', Uint8Array.of(2, ...octets(5n, 32))],
    ['the identity', new Uint8Array(33)],
    ['an uncompressed point', G],
    ['a hybrid prefix', Uint8Array.of(6, ...G.subarray(1, 33))],
  ])('refuses %s as a point', (_, bytes) => {
    expect(() => group.decompress(bytes)).toThrow('compressed point')
  })

  /** A true claim about three bases, as a re-encryption makes it. */
  function claim(): Claim {
    const [k, t, h] = [randomScalar(), randomScalar(), randomScalar()]
    const z = group.add(group.times(k, h), t)
    const bases = [group.multiplyBase(randomScalar()), G, U].map((base) => ({
      base,
      commitment: group.multiply(base, t),
      image: group.multiply(base, k),
    }))
    return { z, h, bases }
  }

  it('accepts true claims, alone and together, and refuses each false part of any', () => {
    const claims = [claim(), claim(), claim()]
    expect(group.claimsHold([])).toBe(true)
    expect(group.claimsHold(claims.slice(1))).toBe(true)
    expect(group.claimsHold(claims)).toBe(true)
    const stray = group.multiplyBase(randomScalar())
    const change = (which: number, changed: Claim) => claims.map((claim, i) => (i === which ? changed : claim))
    claims.forEach((claim, which) => {
      expect(group.claimsHold(change(which, { ...claim, z: randomScalar() }))).toBe(false)
      expect(group.claimsHold(change(which, { ...claim, h: randomScalar() }))).toBe(false)
      for (const i of [0, 1, 2]) {
        for (const part of ['base', 'commitment', 'image'] as const) {
          const bases = claim.bases.map((base, j) => (i === j ? { ...base, [part]: stray } : base))
          expect(group.claimsHold(change(which, { ...claim, bases }))).toBe(false)
        }
      }
    })
  })

  it('is not deceived by errors that cancel out across relations or claims', () => {
    const [one, other] = [claim(), claim()]
    const stray = group.multiplyBase(randomScalar())
    const minus = group.multiply(stray, group.negate(scalar(1n)))
    const shift = (claim: Claim, i: number, by: Point): Claim => ({
      ...claim,
      bases: claim.bases.map((base, j) =>
        i === j ? { ...base, commitment: group.sum([base.commitment, by])! } : base,
      ),
    })
    expect(group.claimsHold([shift(shift(one, 0, stray), 1, minus)])).toBe(false)
    expect(group.claimsHold([shift(one, 0, stray), shift(other, 0, minus)])).toBe(false)
  })

  it('answers false where the right side is the identity', () => {
    const [h, image] = [randomScalar(), group.multiplyBase(randomScalar())]
    const commitment = group.multiply(image, group.negate(h))
    expect(group.claimsHold([{ z: randomScalar(), h, bases: [{ base: G, commitment, image }] }])).toBe(false)
  })

  it('verifies signatures of either s, and no other', () => {
    fc.assert(
      fc.property(anyScalar, fc.uint8Array({ minLength: 32, maxLength: 32 }), (n, digest) => {
        const key = group.multiplyBase(scalar(n))
        const signature = group.sign(digest, scalar(n))
        const s = integer(signature.subarray(32))
        expect(s <= N / 2n).toBe(true)
        const high = Uint8Array.of(...signature.subarray(0, 32), ...octets(N - s, 32))
        expect(group.verify(signature, digest, key)).toBe(true)
        expect(group.verify(high, digest, key)).toBe(true)
        const other = Uint8Array.from(digest, (byte, i) => (i === 31 ? byte ^ 1 : byte))
        expect(group.verify(signature, other, key)).toBe(false)
        for (const bad of [signature.subarray(0, 63), new Uint8Array(64), new Uint8Array(64).fill(255)]) {
          expect(group.verify(bad, digest, key)).toBe(false)
        }
      }),
      { numRuns: 10 },
    )
  })
})
