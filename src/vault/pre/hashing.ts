import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import { compress, ORDER, type Group, type Point, type Scalar } from './group.js'

/** The domains of H, UMBRAL, "Group and hashing". */
export type Domain = 'CAPSULE_POINTS' | 'SHARED_SECRET' | 'POLYNOMIAL_ARG' | 'CFRAG_VERIFICATION'

/** H(dst, parts…) = SHA-256(u32be(len dst) ‖ dst ‖ parts) mod (n−1) + 1; points go in compressed. */
export function hashToScalar(domain: Domain, points: readonly Point[], tail: Uint8Array = EMPTY): Scalar {
  const dst = Buffer.from(domain, 'latin1')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(dst.length)
  const hash = createHash('sha256').update(length).update(dst)
  for (const point of points) hash.update(compress(point))
  return fromInteger((toInteger(hash.update(tail).digest()) % (ORDER - 1n)) + 1n)
}

const EMPTY = new Uint8Array(0)

/** The symmetric key of a shared point: HKDF-SHA-256(ikm = compressed point, no salt, empty info), 32 bytes. */
export function keyOfPoint(point: Point): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', compress(point), EMPTY, EMPTY, 32))
}

/** Uniform in [1, n−1]: what falls outside, with probability below 2⁻¹²⁷, is drawn again. */
export function randomScalar(): Scalar {
  for (;;) {
    const bytes = new Uint8Array(randomBytes(32))
    if (isScalar(bytes)) return bytes
  }
}

export function isScalar(bytes: Uint8Array): bytes is Scalar {
  if (bytes.length !== 32) return false
  const n = toInteger(bytes)
  return n > 0n && n < ORDER
}

/**
 * a⁻¹ mod n. The Euclidean algorithm takes time that depends on its argument, so it sees a·r for a random r only:
 * a⁻¹ = r·(a·r)⁻¹.
 */
export function inverse(group: Group, a: Scalar): Scalar {
  const blind = randomScalar()
  return group.times(fromInteger(inverseOf(toInteger(group.times(a, blind)))), blind)
}

function inverseOf(value: bigint): bigint {
  let [r0, r1, s0, s1] = [ORDER, value, 0n, 1n]
  while (r1 !== 0n) {
    const q = r0 / r1
    ;[r0, r1] = [r1, r0 - q * r1]
    ;[s0, s1] = [s1, s0 - q * s1]
  }
  return s0 < 0n ? s0 + ORDER : s0
}

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`)
}

function fromInteger(n: bigint): Scalar {
  return new Uint8Array(Buffer.from(n.toString(16).padStart(64, '0'), 'hex')) as Scalar
}
