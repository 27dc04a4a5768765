import type { Block } from '../envelope.js'

/** Where ciphertext rests. Two implementations ship: local.ts and kubo.ts; they give identical CIDs. */
export interface BlockStore {
  /** Resolves when all of the blocks are durable; together or not at all. A block that is there already is no error. */
  put(blocks: readonly Block[]): Promise<void>
  /**
   * The blocks that are there, each checked against its CID; missing ones are absent from the map.
   * @throws ConsentryError `integrity` for an altered block, `unavailable` when the store is down
   */
  get(cids: readonly string[]): Promise<Map<string, Uint8Array>>
  /** Forgets blocks for good: what was stored is overwritten or freed. */
  delete(cids: readonly string[]): Promise<void>
  /** CIDs of all blocks, for fsck. */
  list(): AsyncIterable<string>
  close(): Promise<void>
}
