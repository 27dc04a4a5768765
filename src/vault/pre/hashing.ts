import { hash, hkdfSync } from 'node:crypto'
import { compress, writeCompressed, type Point, type Scalar } from './group.js'
import { scalarOfDigest } from './scalar.js'

/** The domains of H, UMBRAL, "Group and hashing". */
export type Domain = 'CAPSULE_POINTS' | 'SHARED_SECRET' | 'POLYNOMIAL_ARG' | 'CFRAG_VERIFICATION'

/** H(dst, parts…) = SHA-256(u32be(len dst) ‖ dst ‖ parts) mod (n−1) + 1; points go in compressed. */
export function hashToScalar(domain: Domain, points: readonly Point[], tail: Uint8Array = EMPTY): Scalar {
  const prefix = PREFIX[domain]
  const text = new Uint8Array(prefix.length + 33 * points.length + tail.length)
  text.set(prefix)
  points.forEach((point, i) => writeCompressed(text, prefix.length + 33 * i, point))
  text.set(tail, text.length - tail.length)
  return scalarOfDigest(sha256(text))
}

const EMPTY = new Uint8Array(0)

const PREFIX: Record<Domain, Uint8Array> = {
  CAPSULE_POINTS: prefixOf('CAPSULE_POINTS'),
  SHARED_SECRET: prefixOf('SHARED_SECRET'),
  POLYNOMIAL_ARG: prefixOf('POLYNOMIAL_ARG'),
  CFRAG_VERIFICATION: prefixOf('CFRAG_VERIFICATION'),
}

function prefixOf(domain: Domain): Uint8Array {
  return Uint8Array.of(0, 0, 0, domain.length, ...Buffer.from(domain, 'latin1'))
}

/** The symmetric key of a shared point: HKDF-SHA-256(ikm = compressed point, no salt, empty info), 32 bytes. */
export function keyOfPoint(point: Point): Uint8Array {
  const ikm = compress(point)
  const key = new Uint8Array(hkdfSync('sha256', ikm, EMPTY, EMPTY, 32))
  ikm.fill(0)
  return key
}

export function sha256(text: Uint8Array): Uint8Array {
  return hash('sha256', text, 'buffer')
}
