import type { Block } from '../cid.js'

/** Where ciphertext rests. Two implementations ship: local.ts and kubo.ts; they give identical CIDs. */
export interface BlockStore {
  /**
   * Resolves when all of the blocks are durable; together or not at all. A block that is there already is no error.
   * @throws ConsentryError `unavailable` when the store cannot write or does not answer, `too-large` above 1 MiB a block
   */
  put(blocks: readonly Block[]): Promise<void>
  /**
   * The blocks that are there, each checked against its CID; missing ones are absent from the map.
   * @throws ConsentryError `integrity` for an altered block, `unavailable` when the store is down
   */
  get(cids: readonly string[]): Promise<Map<string, Uint8Array>>
  /** Which of the blocks are there, without asking other nodes and without reading them. */
  has(cids: readonly string[]): Promise<Set<string>>
  /** Forgets blocks for good: what was stored is overwritten or freed when it resolves. Missing ones are no error. */
  delete(cids: readonly string[]): Promise<void>
  /** @throws ConsentryError `unavailable` when blocks can be neither read nor written now */
  requireReady(): Promise<void>
  /** CIDs of all blocks, for fsck. */
  list(): AsyncIterable<string>
  close(): Promise<void>
}

/** What every IPFS implementation takes as one block. */
export const MAX_STORED_BLOCK = 1024 * 1024
