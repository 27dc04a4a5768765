import { CarWriter } from '@ipld/car'
import { create, type KuboRPCClient } from 'kubo-rpc-client'
import { CID } from 'multiformats/cid'
import { ConsentryError } from '../../errors.js'
import { type Block, chunkLinksOf, requireBlock } from '../envelope.js'
import type { BlockStore } from './block-store.js'

/** Milliseconds to wait for a block that this node may have to fetch from others. */
const GET_TIMEOUT = 10_000
const PARALLEL = 16

/** Blocks on a Kubo node through its RPC API (https://docs.ipfs.tech/reference/kubo/rpc/). */
export class KuboBlockStore implements BlockStore {
  readonly #client: KuboRPCClient

  constructor(url: string) {
    this.#client = create({ url })
  }

  /** One CAR (https://ipld.io/specs/transport/car/carv1/) and one dag/import for all blocks; envelopes are pinned with what they link. */
  async put(blocks: readonly Block[]): Promise<void> {
    if (blocks.length === 0) return
    const linked = new Set(blocks.flatMap(({ bytes, cid }) => chunkLinksOf(cid, bytes)))
    const roots = blocks.filter(({ cid }) => !linked.has(cid)).map(({ cid }) => CID.parse(cid))
    const { writer, out } = CarWriter.create(roots)
    const written = (async () => {
      for (const { cid, bytes } of blocks) await writer.put({ cid: CID.parse(cid), bytes })
      await writer.close()
    })()
    await this.#ask(async () => {
      for await (const { root } of this.#client.dag.import(out, { pinRoots: true })) {
        if (root.pinErrorMsg) throw new Error(root.pinErrorMsg)
      }
      await written
    })
  }

  async get(cids: readonly string[]): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    const queue = [...new Set(cids)]
    const fetchNext = async (): Promise<void> => {
      for (let cid = queue.pop(); cid !== undefined; cid = queue.pop()) {
        const bytes = await this.#getOne(cid)
        if (bytes === null) continue
        requireBlock(cid, bytes)
        found.set(cid, bytes)
      }
    }
    await Promise.all(Array.from({ length: PARALLEL }, fetchNext))
    return found
  }

  async delete(cids: readonly string[]): Promise<void> {
    await this.#ask(async () => {
      for (const cid of cids) {
        // Not pinned by itself: a linked block, or deleted before.
        await this.#client.pin.rm(CID.parse(cid)).catch(() => undefined)
      }
      for await (const { error } of this.#client.block.rm(
        cids.map((cid) => CID.parse(cid)),
        { force: true },
      )) {
        if (error && !/not found/i.test(error.message)) throw error
      }
    })
  }

  async *list(): AsyncIterable<string> {
    for await (const { ref } of this.#client.refs.local()) yield CID.parse(ref).toV1().toString()
  }

  async close(): Promise<void> {}

  async #getOne(cid: string): Promise<Uint8Array | null> {
    try {
      return await this.#client.block.get(CID.parse(cid), { timeout: GET_TIMEOUT })
    } catch (cause) {
      const text = (cause as Error).message
      if (/timed? ?out|deadline|not found|could not find/i.test(text)) return null
      throw unavailable(cause)
    }
  }

  async #ask<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request()
    } catch (cause) {
      throw unavailable(cause)
    }
  }
}

function unavailable(cause: unknown): ConsentryError {
  return new ConsentryError('unavailable', 'The IPFS node does not answer as it should.', {
    cause,
    retryAfterSeconds: 10,
  })
}
