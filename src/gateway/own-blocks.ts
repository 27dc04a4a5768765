import type { ForeignBlocks } from '../exchange/foreign-blocks.js'
import type { BlockStore } from '../vault/blocks/block-store.js'
import { authorOf } from '../vault/envelope.js'

/**
 * What this node gives to anybody who knows a CID: blocks that it made (envelopes, chunks, manifests, grant packages, segments of the
 * log). What is of another author is that author's to give or to withhold, also while a copy of it lies here; what is not here is not
 * looked for elsewhere. All of that is answered alike.
 */
export function ownBlocks(
  blocks: BlockStore,
  foreign: Pick<ForeignBlocks, 'has'>,
  author: Uint8Array,
): (cid: string) => Promise<Uint8Array | undefined> {
  return async (cid) => {
    const [here, others] = await Promise.all([blocks.has([cid]), foreign.has(cid)])
    if (others || !here.has(cid)) return undefined
    const block = (await blocks.get([cid])).get(cid)
    if (block === undefined) return undefined
    const by = authorOf(block)
    return by === null || Buffer.compare(by, author) === 0 ? block : undefined
  }
}
