import { createHash } from 'node:crypto'
import { nodeHash } from '../vault/merkle.js'

/**
 * Merkle trees of RFC 9162, section 2.1 (SHA-256), without the tree: what a growing log needs is its frontier, and what
 * a proof needs is the hashes of a few ranges of leaves, each made of complete subtrees.
 * https://www.rfc-editor.org/rfc/rfc9162#section-2.1
 */

/** The complete subtree over leaves [position · 2^level, (position + 1) · 2^level); level 0 is a leaf hash. */
export interface Subtree {
  readonly level: number
  readonly position: number
}

/** Leaves `from` (included) to `to` (not included); a subtree of the RFC, never empty. */
export interface LeafRange {
  readonly from: number
  readonly to: number
}

export interface HashedSubtree extends Subtree {
  readonly hash: Uint8Array
}

/** MTH of no leaves. */
export const EMPTY_ROOT: Uint8Array = createHash('sha256').digest()

/**
 * The roots of the complete subtrees that the log consists of, largest first: what is needed to append and to know
 * the root, about log2(size) hashes.
 */
export class Frontier {
  readonly #peaks: HashedSubtree[]

  /** @param peaks of a log of `size` leaves, as `completeSubtrees({ from: 0, to: size })` names them */
  constructor(peaks: readonly HashedSubtree[] = []) {
    this.#peaks = [...peaks]
  }

  get size(): number {
    const last = this.#peaks.at(-1)
    return last === undefined ? 0 : (last.position + 1) * 2 ** last.level
  }

  /** @returns the subtrees of level 1 and above that this leaf completes */
  append(leafHash: Uint8Array): HashedSubtree[] {
    const completed: HashedSubtree[] = []
    let node: HashedSubtree = { level: 0, position: this.size, hash: leafHash }
    for (let left = this.#peaks.at(-1); left?.level === node.level; left = this.#peaks.at(-1)) {
      this.#peaks.pop()
      node = { level: node.level + 1, position: left.position / 2, hash: nodeHash(left.hash, node.hash) }
      completed.push(node)
    }
    this.#peaks.push(node)
    return completed
  }

  root(): Uint8Array {
    return this.#peaks.length === 0 ? EMPTY_ROOT : foldPeaks(this.#peaks.map(({ hash }) => hash))
  }
}

/** Ranges whose hashes are the inclusion proof of a leaf (2.1.3.1), in the order of the proof. `index` < `size`. */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  const path: LeafRange[] = []
  let from = 0
  let to = size
  while (to - from > 1) {
    const middle = from + largestPowerBelow(to - from)
    path.push(index < middle ? { from: middle, to } : { from, to: middle })
    if (index < middle) to = middle
    else from = middle
  }
  return path.reverse()
}

/** Ranges whose hashes are the consistency proof between two sizes (2.1.4.1), 0 < `first` <= `second`. */
export function consistencyRanges(first: number, second: number): LeafRange[] {
  if (first === second) return []
  const path: LeafRange[] = []
  let from = 0
  let to = second
  // Down to the subtree that ends where the first tree ended.
  while (to !== first) {
    const middle = from + largestPowerBelow(to - from)
    path.push(first <= middle ? { from: middle, to } : { from, to: middle })
    if (first <= middle) to = middle
    else from = middle
  }
  // The whole first tree is known to the verifier already.
  if (from !== 0) path.push({ from, to })
  return path.reverse()
}

/** The complete subtrees that a range consists of, from left to right. The range must be a subtree of the RFC. */
export function completeSubtrees({ from, to }: LeafRange): Subtree[] {
  const found: Subtree[] = []
  for (let at = from; at < to;) {
    const level = Math.floor(Math.log2(to - at))
    found.push({ level, position: at / 2 ** level })
    at += 2 ** level
  }
  return found
}

/** MTH of a range from the hashes of its complete subtrees, left to right. */
export function foldPeaks(hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.reduceRight((right, left) => nodeHash(left, right))
}

/** MTH of a power of two of hashes: the root of the complete subtree above them. */
export function completeRoot(hashes: readonly Uint8Array[]): Uint8Array {
  let row = [...hashes]
  while (row.length > 1) {
    row = Array.from({ length: row.length / 2 }, (_, i) =>
      nodeHash(row[2 * i] as Uint8Array, row[2 * i + 1] as Uint8Array),
    )
  }
  return row[0] as Uint8Array
}

/** Whether a leaf hash is leaf `index` of the tree of `size` leaves with this root (2.1.3.2). */
export function verifyInclusion(
  leafHash: Uint8Array,
  index: number,
  size: number,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (index < 0 || index >= size) return false
  const ranges = inclusionRanges(index, size)
  if (ranges.length !== proof.length) return false
  const hash = ranges.reduce((below, { from }, i) => {
    const sibling = proof[i] as Uint8Array
    return from > index ? nodeHash(below, sibling) : nodeHash(sibling, below)
  }, leafHash)
  return equal(hash, root)
}

/** Whether the second tree extends the first (2.1.4.2). */
export function verifyConsistency(
  first: number,
  firstRoot: Uint8Array,
  second: number,
  secondRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (first > second) return false
  if (first === second) return proof.length === 0 && equal(firstRoot, secondRoot)
  if (first === 0) return proof.length === 0
  const ranges = consistencyRanges(first, second)
  if (ranges.length !== proof.length) return false
  // The first entry is the subtree that ends with the first tree, unless that is the whole first tree.
  const whole = ranges[0] === undefined || ranges[0].to !== first
  let [old, now] = whole ? [firstRoot, firstRoot] : [proof[0] as Uint8Array, proof[0] as Uint8Array]
  for (let i = whole ? 0 : 1; i < ranges.length; i++) {
    const sibling = proof[i] as Uint8Array
    if ((ranges[i] as LeafRange).from >= first) {
      now = nodeHash(now, sibling)
    } else {
      now = nodeHash(sibling, now)
      old = nodeHash(sibling, old)
    }
  }
  return equal(old, firstRoot) && equal(now, secondRoot)
}

function largestPowerBelow(n: number): number {
  const power = 2 ** Math.floor(Math.log2(n))
  return power === n ? power / 2 : power
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
