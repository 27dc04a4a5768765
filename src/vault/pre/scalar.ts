import { randomFillSync } from 'node:crypto'
import { ORDER, type Group, type Scalar } from './group.js'

/** n */
const ORDER_BYTES = Buffer.from(ORDER.toString(16), 'hex')
/** n − 1 */
const LAST = Buffer.from((ORDER - 1n).toString(16), 'hex')

export function isScalar(bytes: Uint8Array): bytes is Scalar {
  return bytes.length === 32 && bytes.some((byte) => byte !== 0) && Buffer.compare(bytes, ORDER_BYTES) < 0
}

/** Uniform in [1, n−1]: what falls outside, with probability below 2⁻¹²⁷, is drawn again. */
export function randomScalar(): Scalar {
  for (;;) {
    const bytes = randomFillSync(new Uint8Array(32))
    if (isScalar(bytes)) return bytes
  }
}

/** A SHA-256 digest mod (n−1) + 1. Plain byte steps but for digests from n−1 on, which appear once in 2¹²⁸. */
export function scalarOfDigest(digest: Uint8Array): Scalar {
  if (Buffer.compare(digest, LAST) >= 0) return fromInteger(toInteger(digest) - (ORDER - 1n) + 1n)
  const out = new Uint8Array(digest)
  let carry = 1
  for (let i = 31; i >= 0; i--) {
    carry += out[i]!
    out[i] = carry
    carry >>= 8
  }
  return out as Scalar
}

/**
 * The inverses mod n of some scalars, for one inversion (Montgomery's trick). The Euclidean algorithm takes time that
 * depends on its argument, so what it sees is the product of all of them with one more random scalar: blinded, it
 * tells nothing.
 */
export function inverses(group: Group, scalars: readonly Scalar[]): Scalar[] {
  const products = [randomScalar()]
  for (const scalar of scalars) products.push(group.times(products.at(-1)!, scalar))
  let rest = fromInteger(inverseOf(toInteger(products.at(-1)!)))
  const found: Scalar[] = []
  for (let i = scalars.length - 1; i >= 0; i--) {
    found.unshift(group.times(rest, products[i]!))
    rest = group.times(rest, scalars[i]!)
  }
  wipe(rest, ...products)
  return found
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

/** Overwrites secrets that are not needed any more. What the engine copied meanwhile is out of reach. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0)
}

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`)
}

function fromInteger(n: bigint): Scalar {
  return new Uint8Array(Buffer.from(n.toString(16).padStart(64, '0'), 'hex')) as Scalar
}
