import { hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Scalar } from '../../../src/vault/pre/group.js'
import { inverses, isScalar, randomScalar, scalarOfDigest } from '../../../src/vault/pre/scalar.js'
import { lagrangeAtZero } from '../../../src/vault/pre/lagrange.js'
import { hashToScalar, keyOfPoint } from '../../../src/vault/pre/hashing.js'
import { U } from '../../../src/vault/pre/parameters.js'
import { compress } from '../../../src/vault/pre/group.js'
import { decompress, integer, inverse, mod, N, octets } from '../../reference/curve.js'
import { H } from '../../reference/umbral.js'
import { groups } from './implementations.js'

const residue = fc.oneof(fc.bigInt({ min: 1n, max: N - 1n }), fc.constantFrom(1n, 2n, N - 1n))
const scalar = (n: bigint) => octets(n, 32) as Scalar

describe('scalars', () => {
  it('are the integers from 1 to n − 1', () => {
    const largest = 2n ** 256n - 1n
    expect([0n, N, N + 1n, largest].map((n) => isScalar(octets(n, 32)))).toEqual([false, false, false, false])
    expect([1n, N - 1n, 2n ** 255n].map((n) => isScalar(octets(n, 32)))).toEqual([true, true, true])
    expect(isScalar(octets(1n, 31)) || isScalar(octets(1n, 33))).toBe(false)
    expect(isScalar(randomScalar())).toBe(true)
  })

  it('come of digests by reduction mod (n − 1) and one more, at the edges as well', () => {
    const edges = [0n, 1n, 255n, 256n, 2n ** 248n - 1n, N - 3n, N - 2n, N - 1n, N, N + 1n, 2n ** 256n - 1n]
    const anything = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...edges), anything), (n) => {
        expect(integer(scalarOfDigest(octets(n, 32)))).toBe(mod(n, N - 1n) + 1n)
      }),
      { examples: edges.map((n) => [n]), numRuns: 200 },
    )
  })

  it('are hashed as the twin does', () => {
    const [u, tail] = [decompress(compress(U)), octets(7n, 32)]
    expect(integer(hashToScalar('POLYNOMIAL_ARG', [U, U], tail))).toBe(H('POLYNOMIAL_ARG', u, u, tail))
    expect(integer(hashToScalar('SHARED_SECRET', [U]))).toBe(H('SHARED_SECRET', u))
    expect(hashToScalar('CAPSULE_POINTS', [U])).not.toEqual(hashToScalar('CFRAG_VERIFICATION', [U]))
  })

  it('become keys by HKDF-SHA-256', () => {
    fc.assert(
      fc.property(residue, (n) => {
        const point = groups[0]!.multiplyBase(scalar(n))
        const expected = hkdfSync('sha256', compress(point), '', '', 32)
        expect(Buffer.compare(keyOfPoint(point), new Uint8Array(expected))).toBe(0)
      }),
      { numRuns: 20 },
    )
  })

  it.each(groups.map((group) => [group.name, group] as const))('have inverses over %s', (_, group) => {
    fc.assert(
      fc.property(fc.array(residue, { minLength: 1, maxLength: 5 }), (ns) => {
        expect(inverses(group, ns.map(scalar)).map(integer)).toEqual(ns.map((n) => inverse(n, N)))
      }),
      { numRuns: 50 },
    )
  })

  it.each(groups.map((group) => [group.name, group] as const))('interpolate at 0 over %s', (_, group) => {
    const points = fc.uniqueArray(residue, { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(points, fc.array(residue, { minLength: 5, maxLength: 5 }), residue, (xs, coefficients, also) => {
        const f = (x: bigint) => coefficients.slice(0, xs.length).reduceRight((sum, k) => mod(sum * x + k, N), 0n)
        const { lambdas, inverse: inverted } = lagrangeAtZero(group, xs.map(scalar), scalar(also))
        const at0 = lambdas.reduce((sum, lambda, i) => mod(sum + integer(lambda) * f(xs[i]!), N), 0n)
        expect(at0).toBe(f(0n))
        expect(integer(inverted)).toBe(inverse(also, N))
      }),
      { numRuns: 50 },
    )
  })
})
