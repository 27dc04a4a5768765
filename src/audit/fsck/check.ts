import type { PartyId } from '../../consent/permit.js'
import type { Hex } from '../../ledger/hex.js'
import type { LedgerReader } from '../../ledger/reads.js'
import type { Database } from '../../records/database.js'
import type { StoredVersion } from '../../records/types.js'
import type { BlockStore } from '../../vault/blocks/block-store.js'
import type { ChainHistory } from './chain-history.js'

/** Something that is not as it must be. */
export interface Finding {
  readonly check: string
  /** Which row, leaf, block or event. Names no content. */
  readonly where: string
  readonly what: string
}

/** A line of a public manifest, as the exchange decodes it. */
export interface DecodedManifest {
  readonly entity: string
  readonly entries: readonly { readonly cid: string; readonly leaf: Uint8Array }[]
}

/** A receipt of a re-encryption proxy, as the exchange reads it: its form was looked at, and nothing else. */
export interface ToldReceipt {
  readonly sequence: number
  readonly kind: 'stored' | 'reencrypted' | 'denied' | 'deleted'
  readonly proxy: Hex
  readonly patient: Hex
  readonly grantee: Hex
  /** bytes32 of the ledger. */
  readonly label: string
  /** Seconds since the epoch, by the proxy's clock. */
  readonly at: number
  /** Logical id of the AuditEvent that tells of the request. */
  readonly event: string
  /** SHA-256 in base64. */
  readonly capsules: readonly string[]
  /** Hash of the receipt before, base64; empty for the first. */
  readonly previous: string
  readonly hash: string
  isSignedBy(key: Uint8Array): boolean
}

/** What is compared with what. */
export interface Material {
  readonly entity: PartyId
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  readonly database: Database
  readonly blocks: BlockStore
  readonly reader: LedgerReader
  readonly history: ChainHistory
  /** 33-byte keys that sign envelopes of this author; none known: its signatures are not checked. */
  readonly authorKeys: (author: Hex) => Promise<readonly Uint8Array[]>
  /** Opens a record of the trail. @throws ConsentryError `integrity` */
  readonly openTrail: (row: StoredVersion) => Promise<Uint8Array>
  /** @throws ConsentryError `integrity` */
  readonly decodeManifest: (block: Uint8Array) => DecodedManifest
  /** @throws ConsentryError `integrity` */
  readonly readReceipt: (receipt: unknown) => ToldReceipt
  /**
   * What a proxy says that it did, from a number on, page by page; of what concerns others the hash alone.
   * @throws ConsentryError `unavailable` when it does not answer, `integrity` for what is no receipt
   */
  readonly askReceipts: (
    proxy: { readonly id: Hex; readonly endpoint: string },
    since: number,
  ) => Promise<readonly (ToldReceipt | { readonly sequence: number; readonly hash: string })[]>
}

/** Yields what it finds, returns what it looked at. */
export type Check = (material: Material) => AsyncGenerator<Finding, string>

export const PAGE = 500

export function hex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString('hex')}`
}

export function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

/** What went wrong, in the words of whoever refused. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
