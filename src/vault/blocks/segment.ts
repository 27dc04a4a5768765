import { readSync } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { sha256 } from '../cid.js'
import {
  decodeHead,
  DELETING,
  encodeFrame,
  findMagic,
  type FrameHead,
  GONE,
  headLength,
  LIVE,
  type NewEntry,
} from './frame.js'

/** An entry of a segment, at its place in the file. */
export interface Stored {
  readonly digest: Uint8Array
  readonly codec: number
  readonly offset: number
  readonly length: number
  readonly stateAt: number
  readonly state: number
}

type At = Pick<Stored, 'offset' | 'length' | 'stateAt'>

/** One read brings header and table of most frames. */
const FIRST_READ = 4096
const SEARCH = 1 << 20

/**
 * An append-only file of frames. What was acknowledged stands before `size`: each frame is written and synced before the
 * next one begins, so whatever is followed by another frame is whole, and only the last one can be torn.
 */
export class Segment {
  /** Bytes of deleted blocks and of everything else that no block needs. */
  dead = 0
  #reads = 0
  #unused: (() => void) | null = null

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    public size: number,
    /** A closing frame stands at the end. */
    private closed: boolean,
  ) {}

  /** A new file; the caller makes its name durable. */
  static async create(path: string): Promise<Segment> {
    return new Segment(path, await open(path, 'wx+', 0o600), 0, false)
  }

  /**
   * Reads what is in the file. A torn frame at the end was never acknowledged and is cut off; deletions that a crash
   * interrupted are completed.
   * @returns the entries, and how many bytes in the middle are not readable as frames
   */
  static async recover(path: string): Promise<{ segment: Segment; entries: Stored[]; damaged: number }> {
    const file = await open(path, 'r+')
    const { size: end } = await file.stat()
    const frames = framesOf(file.fd, end)
    const last = frames.at(-1)
    if (last !== undefined && !isWhole(file.fd, last)) frames.pop()
    const size = frames.at(-1)?.to ?? 0
    if (size < end) {
      await file.truncate(size)
      await file.sync()
    }
    const segment = new Segment(path, file, size, frames.at(-1)?.head.entries.length === 0)
    const entries = frames.flatMap(({ from, head }) => head.entries.map((entry) => storedAt(from, entry)))
    const interrupted = entries.filter(({ state }) => state === DELETING)
    if (interrupted.length > 0) await segment.#zero(interrupted)
    const held = entries.reduce((sum, { state, length }) => sum + (state === LIVE ? length : 0), 0)
    segment.dead = size - held
    const damaged = size - frames.reduce((sum, { from, to }) => sum + to - from, 0)
    return { segment, entries: entries.filter(({ state }) => state === LIVE), damaged }
  }

  /** Durable when it resolves. */
  async append(blocks: readonly NewEntry[]): Promise<Stored[]> {
    const frame = encodeFrame(blocks)
    await this.#write(frame, this.size)
    await this.file.datasync()
    const from = this.size
    this.size += frame.length
    this.closed = blocks.length === 0
    const { entries } = decodeHead(frame.subarray(0, headLength(frame) as number)) as FrameHead
    const stored = entries.map((entry) => storedAt(from, entry))
    this.dead += stored.reduce((rest, { length }) => rest - length, frame.length)
    return stored
  }

  /** Marks the last frame as whole for good. */
  async finish(): Promise<void> {
    if (!this.closed && this.size > 0) await this.append([])
  }

  /** After a failed write: what stands behind `size` is nobody's. */
  async abandon(): Promise<void> {
    await this.file.truncate(this.size)
  }

  /** @param length may be less than asked for at the end of the file */
  async read(offset: number, length: number): Promise<Buffer> {
    this.#reads++
    try {
      const bytes = Buffer.allocUnsafeSlow(length)
      const { bytesRead } = await this.file.read(bytes, 0, length, offset)
      return bytes.subarray(0, bytesRead)
    } finally {
      if (--this.#reads === 0) this.#unused?.()
    }
  }

  /** Overwrites the blocks at these places; durable when it resolves, and completed after a crash once their state is on the disk. */
  async erase(blocks: readonly At[]): Promise<void> {
    await this.#mark(blocks, DELETING)
    await this.file.datasync()
    await this.#zero(blocks)
    this.dead += blocks.reduce((sum, { length }) => sum + length, 0)
  }

  /** Entries as they are in the file now. */
  entries(): Stored[] {
    return framesOf(this.file.fd, this.size).flatMap(({ from, head }) =>
      head.entries.map((entry) => storedAt(from, entry)),
    )
  }

  async close(): Promise<void> {
    if (this.#reads > 0) await new Promise<void>((resolve) => (this.#unused = resolve))
    await this.file.close()
  }

  async remove(): Promise<void> {
    await unlink(this.path)
    await this.close()
  }

  async #zero(blocks: readonly At[]): Promise<void> {
    for (const { offset, length } of blocks) await this.#write(Buffer.alloc(length), offset)
    await this.file.datasync()
    // If this one is lost, the zeros are written once more at the next start.
    await this.#mark(blocks, GONE)
  }

  async #mark(blocks: readonly At[], state: number): Promise<void> {
    for (const { stateAt } of blocks) await this.#write(Uint8Array.of(state), stateAt)
  }

  async #write(bytes: Uint8Array, at: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += (await this.file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
    }
  }
}

interface Framed {
  readonly from: number
  readonly to: number
  readonly head: FrameHead
}

function storedAt(
  from: number,
  { digest, codec, length, bodyAt, stateAt, state }: FrameHead['entries'][number],
): Stored {
  return { digest, codec, length, state, offset: from + bodyAt, stateAt: from + stateAt }
}

/** All frames with a sound head; after an unsound one it goes on with the next sound one. */
function framesOf(fd: number, end: number): Framed[] {
  const frames: Framed[] = []
  for (let from = 0; from < end;) {
    const head = headAt(fd, from, end)
    if (head !== null) frames.push({ from, to: from + head.length, head })
    const next = head === null ? nextHead(fd, from + 1, end) : from + head.length
    if (next === null) break
    from = next
  }
  return frames
}

function headAt(fd: number, from: number, end: number): FrameHead | null {
  let start = bytesAt(fd, from, Math.min(FIRST_READ, end - from))
  const length = headLength(start)
  if (length === null || from + length > end) return null
  if (length > start.length) start = bytesAt(fd, from, length)
  const head = decodeHead(start.subarray(0, length))
  return head !== null && from + head.length <= end ? head : null
}

function nextHead(fd: number, from: number, end: number): number | null {
  for (let at = from; at < end; at += SEARCH) {
    const window = bytesAt(fd, at, Math.min(SEARCH + 3, end - at))
    for (let found = findMagic(window, 0); found !== -1; found = findMagic(window, found + 1)) {
      if (headAt(fd, at + found, end) !== null) return at + found
    }
  }
  return null
}

function isWhole(fd: number, { from, head }: Framed): boolean {
  return head.entries.every(
    ({ state, digest, bodyAt, length }) =>
      state !== LIVE || Buffer.compare(sha256(bytesAt(fd, from + bodyAt, length)), digest) === 0,
  )
}

function bytesAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  return bytes.subarray(0, readSync(fd, bytes, 0, length, offset))
}
