import { ConsentryError } from '../errors.js'
import type { BlockStore } from '../vault/blocks/block-store.js'
import { MAX_BLOCK, requireBlock } from '../vault/envelope.js'
import { boundedBody } from './bounded-body.js'
import { urlBelow } from './url-below.js'

const TIMEOUT = 10_000
const PARALLEL = 12

/**
 * Blocks of other entities: from our own store (on IPFS the same network), else from the trustless gateways that the
 * entities name on the ledger (https://specs.ipfs.tech/http-gateways/trustless-gateway/). Whoever serves a block, its CID
 * tells whether it is the right one.
 */
export class RemoteBlocks {
  constructor(private readonly store: BlockStore) {}

  /** @param endpoints asked one after the other for what is missing. @throws ConsentryError `unavailable` if a block is nowhere */
  async get(cids: readonly string[], endpoints: readonly string[]): Promise<Map<string, Uint8Array>> {
    const found = await this.store.get(cids)
    const queue = cids.filter((cid) => !found.has(cid))
    const fetchNext = async (): Promise<void> => {
      for (let cid = queue.pop(); cid !== undefined; cid = queue.pop()) found.set(cid, await fetchBlock(cid, endpoints))
    }
    await Promise.all(Array.from({ length: PARALLEL }, fetchNext))
    return found
  }
}

async function fetchBlock(cid: string, endpoints: readonly string[]): Promise<Uint8Array> {
  for (const endpoint of endpoints) {
    try {
      const url = `${urlBelow(endpoint, `ipfs/${cid}`)}?format=raw`
      const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT) })
      const bytes = response.ok ? await boundedBody(response, 8 * MAX_BLOCK) : null
      if (bytes === null) continue
      requireBlock(cid, bytes)
      return bytes
    } catch {
      // the next one may have it
    }
  }
  throw new ConsentryError('unavailable', 'A block of another entity cannot be fetched.', { retryAfterSeconds: 5 })
}
