import { mkdir, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { ConsentryError } from '../../errors.js'
import { type Block, requireBlock } from '../envelope.js'
import type { BlockStore } from './block-store.js'
import { encodeFrame, HEADER_BYTES, Segment } from './segment.js'

/** A segment is closed to new blocks above this size. */
const SEGMENT_BYTES = 256 * 1024 * 1024

interface Place {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

interface Waiting {
  readonly blocks: readonly Block[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Blocks in append-only segment files of a directory, found through an index in memory. The blocks of all `put` calls
 * that arrive while the disk is busy become durable by one write and one fdatasync.
 */
export class LocalBlockStore implements BlockStore {
  readonly #places = new Map<string, Place>()
  #waiting: Waiting[] = []
  #flushing: Promise<void> | null = null
  /** Why nothing can be written any more. */
  #broken: Error | undefined

  private constructor(
    private readonly directory: string,
    private readonly segments: Segment[],
  ) {}

  static async open(directory: string): Promise<LocalBlockStore> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const names = (await readdir(directory)).filter((name) => /^\d{6}\.blocks$/.test(name)).sort()
    const store = new LocalBlockStore(directory, [])
    for (const name of names.length === 0 ? [fileName(0)] : names) await store.#openSegment(name)
    await syncDirectory(directory)
    return store
  }

  async put(blocks: readonly Block[]): Promise<void> {
    if (blocks.length === 0) return
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ blocks, resolve, reject })
      this.#flushing ??= this.#flush().finally(() => (this.#flushing = null))
    })
  }

  async get(cids: readonly string[]): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    await Promise.all(
      cids.map(async (cid) => {
        const place = this.#places.get(cid)
        if (place === undefined) return
        const bytes = await (this.segments[place.segment] as Segment).read(place)
        requireBlock(cid, bytes)
        found.set(cid, bytes)
      }),
    )
    return found
  }

  async delete(cids: readonly string[]): Promise<void> {
    const touched = new Set<Segment>()
    for (const cid of cids) {
      const place = this.#places.get(cid)
      if (place === undefined) continue
      this.#places.delete(cid)
      const segment = this.segments[place.segment] as Segment
      await segment.erase(place)
      touched.add(segment)
    }
    for (const segment of touched) await segment.sync()
  }

  async *list(): AsyncIterable<string> {
    yield* [...this.#places.keys()]
  }

  async close(): Promise<void> {
    await this.#flushing
    await Promise.all(this.segments.map((segment) => segment.close()))
  }

  async #openSegment(name: string): Promise<void> {
    const { segment, frames } = await Segment.open(join(this.directory, name))
    const number = this.segments.push(segment) - 1
    for (const { cid, offset, length, live } of frames) {
      if (live) this.#places.set(CID.decode(cid).toString(), { segment: number, offset, length })
    }
  }

  async #flush(): Promise<void> {
    // Let everyone who is ready now take part in the same write.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      try {
        await this.#append(group.flatMap(({ blocks }) => blocks))
        for (const { resolve } of group) resolve()
      } catch (cause) {
        this.#broken ??= cause as Error
        const error = new ConsentryError('unavailable', 'The block store cannot write.', {
          cause,
          retryAfterSeconds: 30,
        })
        for (const { reject } of group) reject(error)
      }
    }
  }

  async #append(blocks: readonly Block[]): Promise<void> {
    // After a failed write the end of the file is unknown; a restart cuts it off and begins anew.
    if (this.#broken !== undefined) throw this.#broken
    const fresh = [...new Map(blocks.map((block) => [block.cid, block])).values()].filter(
      ({ cid }) => !this.#places.has(cid),
    )
    if (fresh.length === 0) return
    if ((this.segments.at(-1) as Segment).size > SEGMENT_BYTES) {
      await this.#openSegment(fileName(this.segments.length))
      await syncDirectory(this.directory)
    }
    const number = this.segments.length - 1
    let offset = await (this.segments[number] as Segment).append(fresh.map(({ cid, bytes }) => encodeFrame(cid, bytes)))
    for (const { cid, bytes } of fresh) {
      this.#places.set(cid, { segment: number, offset, length: bytes.length })
      offset += HEADER_BYTES + bytes.length
    }
  }
}

function fileName(number: number): string {
  return `${String(number).padStart(6, '0')}.blocks`
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  await handle.sync().finally(() => handle.close())
}
