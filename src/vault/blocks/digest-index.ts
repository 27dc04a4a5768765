import { DAG_CBOR, RAW } from '../cid.js'

/** Where a block lies. */
export interface Place {
  readonly segment: number
  /** Of the block's first byte in the file. */
  readonly offset: number
  readonly length: number
  /** Of the byte that says whether it is deleted. */
  readonly stateAt: number
  /** Multicodec of its CID. */
  readonly codec: number
}

const SHARDS = 64
const DIGEST = 32
/** segment + 1 (0: free), offset, place of the state, length with the codec in the highest bit */
const WORDS = 4
const CODEC_BIT = 0x8000_0000
const FIRST_CAPACITY = 64

/**
 * SHA-256 digests to places, in typed arrays: 48 bytes a slot, 72 to 144 bytes a block, nothing for the garbage collector to walk.
 * 64 shards, so that growing one of them never stops the process for long. Digests are their own hash.
 */
export class DigestIndex {
  readonly #shards = Array.from({ length: SHARDS }, () => new Shard())

  get size(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.count, 0)
  }

  get(digest: Uint8Array): Place | undefined {
    return this.#shard(digest).get(digest)
  }

  set(digest: Uint8Array, place: Place): void {
    this.#shard(digest).set(digest, place)
  }

  delete(digest: Uint8Array): void {
    this.#shard(digest).delete(digest)
  }

  *entries(): Iterable<[digest: Uint8Array, place: Place]> {
    for (const shard of this.#shards) yield* shard.entries()
  }

  #shard(digest: Uint8Array): Shard {
    return this.#shards[(digest[DIGEST - 1] as number) % SHARDS] as Shard
  }
}

/** Open addressing, linear probing, at most two thirds full. */
class Shard {
  count = 0
  #capacity = FIRST_CAPACITY
  #digests = new Uint8Array(FIRST_CAPACITY * DIGEST)
  #words = new Uint32Array(FIRST_CAPACITY * WORDS)

  get(digest: Uint8Array): Place | undefined {
    const slot = this.#find(digest)
    return this.#words[slot * WORDS] === 0 ? undefined : this.#placeAt(slot)
  }

  set(digest: Uint8Array, { segment, offset, stateAt, length, codec }: Place): void {
    if ((this.count + 1) * 3 > this.#capacity * 2) this.#grow()
    const slot = this.#find(digest)
    if (this.#words[slot * WORDS] === 0) this.count++
    this.#digests.set(digest, slot * DIGEST)
    this.#words.set([segment + 1, offset, stateAt, (length | (codec === RAW ? CODEC_BIT : 0)) >>> 0], slot * WORDS)
  }

  /** Closes the gap, so that every digest stays reachable from its home slot without a gap between. */
  delete(digest: Uint8Array): void {
    let gap = this.#find(digest)
    if (this.#words[gap * WORDS] === 0) return
    this.count--
    for (let next = this.#after(gap); this.#words[next * WORDS] !== 0; next = this.#after(next)) {
      const home = this.#home(this.#digests.subarray(next * DIGEST))
      const between = gap < next ? home > gap && home <= next : home > gap || home <= next
      if (between) continue
      this.#digests.copyWithin(gap * DIGEST, next * DIGEST, (next + 1) * DIGEST)
      this.#words.copyWithin(gap * WORDS, next * WORDS, (next + 1) * WORDS)
      gap = next
    }
    this.#words[gap * WORDS] = 0
  }

  *entries(): Iterable<[Uint8Array, Place]> {
    for (let slot = 0; slot < this.#capacity; slot++) {
      if (this.#words[slot * WORDS] === 0) continue
      yield [this.#digests.slice(slot * DIGEST, (slot + 1) * DIGEST), this.#placeAt(slot)]
    }
  }

  /** The slot of the digest, or the free one where it belongs. */
  #find(digest: Uint8Array): number {
    let slot = this.#home(digest)
    while (this.#words[slot * WORDS] !== 0 && !this.#holds(slot, digest)) slot = this.#after(slot)
    return slot
  }

  #holds(slot: number, digest: Uint8Array): boolean {
    const at = slot * DIGEST
    for (let i = 0; i < DIGEST; i++) if (this.#digests[at + i] !== digest[i]) return false
    return true
  }

  #home(digest: Uint8Array): number {
    const [a = 0, b = 0, c = 0, d = 0] = digest
    return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) & (this.#capacity - 1)
  }

  #after(slot: number): number {
    return (slot + 1) & (this.#capacity - 1)
  }

  #placeAt(slot: number): Place {
    const [segment = 0, offset = 0, stateAt = 0, size = 0] = this.#words.subarray(slot * WORDS, (slot + 1) * WORDS)
    return {
      segment: segment - 1,
      offset,
      stateAt,
      length: (size & ~CODEC_BIT) >>> 0,
      codec: (size & CODEC_BIT) === 0 ? DAG_CBOR : RAW,
    }
  }

  #grow(): void {
    const old = [...this.entries()]
    this.#capacity *= 2
    this.#digests = new Uint8Array(this.#capacity * DIGEST)
    this.#words = new Uint32Array(this.#capacity * WORDS)
    this.count = 0
    for (const [digest, place] of old) this.set(digest, place)
  }
}
