import type { Block } from '../cid.js'
import type { BlockStore } from './block-store.js'

/**
 * A bounded cache of ciphertext in front of a store. A CID means the same bytes for ever, so what is in here is never
 * stale; what is deleted leaves it first, and a read that was under way then does not bring it back.
 */
export class CachedBlockStore implements BlockStore {
  /** Least recently used first: a Map keeps the order of insertion. */
  readonly #cache = new Map<string, Uint8Array>()
  /** For each read under way, what was deleted since it began. */
  readonly #reads = new Set<Set<string>>()
  #bytes = 0

  /** @param maxBytes of blocks, without the names */
  constructor(
    private readonly store: BlockStore,
    private readonly maxBytes: number,
  ) {}

  async put(blocks: readonly Block[]): Promise<void> {
    const deleted = new Set<string>()
    this.#reads.add(deleted)
    await this.store.put(blocks).finally(() => this.#reads.delete(deleted))
    for (const { cid, bytes } of blocks) if (!deleted.has(cid)) this.#keep(cid, bytes)
  }

  async get(cids: readonly string[]): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    const missing: string[] = []
    for (const cid of cids) {
      const bytes = this.#cache.get(cid)
      if (bytes === undefined) missing.push(cid)
      else {
        found.set(cid, bytes)
        this.#cache.delete(cid)
        this.#cache.set(cid, bytes)
      }
    }
    if (missing.length === 0) return found
    const deleted = new Set<string>()
    this.#reads.add(deleted)
    const fetched = await this.store.get(missing).finally(() => this.#reads.delete(deleted))
    for (const [cid, bytes] of fetched) {
      found.set(cid, bytes)
      if (!deleted.has(cid)) this.#keep(cid, bytes)
    }
    return found
  }

  async has(cids: readonly string[]): Promise<Set<string>> {
    const missing = cids.filter((cid) => !this.#cache.has(cid))
    const stored = missing.length === 0 ? new Set<string>() : await this.store.has(missing)
    return new Set(cids.filter((cid) => this.#cache.has(cid) || stored.has(cid)))
  }

  async delete(cids: readonly string[]): Promise<void> {
    for (const cid of cids) {
      this.#drop(cid)
      for (const deleted of this.#reads) deleted.add(cid)
    }
    await this.store.delete(cids)
    // A read that began before the store had deleted them may have finished meanwhile.
    for (const cid of cids) this.#drop(cid)
  }

  requireReady(): Promise<void> {
    return this.store.requireReady()
  }

  list(): AsyncIterable<string> {
    return this.store.list()
  }

  close(): Promise<void> {
    this.#cache.clear()
    this.#bytes = 0
    return this.store.close()
  }

  #keep(cid: string, bytes: Uint8Array): void {
    this.#drop(cid)
    if (bytes.length > this.maxBytes) return
    // A view would keep the whole buffer that it is of.
    const own = bytes.buffer.byteLength > 2 * bytes.length ? bytes.slice() : bytes
    this.#cache.set(cid, own)
    this.#bytes += own.length
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
