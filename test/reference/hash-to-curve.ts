import { createHash } from 'node:crypto'
import { add, type Affine, integer, inverse, mod, octets, P, power } from './curve.js'

const sha256 = (...parts: Uint8Array[]): Uint8Array => createHash('sha256').update(Buffer.concat(parts)).digest()

/** RFC 9380, section 5.3.1, with SHA-256. */
export function expandMessageXmd(message: Uint8Array, dst: Uint8Array, length: number): Uint8Array {
  const dstPrime = Buffer.concat([dst, octets(BigInt(dst.length), 1)])
  const zeroes = new Uint8Array(64)
  const b0 = sha256(zeroes, message, octets(BigInt(length), 2), octets(0n, 1), dstPrime)
  const blocks: Uint8Array[] = []
  for (let i = 1, last: Uint8Array = new Uint8Array(32); blocks.length * 32 < length; i++) {
    last = sha256(
      b0.map((byte, j) => byte ^ last[j]!),
      octets(BigInt(i), 1),
      dstPrime,
    )
    blocks.push(last)
  }
  return Buffer.concat(blocks).subarray(0, length)
}

/** Section 8.7: the isogenous curve E' : y² = x³ + A'x + B', and Z. */
const A = 0x3f8731abdd661adca08a5558f0f5d272e953d363cb6f0e5d405447c01a444533n
const B = 1771n
const Z = P - 11n

const root = (a: bigint): bigint => power(a, (P + 1n) / 4n, P)
const isSquare = (a: bigint): boolean => power(a, (P - 1n) / 2n, P) !== P - 1n

/** Section 6.6.2, the simplified Shallue–van de Woestijne–Ulas map onto E'. */
function mapToIsogenous(u: bigint): { x: bigint; y: bigint } {
  const tv = mod(Z * Z * power(u, 4n, P) + Z * u * u, P)
  const x1 = tv === 0n ? B * inverse(Z * A, P) : mod(-B * inverse(A, P) * (1n + inverse(tv, P)), P)
  const g = (x: bigint) => mod(x ** 3n + A * x + B, P)
  const x = mod(isSquare(g(x1)) ? x1 : Z * u * u * x1, P)
  const y = root(g(x))
  return { x, y: (y & 1n) === (u & 1n) ? y : P - y }
}

/** Appendix E.1, the 3-isogeny map from E' to secp256k1; coefficients from the constant term up. */
const X_NUMERATOR = [
  0x8e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38daaaaa8c7n,
  0x7d3d4c80bc321d5b9f315cea7fd44c5d595d2fc0bf63b92dfff1044f17c6581n,
  0x534c328d23f234e6e2a413deca25caece4506144037c40314ecbd0b53d9dd262n,
  0x8e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38daaaaa88cn,
]
const X_DENOMINATOR = [
  0xd35771193d94918a9ca34ccbb7b640dd86cd409542f8487d9fe6b745781eb49bn,
  0xedadc6f64383dc1df7c4b2d51b54225406d36b641f5e41bbc52a56612a8c6d14n,
  1n,
]
const Y_NUMERATOR = [
  0x4bda12f684bda12f684bda12f684bda12f684bda12f684bda12f684b8e38e23cn,
  0xc75e0c32d5cb7c0fa9d0a54b12a0a6d5647ab046d686da6fdffc90fc201d71a3n,
  0x29a6194691f91a73715209ef6512e576722830a201be2018a765e85a9ecee931n,
  0x2f684bda12f684bda12f684bda12f684bda12f684bda12f684bda12f38e38d84n,
]
const Y_DENOMINATOR = [
  0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffff93bn,
  0x7a06534bb8bdb49fd5e9e6632722c2989467c1bfc8e8d978dfb425d2685c2573n,
  0x6484aa716545ca2cf3a70c3fa8fe337e0a3d21162f0d6299a7bf8192bfd2a76fn,
  1n,
]

function isogeny({ x, y }: { x: bigint; y: bigint }): Affine {
  const at = (coefficients: bigint[]) => coefficients.reduceRight((sum, k) => mod(sum * x + k, P), 0n)
  return {
    x: mod(at(X_NUMERATOR) * inverse(at(X_DENOMINATOR), P), P),
    y: mod(y * at(Y_NUMERATOR) * inverse(at(Y_DENOMINATOR), P), P),
  }
}

/** secp256k1_XMD:SHA-256_SSWU_RO_, sections 3 and 8.7. The cofactor is 1. */
export function hashToCurve(message: string, dst: string): Affine {
  const uniform = expandMessageXmd(Buffer.from(message), Buffer.from(dst), 96)
  const [u0, u1] = [0, 48].map((at) => mod(integer(uniform.subarray(at, at + 48)), P)) as [bigint, bigint]
  return add(isogeny(mapToIsogenous(u0)), isogeny(mapToIsogenous(u1)))
}
