import type { AuditLeaves } from '../records/audit-leaves.js'
import type { Database } from '../records/database.js'
import {
  completeRoot,
  completeSubtrees,
  consistencyRanges,
  foldPeaks,
  Frontier,
  type HashedSubtree,
  inclusionRanges,
  type LeafRange,
  type Subtree,
} from './rfc9162.js'

/** Kept are the complete subtrees of 2^8, 2^16, … leaves. */
const TILE = 8
const TILE_SIZE = 2 ** TILE
/** Leaves read at once when a start catches up. */
const CATCH_UP = 4_096

/**
 * The tree over the numbered leaves: an incremental frontier in memory, and in the database the roots of its complete
 * subtrees of 256, 65,536, … leaves. A proof in a log of n leaves reads at most 256 hashes for each 8 bits of n; a start
 * reads as many.
 */
export class LogTree {
  #frontier = new Frontier()
  /** Completed and not in the database yet: waits there while the database is away. */
  #unkept: HashedSubtree[] = []

  constructor(
    private readonly database: Database,
    private readonly leaves: AuditLeaves,
  ) {}

  /** Of the leaves appended so far. */
  get size(): number {
    return this.#frontier.size
  }

  root(): Uint8Array {
    return this.#frontier.root()
  }

  /** Begins where the subtrees end that an earlier run has kept, and appends the leaves that were numbered since. */
  async recover(): Promise<void> {
    const { rows } = await this.database.query<{ tiles: bigint }>(
      'SELECT coalesce(max(position) + 1, 0) AS tiles FROM audit_node WHERE level = $1',
      [TILE],
    )
    const peaks = completeSubtrees({ from: 0, to: Number(rows[0]?.tiles) * TILE_SIZE })
    const hashes = await this.#hashes(peaks)
    this.#frontier = new Frontier(peaks.map((peak, i): HashedSubtree => ({ ...peak, hash: hashes[i] as Uint8Array })))
    await this.catchUp()
  }

  /** Appends every numbered leaf that is not in the tree yet, whoever numbered it. */
  async catchUp(): Promise<void> {
    for (;;) {
      const next = await this.leaves.range(this.size, this.size + CATCH_UP)
      if (next.length === 0) return this.#keep()
      for (const { index, hash } of next) {
        if (index !== this.size) throw new Error(`The log has no leaf ${this.size} although it has leaf ${index}.`)
        this.#unkept.push(...this.#frontier.append(hash).filter(({ level }) => level % TILE === 0))
      }
      await this.#keep()
    }
  }

  inclusionProof(index: number, size: number): Promise<Uint8Array[]> {
    return this.#rangeHashes(inclusionRanges(index, size))
  }

  consistencyProof(first: number, second: number): Promise<Uint8Array[]> {
    return this.#rangeHashes(first === 0 ? [] : consistencyRanges(first, second))
  }

  async rootAt(size: number): Promise<Uint8Array> {
    if (size === this.size) return this.root()
    const [root] = await this.#rangeHashes([{ from: 0, to: size }])
    return root as Uint8Array
  }

  async #rangeHashes(ranges: readonly LeafRange[]): Promise<Uint8Array[]> {
    const parts = ranges.map(completeSubtrees)
    const hashes = await this.#hashes(parts.flat())
    let at = 0
    return parts.map((part) => foldPeaks(hashes.slice(at, (at += part.length))))
  }

  /** Each from the kept hashes below it: at most 128. */
  async #hashes(subtrees: readonly Subtree[]): Promise<Uint8Array[]> {
    return Promise.all(
      subtrees.map(async ({ level, position }) => {
        const below = level - (level % TILE)
        const width = 2 ** (level - below)
        const hashes = await this.#row(below, position * width, (position + 1) * width)
        if (hashes.length !== width) throw new Error(`The log lacks a part of subtree ${position} at level ${level}.`)
        return completeRoot(hashes)
      }),
    )
  }

  async #row(level: number, from: number, to: number): Promise<Uint8Array[]> {
    if (level === 0) return (await this.leaves.range(from, to)).map(({ hash }) => hash)
    const { rows } = await this.database.query<{ hash: Buffer }>(
      'SELECT hash FROM audit_node WHERE level = $1 AND position >= $2 AND position < $3 ORDER BY position',
      [level, from, to],
    )
    return rows.map(({ hash }) => hash)
  }

  async #keep(): Promise<void> {
    const completed = this.#unkept
    if (completed.length === 0) return
    await this.database.query(
      `INSERT INTO audit_node (level, position, hash) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
       ON CONFLICT DO NOTHING`,
      [
        completed.map(({ level }) => level),
        completed.map(({ position }) => BigInt(position)),
        completed.map(({ hash }) => Buffer.from(hash)),
      ],
    )
    this.#unkept = []
  }
}
