import { createHash } from 'node:crypto'
import { cidBytes } from './envelope.js'
import { type RecordVersion, u32 } from './payload.js'

/**
 * The leaf of a record in its batch on chain, `RecordAnchors.leafHashOf`: SHA-256(00 ‖ salt (32) ‖ CID (36) ‖ u32be
 * version ‖ author (32) ‖ id). Without the salt it says nothing about the record.
 */
export function anchorLeaf(salt: Uint8Array, cid: string, record: RecordVersion, author: Uint8Array): Uint8Array {
  return createHash('sha256')
    .update(LEAF)
    .update(salt)
    .update(cidBytes(cid))
    .update(u32(record.version))
    .update(author)
    .update(record.id)
    .digest()
}

const LEAF = Uint8Array.of(0)
