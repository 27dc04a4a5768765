import { createHash } from 'node:crypto'

/**
 * Merkle trees of RFC 9162, section 2.1, over leaf hashes: MTH of one leaf is the leaf hash itself, of more it is
 * SHA-256(01 ‖ left ‖ right), the left subtree holding the largest power of two below their number.
 */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return createHash('sha256').digest()
  if (leaves.length === 1) return leaves[0] as Uint8Array
  const split = largestPowerBelow(leaves.length)
  return nodeHash(merkleRoot(leaves.slice(0, split)), merkleRoot(leaves.slice(split)))
}

/** Inclusion proof (section 2.1.3.1): siblings from the leaf upwards. */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (leaves.length <= 1) return []
  const split = largestPowerBelow(leaves.length)
  return index < split
    ? [...inclusionProof(leaves.slice(0, split), index), merkleRoot(leaves.slice(split))]
    : [...inclusionProof(leaves.slice(split), index - split), merkleRoot(leaves.slice(0, split))]
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return createHash('sha256').update(NODE).update(left).update(right).digest()
}

const NODE = Uint8Array.of(1)

/** Largest power of two smaller than n (n > 1). */
export function largestPowerBelow(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1))
}
