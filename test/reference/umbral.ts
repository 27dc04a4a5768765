import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import { add, type Affine, BASE as G, compress, equal, integer, inverse, mod, multiply, N, octets } from './curve.js'
import { sign, verify } from './ecdsa.js'
import { hashToCurve } from './hash-to-curve.js'

export const U = hashToCurve('POINT_U', 'PARAMETERS')

export interface Capsule {
  E: Affine
  V: Affine
  s: bigint
}
export interface KeyFrag {
  id: Uint8Array
  rk: bigint
  X: Affine
  u1: Affine
  forProxy: Uint8Array
  forBob: Uint8Array
}
export interface CapsuleFrag {
  e1: Affine
  v1: Affine
  id: Uint8Array
  X: Affine
  e2: Affine
  v2: Affine
  u1: Affine
  u2: Affine
  z: bigint
  forBob: Uint8Array
}

/** H(dst, parts…) */
export function H(dst: string, ...parts: (Affine | Uint8Array)[]): bigint {
  const bytes = parts.map((part) => (part instanceof Uint8Array ? part : compress(part)))
  const text = Buffer.concat([octets(BigInt(dst.length), 4), Buffer.from(dst), ...bytes])
  return mod(integer(createHash('sha256').update(text).digest()), N - 1n) + 1n
}

export const random = (): bigint => mod(integer(randomBytes(48)), N - 1n) + 1n

const kdf = (point: Affine): Uint8Array => new Uint8Array(hkdfSync('sha256', compress(point), '', '', 32))

export function encapsulate(A: Affine): { capsule: Capsule; key: Uint8Array } {
  const [r, u] = [random(), random()]
  const [E, V] = [multiply(r, G), multiply(u, G)]
  const s = mod(u + r * H('CAPSULE_POINTS', E, V), N)
  return { capsule: { E, V, s }, key: kdf(multiply(r + u, A)) }
}

export function checkCapsule({ E, V, s }: Capsule): boolean {
  return equal(multiply(s, G), add(V, multiply(H('CAPSULE_POINTS', E, V), E)))
}

export function decapsulateOriginal(a: bigint, { E, V }: Capsule): Uint8Array {
  return kdf(multiply(a, add(E, V)))
}

const ONE = Uint8Array.of(1)
const signedText = (id: Uint8Array, u1: Affine, X: Affine, A: Affine, B: Affine): Uint8Array =>
  Buffer.concat([id, compress(u1), compress(X), ONE, compress(A), ONE, compress(B)])

export function generateKeyFrags(a: bigint, B: Affine, signer: bigint, m: number, n: number): KeyFrag[] {
  const A = multiply(a, G)
  const x = random()
  const X = multiply(x, G)
  const xB = multiply(x, B)
  const d = H('SHARED_SECRET', X, B, xB)
  const f = [mod(a * inverse(d, N), N), ...Array.from({ length: m - 1 }, random)]
  return Array.from({ length: n }, () => {
    const id = new Uint8Array(randomBytes(32))
    const arg = H('POLYNOMIAL_ARG', X, B, xB, id)
    const rk = f.reduce((sum, coefficient, i) => mod(sum + coefficient * arg ** BigInt(i), N), 0n)
    const u1 = multiply(rk, U)
    const text = signedText(id, u1, X, A, B)
    return { id, rk, X, u1, forProxy: sign(text, signer, random()), forBob: sign(text, signer, random()) }
  })
}

export function checkKeyFrag({ id, rk, X, u1, forProxy }: KeyFrag, verifying: Affine, A: Affine, B: Affine): boolean {
  return equal(u1, multiply(rk, U)) && verify(forProxy, signedText(id, u1, X, A, B), verifying)
}

export function reencrypt({ E, V }: Capsule, { id, rk, X, u1, forBob }: KeyFrag): CapsuleFrag {
  const t = random()
  const [e1, v1] = [multiply(rk, E), multiply(rk, V)]
  const [e2, v2, u2] = [multiply(t, E), multiply(t, V), multiply(t, U)]
  const h = H('CFRAG_VERIFICATION', E, e1, e2, V, v1, v2, U, u1, u2)
  return { e1, v1, id, X, e2, v2, u1, u2, z: mod(rk * h + t, N), forBob }
}

export function checkCapsuleFrag(
  { E, V }: Capsule,
  { e1, v1, id, X, e2, v2, u1, u2, z, forBob }: CapsuleFrag,
  verifying: Affine,
  A: Affine,
  B: Affine,
): boolean {
  const h = H('CFRAG_VERIFICATION', E, e1, e2, V, v1, v2, U, u1, u2)
  return (
    verify(forBob, signedText(id, u1, X, A, B), verifying) &&
    equal(multiply(z, E), add(e2, multiply(h, e1))) &&
    equal(multiply(z, V), add(v2, multiply(h, v1))) &&
    equal(multiply(z, U), add(u2, multiply(h, u1)))
  )
}

/** `null` when the fragments do not open the capsule. */
export function decapsulateReencrypted(
  b: bigint,
  A: Affine,
  capsule: Capsule,
  frags: CapsuleFrag[],
): Uint8Array | null {
  const { E, V, s } = capsule
  const X = frags[0]!.X
  const B = multiply(b, G)
  const dh = multiply(b, X)
  const args = frags.map(({ id }) => H('POLYNOMIAL_ARG', X, B, dh, id))
  const lambda = (i: number): bigint =>
    args.reduce(
      (product, arg, j) => (j === i ? product : mod(product * arg * inverse(mod(arg - args[i]!, N), N), N)),
      1n,
    )
  const E1 = frags.reduce((sum: Affine, { e1 }, i) => add(sum, multiply(lambda(i), e1)), null)
  const V1 = frags.reduce((sum: Affine, { v1 }, i) => add(sum, multiply(lambda(i), v1)), null)
  const d = H('SHARED_SECRET', X, B, dh)
  const opens = equal(multiply(s * inverse(d, N), A), add(V1, multiply(H('CAPSULE_POINTS', E, V), E1)))
  return opens ? kdf(multiply(d, add(E1, V1))) : null
}
