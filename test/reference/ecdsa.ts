import { createHash } from 'node:crypto'
import { add, type Affine, BASE, integer, inverse, mod, multiply, N, octets } from './curve.js'

const digest = (message: Uint8Array): bigint => integer(createHash('sha256').update(message).digest())

/** SEC 1, section 4.1.3, over SHA-256; k is the nonce. Compact r ‖ s, of either sign. */
export function sign(message: Uint8Array, secret: bigint, k: bigint): Uint8Array {
  const r = mod(multiply(k, BASE)!.x, N)
  const s = mod(inverse(k, N) * (digest(message) + r * secret), N)
  return Buffer.concat([octets(r, 32), octets(s, 32)])
}

/** SEC 1, section 4.1.4. */
export function verify(signature: Uint8Array, message: Uint8Array, key: Affine): boolean {
  const [r, s] = [integer(signature.subarray(0, 32)), integer(signature.subarray(32))]
  if (signature.length !== 64 || r === 0n || s === 0n || r >= N || s >= N) return false
  const w = inverse(s, N)
  const point = add(multiply(mod(digest(message) * w, N), BASE), multiply(mod(r * w, N), key))
  return point !== null && mod(point.x, N) === r
}
