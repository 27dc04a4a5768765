import { ConsentryError } from '../../errors.js'

declare const point: unique symbol
declare const scalar: unique symbol

/**
 * A point of secp256k1 other than the identity, SEC1 uncompressed: 04 ‖ x ‖ y, 65 bytes.
 * Uncompressed, because reading a compressed point costs a square root each time; `compress` is free.
 */
export type Point = Uint8Array & { readonly [point]: true }

/** An integer in [1, n−1], 32 bytes big-endian. */
export type Scalar = Uint8Array & { readonly [scalar]: true }

/** One base of a Schnorr-like proof: the prover claims image = x·base and commitment = t·base. */
export interface ProofBase {
  readonly base: Point
  readonly commitment: Point
  readonly image: Point
}

/** The claim z·base = commitment + h·image for each base. Everything in it is public. */
export interface Claim {
  readonly z: Scalar
  readonly h: Scalar
  readonly bases: readonly ProofBase[]
}

/**
 * What Umbral needs of the group, once over libsecp256k1 and once over @noble/curves. Both speak the same
 * bytes, so a capsule read with one backend opens with the other.
 *
 * Secret scalars are welcome, in constant time as far as the backend can, wherever nothing else is said: only
 * `multiplyPublic`, `claimsHold` and `verify` may take time that depends on their scalars, which must be public.
 */
export interface Group {
  readonly name: 'native' | 'noble'
  /** Reads a SEC1 compressed point (33 bytes). Throws `malformed` when it is none. */
  decompress(bytes: Uint8Array): Point
  /** k·G */
  multiplyBase(k: Scalar): Point
  /** k·U, U being the second generator of `parameters.ts`. */
  multiplyU(k: Scalar): Point
  /** k·P */
  multiply(p: Point, k: Scalar): Point
  /** k·P for a public k, in time that depends on k. */
  multiplyPublic(p: Point, k: Scalar): Point
  /** Sum of one or more points; `null` for the identity, which has no encoding. */
  sum(points: readonly Point[]): Point | null
  /** a + b mod n, as a new array. Throws `internal` when it is zero. */
  add(a: Scalar, b: Scalar): Scalar
  /** a·b mod n, as a new array. */
  times(a: Scalar, b: Scalar): Scalar
  /** −a mod n, as a new array. */
  negate(a: Scalar): Scalar
  /** Whether every relation of every claim holds; a batch may be proved at once by a random linear combination. */
  claimsHold(claims: readonly Claim[]): boolean
  /** ECDSA over a 32-byte digest; RFC 6979 nonce, low s, compact 64 bytes r ‖ s. */
  sign(digest: Uint8Array, k: Scalar): Uint8Array
  /** The same signature with a byte more, 0 to 3, by which the public key follows from it (SEC 1, 4.1.6). */
  signRecoverably(digest: Uint8Array, k: Scalar): Uint8Array
  /** ECDSA over a 32-byte digest; high s is accepted, anything malformed is `false`. */
  verify(signature: Uint8Array, digest: Uint8Array, key: Point): boolean
}

/** Order of the group, n. */
export const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** The generator G, SEC 2 section 2.4.1. */
export const G = Uint8Array.from(
  Buffer.from(
    '0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798' +
      '483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8',
    'hex',
  ),
) as Point

/** SEC1 compressed form, 33 bytes. */
export function compress(p: Point): Uint8Array {
  const out = new Uint8Array(33)
  writeCompressed(out, 0, p)
  return out
}

export function writeCompressed(out: Uint8Array, at: number, p: Point): void {
  out.set(p.subarray(0, 33), at)
  out[at] = 2 | (p[64]! & 1)
}

export function samePoint(a: Point, b: Point): boolean {
  return Buffer.compare(a, b) === 0
}

/** For callers that broke a precondition which no input from outside can break. */
export function unreachable(what: string, cause?: unknown): ConsentryError {
  return new ConsentryError('internal', what, { cause })
}
