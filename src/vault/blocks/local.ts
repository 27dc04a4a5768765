import { mkdir, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ConsentryError } from '../../errors.js'
import { type Block, cidText, readCid, requireBlock, requireDigest, sha256 } from '../cid.js'
import { type BlockStore, MAX_STORED_BLOCK } from './block-store.js'
import { DigestIndex, type Place } from './digest-index.js'
import { LIVE, type NewEntry } from './frame.js'
import { GroupCommit } from './group-commit.js'
import { readTogether } from './read-together.js'
import { Segment, type Stored } from './segment.js'

export interface LocalBlockStoreOptions {
  /** A segment takes no more blocks above this size; bytes. */
  readonly segmentBytes?: number
}

const SEGMENT_BYTES = 128 * 1024 * 1024
/**
 * Blocks in append-only segments of a directory, found through an index in memory. There is one writer: what all `put`
 * calls bring while the disk is busy is one frame, one write and one fdatasync. Nothing else guards the directory
 * against a second process; the data directory is locked as a whole.
 */
export class LocalBlockStore implements BlockStore {
  readonly #index = new DigestIndex()
  readonly #segments = new Map<number, Segment>()
  readonly #writer = new GroupCommit<readonly NewEntry[], readonly Uint8Array[]>(
    (group) => writing(this.#append(group.flat())),
    (group) => writing(this.#erase(group.flat())),
  )
  /** Number of the segment that is written to. */
  #active: number | null = null
  /** Bytes that recovery could not read as frames: blocks are missing. */
  #damaged = 0
  #closed = false

  private constructor(
    private readonly directory: string,
    private readonly segmentBytes: number,
  ) {}

  static async open(
    directory: string,
    { segmentBytes = SEGMENT_BYTES }: LocalBlockStoreOptions = {},
  ): Promise<LocalBlockStore> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const store = new LocalBlockStore(directory, segmentBytes)
    const numbers = (await readdir(directory)).flatMap((name) => /^(\d{8})\.seg$/.exec(name)?.[1] ?? []).map(Number)
    for (const number of numbers.sort((a, b) => a - b)) await store.#recover(number)
    store.#active = numbers.at(-1) ?? null
    return store
  }

