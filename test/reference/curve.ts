/** secp256k1 by the textbook: y² = x³ + 7 over F_p, affine, `null` being the identity. */
export const P = 2n ** 256n - 2n ** 32n - 977n
export const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

export type Affine = { readonly x: bigint; readonly y: bigint } | null

export const BASE: Affine = {
  x: 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  y: 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
}

export const mod = (a: bigint, m: bigint): bigint => ((a % m) + m) % m

export function power(base: bigint, exponent: bigint, m: bigint): bigint {
  let result = 1n
  for (let square = mod(base, m), e = exponent; e > 0n; e >>= 1n, square = (square * square) % m) {
    if (e & 1n) result = (result * square) % m
  }
  return result
}

/** By the extended Euclidean algorithm. */
export function inverse(a: bigint, m: bigint): bigint {
  let [r0, r1, s0, s1] = [m, mod(a, m), 0n, 1n]
  while (r1 !== 0n) [r0, r1, s0, s1] = [r1, r0 % r1, s1, s0 - (r0 / r1) * s1]
  return mod(s0, m)
}

export function add(a: Affine, b: Affine): Affine {
  if (a === null) return b
  if (b === null) return a
  if (a.x === b.x && mod(a.y + b.y, P) === 0n) return null
  const slope = a.x === b.x ? 3n * a.x * a.x * inverse(2n * a.y, P) : (b.y - a.y) * inverse(b.x - a.x, P)
  const x = mod(slope * slope - a.x - b.x, P)
  return { x, y: mod(slope * (a.x - x) - a.y, P) }
}

/** Double and add. */
export function multiply(k: bigint, point: Affine): Affine {
  let sum: Affine = null
  for (let double = point, e = mod(k, N); e > 0n; e >>= 1n, double = add(double, double)) {
    if (e & 1n) sum = add(sum, double)
  }
  return sum
}

export const equal = (a: Affine, b: Affine): boolean => a?.x === b?.x && a?.y === b?.y

export const integer = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
export const octets = (n: bigint, length: number): Uint8Array =>
  new Uint8Array(Buffer.from(n.toString(16).padStart(2 * length, '0'), 'hex'))

export function compress(point: Affine): Uint8Array {
  if (point === null) throw new Error('the identity has no compressed form')
  return Uint8Array.of(point.y & 1n ? 3 : 2, ...octets(point.x, 32))
}

export function decompress(bytes: Uint8Array): Affine {
  const x = integer(bytes.subarray(1))
  const square = mod(x ** 3n + 7n, P)
  const y = power(square, (P + 1n) / 4n, P)
  const valid = bytes.length === 33 && (bytes[0] === 2 || bytes[0] === 3) && x < P && (y * y) % P === square
  if (!valid) throw new Error('not a compressed point')
  return { x, y: (y & 1n) === BigInt(bytes[0]! & 1) ? y : P - y }
}
