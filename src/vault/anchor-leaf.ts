import { hash } from 'node:crypto'
import { cidBytes } from './cid.js'
import { type RecordVersion, u32 } from './payload.js'

/**
 * What a record is on chain: salt (32) ‖ CID (36) ‖ u32be version ‖ author (32) ‖ id (UTF-8, `Type/id`). Every part but the
 * last has a fixed length, so no two records share the bytes. Without the salt its hash says nothing about the record.
 */
export function leafOf(salt: Uint8Array, cid: string, record: RecordVersion, author: Uint8Array): Uint8Array {
  return Buffer.concat([salt, cidBytes(cid), u32(record.version), author, Buffer.from(record.id)])
}

/** The leaf hash in the batch's tree, as `RecordAnchors.leafHashOf` makes it: SHA-256(00 ‖ leaf). */
export function anchorLeaf(salt: Uint8Array, cid: string, record: RecordVersion, author: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([LEAF, leafOf(salt, cid, record, author)]), 'buffer')
}

const LEAF = Uint8Array.of(0)
