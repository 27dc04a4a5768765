import type { Block } from '../envelope.js'
import type { BlockStore } from './block-store.js'

/**
 * A bounded cache of ciphertext in front of a store. A CID means the same bytes for ever, so what is in here is never
 * stale; deleting removes it here first.
 */
export class CachedBlockStore implements BlockStore {
  readonly #cache = new Map<string, Uint8Array>()
  #bytes = 0

  constructor(
    private readonly store: BlockStore,
    private readonly maxBytes: number,
  ) {}

  async put(blocks: readonly Block[]): Promise<void> {
    await this.store.put(blocks)
    for (const { cid, bytes } of blocks) this.#keep(cid, bytes)
  }

  async get(cids: readonly string[]): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    const missing: string[] = []
    for (const cid of cids) {
      const bytes = this.#cache.get(cid)
      if (bytes === undefined) missing.push(cid)
      else {
        found.set(cid, bytes)
        // Last used last: a Map keeps the order of insertion.
        this.#cache.delete(cid)
        this.#cache.set(cid, bytes)
      }
    }
    if (missing.length === 0) return found
    for (const [cid, bytes] of await this.store.get(missing)) {
      found.set(cid, bytes)
      this.#keep(cid, bytes)
    }
    return found
  }

  async delete(cids: readonly string[]): Promise<void> {
    for (const cid of cids) this.#drop(cid)
    await this.store.delete(cids)
    // A read that was under way may have put it back.
    for (const cid of cids) this.#drop(cid)
  }

  list(): AsyncIterable<string> {
    return this.store.list()
  }

  close(): Promise<void> {
    return this.store.close()
  }

  #keep(cid: string, bytes: Uint8Array): void {
    this.#drop(cid)
    this.#cache.set(cid, bytes)
    this.#bytes += bytes.length
    for (const oldest of this.#cache.keys()) {
      if (this.#bytes <= this.maxBytes) break
      this.#drop(oldest)
    }
  }

  #drop(cid: string): void {
    const bytes = this.#cache.get(cid)
    if (bytes === undefined) return
    this.#cache.delete(cid)
    this.#bytes -= bytes.length
  }
}