  /** Blocks, and bytes of the files; `dead` ones are freed when a segment is half dead, `damaged` ones were not readable at the start. */
  get figures(): { blocks: number; bytes: number; dead: number; damaged: number } {
    const all = [...this.#segments.values()]
    const sum = (of: (segment: Segment) => number) => all.reduce((total, segment) => total + of(segment), 0)
    return { blocks: this.#index.size, bytes: sum((s) => s.size), dead: sum((s) => s.dead), damaged: this.#damaged }
  }

  async put(blocks: readonly Block[]): Promise<void> {
    if (blocks.length === 0) return
    this.#requireOpen()
    const bytes = blocks.reduce((sum, block) => sum + block.bytes.length, 0)
    await this.#writer.do({ put: blocks.map(newEntry), bytes })
  }

  async get(cids: readonly string[]): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    const wanted = [...new Set(cids)].flatMap((cid) => {
      const digest = digestOf(cid)
      const place = this.#index.get(digest)
      return place === undefined ? [] : [{ cid, digest, place }]
    })
    const read = (segment: number, offset: number, length: number) =>
      (this.#segments.get(segment) as Segment).read(offset, length)
    for (const [{ cid, digest, place }, bytes] of await readTogether(wanted, read)) {
      if (Buffer.compare(sha256(bytes), digest) === 0) found.set(cid, bytes)
      // What was deleted or moved while it was read is no damage.
      else if (samePlace(this.#index.get(digest), place)) requireDigest(cid, sha256(bytes))
    }
    return found
  }

  async has(cids: readonly string[]): Promise<Set<string>> {
    return new Set(cids.filter((cid) => this.#index.get(digestOf(cid)) !== undefined))
  }

  async delete(cids: readonly string[]): Promise<void> {
    if (cids.length === 0) return
    this.#requireOpen()
    await this.#writer.do({ delete: cids.map(digestOf) })
  }

  async *list(): AsyncIterable<string> {
    for (const [digest, { codec }] of this.#index.entries()) yield cidText(codec, digest)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#writer.idle()
    if (this.#active !== null) await this.#segments.get(this.#active)?.finish()
    await Promise.all(Array.from(this.#segments.values(), (segment) => segment.close()))
    this.#segments.clear()
  }

  async #recover(number: number): Promise<void> {
    const { segment, entries, damaged } = await Segment.recover(this.#path(number))
    this.#segments.set(number, segment)
    this.#damaged += damaged
    for (const entry of entries) {
      const older = this.#index.get(entry.digest)
      // Written twice: a crash came between a failed write or a moved segment and the end of the old file.
      if (older !== undefined) await this.#segments.get(older.segment)?.erase([older])
      this.#place(number, entry)
    }
  }

  async requireReady(): Promise<void> {
    this.#requireOpen()
  }

  #requireOpen(): void {
    if (this.#closed) throw new ConsentryError('unavailable', 'The block store is closed.')
  }

  async #append(blocks: readonly NewEntry[]): Promise<void> {
    const fresh = new Map<string, NewEntry>()
    for (const block of blocks) {
      if (this.#index.get(block.digest) === undefined) fresh.set(Buffer.from(block.digest).toString('latin1'), block)
    }
    if (fresh.size === 0) return
    const [number, segment] = await this.#writable()
    try {
      for (const entry of await segment.append([...fresh.values()])) this.#place(number, entry)
    } catch (error) {
      // Its end is not to be trusted any more: the next write begins a new file.
      this.#active = null
      await segment.abandon().catch(() => undefined)
      throw error
    }
  }

  async #erase(digests: readonly Uint8Array[]): Promise<void> {
    const bySegment = new Map<number, Map<number, { digest: Uint8Array; place: Place }>>()
    for (const digest of digests) {
      const place = this.#index.get(digest)
      if (place === undefined) continue
      const places = bySegment.get(place.segment) ?? new Map<number, { digest: Uint8Array; place: Place }>()
      bySegment.set(place.segment, places.set(place.offset, { digest, place }))
    }
    for (const [number, places] of bySegment) {
      const segment = this.#segments.get(number) as Segment
      const doomed = [...places.values()]
      await segment.erase(doomed.map(({ place }) => place))
      for (const { digest } of doomed) this.#index.delete(digest)
      if (number !== this.#active && segment.dead * 2 > segment.size) await this.#compact(number, segment)
    }
  }

  /** Moves what is alive to the active segment and frees the file. An altered block stays where fsck finds it. */
  async #compact(number: number, segment: Segment): Promise<void> {
    const live = segment.entries().filter(({ digest, offset, state }) => {
      const place = this.#index.get(digest)
      return state === LIVE && place?.segment === number && place.offset === offset
    })
    const blocks: NewEntry[] = []
    for (const { digest, codec, offset, length } of live) {
      const bytes = await segment.read(offset, length)
      if (Buffer.compare(sha256(bytes), digest) !== 0) return
      blocks.push({ digest, codec, bytes })
    }
    if (blocks.length > 0) {
      const [target, active] = await this.#writable()
      for (const entry of await active.append(blocks)) this.#place(target, entry)
    }
    this.#segments.delete(number)
    await segment.remove()
    await this.#syncDirectory()
  }

  async #writable(): Promise<[number, Segment]> {
    const active = this.#active === null ? undefined : this.#segments.get(this.#active)
    if (active !== undefined && active.size < this.segmentBytes) return [this.#active as number, active]
    await active?.finish()
    const number = Math.max(0, ...this.#segments.keys()) + 1
    const segment = await Segment.create(this.#path(number))
    await this.#syncDirectory()
    this.#segments.set(number, segment)
    this.#active = number
    return [number, segment]
  }

  #place(segment: number, { digest, offset, stateAt, length, codec }: Stored): void {
    this.#index.set(digest, { segment, offset, stateAt, length, codec })
  }

  #path(number: number): string {
    return join(this.directory, `${String(number).padStart(8, '0')}.seg`)
  }

  async #syncDirectory(): Promise<void> {
    const handle = await open(this.directory, 'r')
    await handle.sync().finally(() => handle.close())
  }
}

async function writing(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (cause) {
    throw new ConsentryError('unavailable', 'The block store cannot write.', { cause, retryAfterSeconds: 30 })
  }
}

function newEntry({ cid, bytes }: Block): NewEntry {
  if (bytes.length > MAX_STORED_BLOCK) {
    throw new ConsentryError('too-large', `A block of ${bytes.length} bytes is above the limit of ${MAX_STORED_BLOCK}.`)
  }
  requireBlock(cid, bytes)
  return { ...readCid(cid), bytes }
}

function digestOf(cid: string): Uint8Array {
  return readCid(cid).digest
}

function samePlace(a: Place | undefined, b: Place): boolean {
  return a !== undefined && a.segment === b.segment && a.offset === b.offset
}
