import * as dagCbor from '@ipld/dag-cbor'
import type { PartyId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { Database } from '../records/database.js'
import { type Block, MAX_BLOCK, rawBlock } from '../vault/envelope.js'
import type { SealInline } from './audit-trail.js'

/** One leaf of the log with its sealed body; `null`: erased. */
export type SegmentEntry = readonly [leaf: Uint8Array, body: Uint8Array | null]

/**
 * A part of the log as it rests on IPFS: one raw block of dag-cbor. Whoever has the keystore can rebuild the audit trail
 * from its segments; everyone else can compare leaf hashes with the head on chain.
 */
export interface Segment {
  readonly v: 1
  readonly entity: Uint8Array
  /** Index of the first leaf. */
  readonly first: number
  readonly entries: readonly SegmentEntry[]
  /** Sealed like the bodies: the salts of the leaves, 32 bytes each (zeros: erased), one after the other. */
  readonly salts: Uint8Array
}

/** Room for the salts, the frame and the tags of dag-cbor. */
const ENTRY_OVERHEAD = 32 + 32 + 16
const SEGMENT_OVERHEAD = 4_096
/** Leaves read at once. */
const PAGE = 512

/** The blocks that hold leaves `from` (included) to `to` (not included); the same leaves may be sealed again after a crash. */
export async function segmentBlocks(
  database: Database,
  entity: PartyId,
  seal: SealInline,
  from: number,
  to: number,
): Promise<Block[]> {
  const blocks: Block[] = []
  let held: LeafRow[] = []
  let bytes = SEGMENT_OVERHEAD
  const flush = async (): Promise<void> => {
    const [first] = held
    if (first !== undefined) blocks.push(await encodeSegment(entity, seal, Number(first.leaf_index), held))
    held = []
    bytes = SEGMENT_OVERHEAD
  }
  for (let at = from; at < to; at += PAGE) {
    for (const row of await leafRows(database, at, Math.min(at + PAGE, to))) {
      const size = ENTRY_OVERHEAD + (row.body?.length ?? 0)
      if (bytes + size > MAX_BLOCK) await flush()
      held.push(row)
      bytes += size
    }
  }
  await flush()
  return blocks
}

interface LeafRow {
  readonly leaf_index: bigint
  readonly hash: Buffer
  readonly salt: Buffer | null
  readonly body: Buffer | null
}

async function leafRows(database: Database, from: number, to: number): Promise<LeafRow[]> {
  const { rows } = await database.query<LeafRow>(
    `SELECT l.leaf_index, l.hash, l.salt, v.body FROM audit_leaf l
     LEFT JOIN resource_version v ON v.resource_pk = l.resource_pk AND v.version = 1
     WHERE l.leaf_index >= $1 AND l.leaf_index < $2 ORDER BY l.leaf_index`,
    [from, to],
  )
  return rows
}

async function encodeSegment(
  entity: PartyId,
  seal: SealInline,
  first: number,
  rows: readonly LeafRow[],
): Promise<Block> {
  const salts = Buffer.concat(rows.map(({ salt }) => salt ?? Buffer.alloc(32)))
  const [sealed] = await seal([{ id: `AuditSegment/${first}`, version: 1, body: salts, patient: null }])
  const segment: Segment = {
    v: 1,
    entity: Uint8Array.from(Buffer.from(entity.slice(2), 'hex')),
    first,
    entries: rows.map(({ hash, body }): SegmentEntry => [
      Uint8Array.from(hash),
      body === null ? null : Uint8Array.from(body),
    ]),
    salts: Uint8Array.from((sealed as { body: Uint8Array }).body),
  }
  return rawBlock(dagCbor.encode(segment))
}

/** @throws ConsentryError `integrity` for anything else */
export function decodeSegment(block: Uint8Array): Segment {
  try {
    const segment = dagCbor.decode<Segment>(block)
    if (segment.v === 1 && Array.isArray(segment.entries) && typeof segment.first === 'number') return segment
  } catch {
    // told below
  }
  throw new ConsentryError('integrity', 'The block is not a segment of the audit log.')
}
