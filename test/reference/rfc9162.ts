import { createHash } from 'node:crypto'

/**
 * RFC 9162, section 2.1, as it is written: recursive definitions over the list of leaf hashes D[n], slow and short.
 * The twin of src/audit/rfc9162.ts.
 */
const HASH = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** The largest power of two smaller than n. */
const k = (n: number): number => {
  let power = 1
  while (power * 2 < n) power *= 2
  return power
}

/** 2.1.1: MTH(D[n]), leaves already hashed. */
export function MTH(D: readonly Uint8Array[]): Uint8Array {
  const n = D.length
  if (n === 0) return HASH()
  if (n === 1) return D[0] as Uint8Array
  return HASH(Uint8Array.of(0x01), MTH(D.slice(0, k(n))), MTH(D.slice(k(n))))
}

/** 2.1.3.1: PATH(m, D[n]) */
export function PATH(m: number, D: readonly Uint8Array[]): Uint8Array[] {
  const n = D.length
  if (n === 1) return []
  if (m < k(n)) return [...PATH(m, D.slice(0, k(n))), MTH(D.slice(k(n)))]
  return [...PATH(m - k(n), D.slice(k(n))), MTH(D.slice(0, k(n)))]
}

/** 2.1.4.1: PROOF(m, D[n]) = SUBPROOF(m, D[n], true) */
export function PROOF(m: number, D: readonly Uint8Array[]): Uint8Array[] {
  return SUBPROOF(m, D, true)
}

function SUBPROOF(m: number, D: readonly Uint8Array[], b: boolean): Uint8Array[] {
  const n = D.length
  if (m === n) return b ? [] : [MTH(D)]
  if (m <= k(n)) return [...SUBPROOF(m, D.slice(0, k(n)), b), MTH(D.slice(k(n)))]
  return [...SUBPROOF(m - k(n), D.slice(k(n)), false), MTH(D.slice(0, k(n)))]
}
