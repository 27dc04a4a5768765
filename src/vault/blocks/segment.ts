import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { ConsentryError } from '../../errors.js'
import { cidBytes } from '../envelope.js'

/**
 * One append-only file of blocks. A frame is
 *
 *     magic 'CsB1' (4) ‖ u32be length of block ‖ state (1): 1 live, 0 deleted ‖ CID (36) ‖ u32be CRC-32 of length, CID and block ‖ block
 *
 * Deleting overwrites the block with zeros and clears the state, so the bytes are gone from the file.
 */
export const HEADER_BYTES = 49
const MAGIC = 0x43734231
const STATE_AT = 8

export interface Frame {
  readonly cid: Uint8Array
  /** Offset of the frame and length of its block. */
  readonly offset: number
  readonly length: number
  readonly live: boolean
}

export function encodeFrame(cid: string, block: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(HEADER_BYTES + block.length)
  const name = cidBytes(cid)
  frame.writeUInt32BE(MAGIC, 0)
  frame.writeUInt32BE(block.length, 4)
  frame[STATE_AT] = 1
  frame.set(name, 9)
  frame.writeUInt32BE(checksum(block.length, name, block), 45)
  frame.set(block, HEADER_BYTES)
  return frame
}

function checksum(length: number, cid: Uint8Array, block: Uint8Array): number {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(length)
  return crc32(block, crc32(cid, crc32(head)))
}

export class Segment {
  private constructor(
    private readonly file: FileHandle,
    /** Bytes of whole frames. */
    public size: number,
  ) {}

  /**
   * Opens the file and reads its frames. What a crash left behind the last whole frame is cut off: it was never
   * acknowledged.
   */
  static async open(path: string): Promise<{ segment: Segment; frames: Frame[] }> {
    const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return open(path, 'w+', 0o600)
      throw error
    })
    const frames: Frame[] = []
    const { size: end } = await file.stat()
    let offset = 0
    while (offset + HEADER_BYTES <= end) {
      const frame = await readFrame(file, offset, end)
      if (frame === null) break
      frames.push(frame)
      offset += HEADER_BYTES + frame.length
    }
    if (offset < end) {
      await file.truncate(offset)
      await file.sync()
    }
    return { segment: new Segment(file, offset), frames }
  }

  /** Durable when it resolves. @returns the offset of the first frame */
  async append(frames: readonly Uint8Array[]): Promise<number> {
    const offset = this.size
    const bytes = Buffer.concat(frames)
    let written = 0
    while (written < bytes.length) {
      written += (await this.file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten
    }
    await this.file.datasync()
    this.size = offset + bytes.length
    return offset
  }

  async read({ offset, length }: Pick<Frame, 'offset' | 'length'>): Promise<Uint8Array> {
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await this.file.read(bytes, 0, length, offset + HEADER_BYTES)
    if (bytesRead !== length) throw new ConsentryError('integrity', 'A stored block is shorter than it was.')
    return bytes
  }

  async erase({ offset, length }: Pick<Frame, 'offset' | 'length'>): Promise<void> {
    await this.file.write(Buffer.alloc(1), 0, 1, offset + STATE_AT)
    await this.file.write(Buffer.alloc(length), 0, length, offset + HEADER_BYTES)
  }

  async sync(): Promise<void> {
    await this.file.datasync()
  }

  async close(): Promise<void> {
    await this.file.close()
  }
}

/** `null` for a frame that was not written to its end. A live frame that was altered later is left to its CID. */
async function readFrame(file: FileHandle, offset: number, end: number): Promise<Frame | null> {
  const head = Buffer.alloc(HEADER_BYTES)
  await file.read(head, 0, HEADER_BYTES, offset)
  const length = head.readUInt32BE(4)
  if (head.readUInt32BE(0) !== MAGIC || offset + HEADER_BYTES + length > end) return null
  const live = head[STATE_AT] === 1
  const cid = Buffer.from(head.subarray(9, 45))
  const last = offset + HEADER_BYTES + length === end
  if (live && last) {
    const block = Buffer.alloc(length)
    await file.read(block, 0, length, offset + HEADER_BYTES)
    if (checksum(length, cid, block) !== head.readUInt32BE(45) && !isOf(cid, block)) return null
  }
  return { cid, offset, length, live }
}

function isOf(cid: Uint8Array, block: Uint8Array): boolean {
  return Buffer.compare(cid.subarray(4), createHash('sha256').update(block).digest()) === 0
}
