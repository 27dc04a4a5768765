import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  completeSubtrees,
  consistencyRanges,
  foldPeaks,
  Frontier,
  type HashedSubtree,
  inclusionRanges,
  type LeafRange,
  verifyConsistency,
  verifyInclusion,
} from '../../src/audit/rfc9162.js'
import { MTH, PATH, PROOF } from '../reference/rfc9162.js'

const leavesOf = (n: number): Uint8Array[] =>
  Array.from({ length: n }, (_, i) => createHash('sha256').update(String(i)).digest())
const LEAVES = leavesOf(300)
const size = fc.integer({ min: 1, max: LEAVES.length })
const of = ({ from, to }: LeafRange): Uint8Array =>
  foldPeaks(
    completeSubtrees({ from, to }).map(({ level, position }) =>
      MTH(LEAVES.slice(position * 2 ** level, (position + 1) * 2 ** level)),
    ),
  )
const hex = (hashes: readonly Uint8Array[]): string[] => hashes.map((hash) => Buffer.from(hash).toString('hex'))

/** A proof with one thing wrong. */
function spoiled(proof: readonly Uint8Array[], at: number, how: number): Uint8Array[] {
  const copy = [...proof]
  if (how === 0) return [...copy, LEAVES[at] as Uint8Array]
  if (copy.length === 0) return [LEAVES[at] as Uint8Array]
  const i = at % copy.length
  if (how === 1) return copy.filter((_, j) => j !== i)
  const changed = Uint8Array.from(copy[i] as Uint8Array)
  changed[at % 32] = (changed[at % 32] as number) ^ 1
  copy[i] = changed
  return copy
}

describe('RFC 9162 beside its paper-shaped twin', () => {
  it('has the same root after every append', () => {
    const frontier = new Frontier()
    expect(hex([frontier.root()])).toEqual(hex([MTH([])]))
    LEAVES.forEach((leaf, i) => {
      frontier.append(leaf)
      expect(frontier.size).toBe(i + 1)
      expect(hex([frontier.root()])).toEqual(hex([MTH(LEAVES.slice(0, i + 1))]))
    })
  })

  it('goes on from the subtrees it had completed', () => {
    fc.assert(
      fc.property(size, size, (a, b) => {
        const [kept, end] = [Math.min(a, b), Math.max(a, b)]
        const peaks = completeSubtrees({ from: 0, to: kept }).map((tree): HashedSubtree => {
          const leaves = LEAVES.slice(tree.position * 2 ** tree.level, (tree.position + 1) * 2 ** tree.level)
          return { ...tree, hash: MTH(leaves) }
        })
        const frontier = new Frontier(peaks)
        expect(frontier.size).toBe(kept)
        LEAVES.slice(kept, end).forEach((leaf) => frontier.append(leaf))
        expect(hex([frontier.root()])).toEqual(hex([MTH(LEAVES.slice(0, end))]))
      }),
    )
  })

  it('names the completed subtrees with their hashes', () => {
    const frontier = new Frontier()
    for (const leaf of LEAVES) {
      for (const { level, position, hash } of frontier.append(leaf)) {
        expect(hex([hash])).toEqual(hex([MTH(LEAVES.slice(position * 2 ** level, (position + 1) * 2 ** level))]))
      }
    }
  })

  it('gives and accepts the same inclusion proofs, and no other', () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(299), fc.integer({ min: 0, max: 2 }), (n, m, at, how) => {
        const index = m % n
        const proof = inclusionRanges(index, n).map(of)
        expect(hex(proof)).toEqual(hex(PATH(index, LEAVES.slice(0, n))))
        const root = MTH(LEAVES.slice(0, n))
        const leaf = LEAVES[index] as Uint8Array
        expect(verifyInclusion(leaf, index, n, root, proof)).toBe(true)
        expect(verifyInclusion(leaf, index, n, root, spoiled(proof, at, how))).toBe(false)
        expect(verifyInclusion(LEAVES[(index + 1) % 300] as Uint8Array, index, n, root, proof)).toBe(false)
        expect(verifyInclusion(leaf, n, n, root, proof)).toBe(false)
      }),
    )
  })

  it('gives and accepts the same consistency proofs, and no other', () => {
    fc.assert(
      fc.property(size, size, fc.nat(299), fc.integer({ min: 0, max: 2 }), (a, b, at, how) => {
        const [first, second] = [Math.min(a, b), Math.max(a, b)]
        const proof = consistencyRanges(first, second).map(of)
        expect(hex(proof)).toEqual(hex(PROOF(first, LEAVES.slice(0, second))))
        const old = MTH(LEAVES.slice(0, first))
        const now = MTH(LEAVES.slice(0, second))
        expect(verifyConsistency(first, old, second, now, proof)).toBe(true)
        expect(verifyConsistency(first, old, second, now, spoiled(proof, at, how))).toBe(false)
        if (first !== second) expect(verifyConsistency(first, now, second, now, proof)).toBe(false)
      }),
    )
  })
})
