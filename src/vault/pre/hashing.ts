import { hash } from 'node:crypto'
import { compress, writeCompressed, type Point, type Scalar } from './group.js'
import { scalarOfDigest, wipe } from './scalar.js'

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

/**
 * The symmetric key of a shared point: HKDF-SHA-256 (RFC 5869) with ikm = compressed point, no salt, empty info, 32
 * bytes. Written out over the one-shot hash, since node's `hkdfSync` makes a job and a key object of each call and takes
 * four times as long.
 */
export function keyOfPoint(point: Point): Uint8Array {
  const ikm = compress(point)
  const pseudorandom = hmac(NO_SALT, ikm)
  const key = hmac(pseudorandom, FIRST_BLOCK)
  wipe(ikm, pseudorandom)
  return key
}

const NO_SALT = new Uint8Array(32)
const FIRST_BLOCK = Uint8Array.of(1)

/** HMAC-SHA-256 (RFC 2104) under a key of at most 64 bytes. */
function hmac(key: Uint8Array, text: Uint8Array): Uint8Array {
  const inner = new Uint8Array(64 + text.length)
  const outer = new Uint8Array(64 + 32)
  for (let i = 0; i < 64; i++) {
    const byte = i < key.length ? key[i]! : 0
    inner[i] = byte ^ 0x36
    outer[i] = byte ^ 0x5c
  }
  inner.set(text, 64)
  outer.set(sha256(inner), 64)
  const code = new Uint8Array(sha256(outer))
  wipe(inner, outer)
  return code
}

export function sha256(text: Uint8Array): Uint8Array {
  return hash('sha256', text, 'buffer')
}
