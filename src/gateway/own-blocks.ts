import type { BlockStore } from '../vault/blocks/block-store.js'
import { authorOf } from '../vault/envelope.js'

/**
 * What this node gives to anybody who knows a CID: blocks that it made. An envelope of another author is that
 * author's to give or to withhold, also while a copy of it lies here.
 */
export function ownBlocks(blocks: BlockStore, author: Uint8Array): (cid: string) => Promise<Uint8Array | undefined> {
  return async (cid) => {
    const block = (await blocks.get([cid])).get(cid)
    if (block === undefined) return undefined
    const by = authorOf(block)
    return by === null || Buffer.compare(by, author) === 0 ? block : undefined
  }
}
