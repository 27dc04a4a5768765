import { mulAddUnsafe } from '@noble/curves/abstract/curve.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { randomBytes } from 'node:crypto'
import { ConsentryError } from '../../errors.js'
import { unreachable, type Claim, type Group, type Point, type Scalar } from './group.js'
import { U } from './parameters.js'

const Curve = secp256k1.Point
type CurvePoint = typeof Curve.BASE
const { Fn } = Curve

const curvePoint = (p: Point): CurvePoint => Curve.fromBytes(p)
const bytes = (p: CurvePoint): Point => p.toBytes(false) as Uint8Array as Point
const integer = (k: Uint8Array): bigint => BigInt('0x' + Buffer.from(k.buffer, k.byteOffset, k.length).toString('hex'))
const scalar = (n: bigint): Scalar => {
  if (n === 0n) throw unreachable('A scalar is zero.')
  return Fn.toBytes(n) as Scalar
}

const curveU = curvePoint(U).precompute(8)

/**
 * The group over @noble/curves: pure JavaScript, for platforms without a binary of libsecp256k1.
 * `multiply` runs the same sequence of point operations for every scalar, but JavaScript's big integers
 * themselves are not constant time.
 */
export const nobleGroup: Group = {
  name: 'noble',
  decompress: (compressed) => {
    try {
      if (compressed.length !== 33) throw new Error(`${compressed.length} bytes`)
      return bytes(Curve.fromBytes(compressed))
    } catch (cause) {
      throw new ConsentryError('malformed', 'Expected a compressed point of secp256k1, 33 bytes.', { cause })
    }
  },
  multiplyBase: (k) => bytes(Curve.BASE.multiply(integer(k))),
  multiplyU: (k) => bytes(curveU.multiply(integer(k))),
  multiply: (p, k) => bytes(curvePoint(p).multiply(integer(k))),
  multiplyPublic: (p, k) => bytes(curvePoint(p).multiplyUnsafe(integer(k))),
  sum: (points) => {
    const sum = points.map(curvePoint).reduce((a, b) => a.add(b))
    return sum.is0() ? null : bytes(sum)
  },
  add: (a, b) => scalar(Fn.add(integer(a), integer(b))),
  times: (a, b) => scalar(Fn.mul(integer(a), integer(b))),
  negate: (a) => scalar(Fn.neg(integer(a))),
  claimsHold,
  sign: (digest, k) => secp256k1.sign(digest, k, { prehash: false, lowS: true }),
  signRecoverably: (digest, k) => {
    const [recovery = 0, ...signature] = secp256k1.sign(digest, k, { prehash: false, lowS: true, format: 'recovered' })
    return Uint8Array.of(...signature, recovery)
  },
  verify: (signature, digest, key) => {
    try {
      return signature.length === 64 && secp256k1.verify(signature, digest, key, { prehash: false, lowS: false })
    } catch {
      return false
    }
  },
}

/**
 * All relations at once: Σ wᵢ·(commitment + h·image − z·base) = 0 with weights of 128 random bits, which a
 * false relation survives with probability 2⁻¹²⁸. Bases that several relations share are multiplied once.
 */
function claimsHold(claims: readonly Claim[]): boolean {
  const factors = new Map<Point, bigint>()
  const put = (p: Point, k: bigint) => factors.set(p, Fn.add(factors.get(p) ?? 0n, k))
  for (const { z, h, bases } of claims) {
    const [zn, hn] = [integer(z), integer(h)]
    for (const { base, commitment, image } of bases) {
      const weight = integer(randomBytes(16))
      put(commitment, weight)
      put(image, Fn.mul(weight, hn))
      put(base, Fn.neg(Fn.mul(weight, zn)))
    }
  }
  return mulAddUnsafe(Curve, [...factors.keys()].map(curvePoint), [...factors.values()]).is0()
}
