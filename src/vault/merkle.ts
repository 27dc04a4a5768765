import { hash } from 'node:crypto'

/**
 * Merkle trees of RFC 9162, section 2.1, over leaf hashes: MTH of one leaf is the leaf hash itself, of more it is
 * SHA-256(01 ‖ left ‖ right), the left subtree holding the largest power of two below their number.
 * `RecordAnchors` and `AuditLog` verify the same trees on chain.
 */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  return rootOf(leaves, 0, leaves.length)
}

function rootOf(leaves: readonly Uint8Array[], from: number, to: number): Uint8Array {
  if (to === from) return hash('sha256', new Uint8Array(0), 'buffer')
  if (to - from === 1) return leaves[from] as Uint8Array
  const split = from + largestPowerBelow(to - from)
  return nodeHash(rootOf(leaves, from, split), rootOf(leaves, split, to))
}

/** Root and inclusion proof of every leaf (section 2.1.3.1): siblings from the leaf upwards. Each node is hashed once. */
export function merkleTree(leaves: readonly Uint8Array[]): { root: Uint8Array; proofs: Uint8Array[][] } {
  const proofs = leaves.map((): Uint8Array[] => [])
  const grow = (from: number, to: number): Uint8Array => {
    if (to - from <= 1) return rootOf(leaves, from, to)
    const split = from + largestPowerBelow(to - from)
    const [left, right] = [grow(from, split), grow(split, to)]
    for (let i = from; i < to; i++) proofs[i]?.push(i < split ? right : left)
    return nodeHash(left, right)
  }
  return { root: grow(0, leaves.length), proofs }
}

/** How many siblings an inclusion proof of leaf `index` among `size` has. */
export function proofLength(size: number, index: number): number {
  let [length, from, to] = [0, 0, size]
  for (; to - from > 1; length++) {
    const split = from + largestPowerBelow(to - from)
    if (index < split) to = split
    else from = split
  }
  return length
}

/** Whether the leaf is number `index` of the tree of `size` leaves with that root. */
export function verifyInclusion(
  root: Uint8Array,
  size: number,
  index: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  const reached = rootReached(size, index, leaf, proof)
  return reached !== null && Buffer.compare(reached, root) === 0
}

/** The root that a proof leads to (section 2.1.3.2); `null` where it is none of a tree of that size. */
export function rootReached(
  size: number,
  index: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
): Uint8Array | null {
  if (index < 0 || index >= size) return null
  let [node, last] = [index, size - 1]
  let reached = leaf
  for (const sibling of proof) {
    if (last === 0) return null
    if (node % 2 === 1 || node === last) {
      reached = nodeHash(sibling, reached)
      while (node % 2 === 0 && node !== 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)]
    } else {
      reached = nodeHash(reached, sibling)
    }
    ;[node, last] = [Math.floor(node / 2), Math.floor(last / 2)]
  }
  return last === 0 ? reached : null
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([NODE, left, right]), 'buffer')
}

const NODE = Uint8Array.of(1)

/** Largest power of two smaller than n (n > 1). */
export function largestPowerBelow(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1))
}
