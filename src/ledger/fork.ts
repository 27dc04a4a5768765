import { blockRef, headerCall, parseHeader, type BlockRef } from './chain.js'
import type { Rpc } from './rpc.js'
import type { ChainSink } from './sink.js'

/** Blocks compared with the node per request while a fork point is looked for. */
const STRIDE = 32
/** Blocks that a sink is expected to remember; a deeper fork is replayed from the first block. */
export const REMEMBERED_BLOCKS = 1024

/**
 * The highest block that both the sink and the node's present chain hold, looking down from `from`. Numbers that the
 * sink does not remember are passed over. `floor` (the block before the contracts) when nothing above it is shared.
 */
export async function findFork(
  rpc: Rpc,
  sink: Pick<ChainSink, 'knownHash'>,
  from: number,
  floor: BlockRef,
): Promise<BlockRef> {
  const lowest = Math.max(floor.number + 1, from - REMEMBERED_BLOCKS)
  for (let top = from; top >= lowest; top -= STRIDE) {
    const numbers = Array.from({ length: Math.min(STRIDE, top - lowest + 1) }, (_, i) => top - i)
    const answers = await rpc.all(numbers.map(headerCall))
    for (const raw of answers) {
      const block = parseHeader(raw)
      if (block && (await sink.knownHash(block.number)) === block.hash) return blockRef(block)
    }
  }
  return floor
}
