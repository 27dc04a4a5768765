import { crc32 } from 'node:zlib'

/**
 * One group of blocks that became durable together:
 *
 *     magic 'CsB1' (4) ‖ u32be number of entries ‖ u64be length of all bodies
 *     entries, 40 bytes each: SHA-256 digest (32) ‖ u32be length ‖ codec (1) ‖ state (1) ‖ 0 0
 *     u32be CRC-32 of the above, each state taken as LIVE
 *     bodies, one after the other
 *
 * Deleting changes a state and zeroes a body, in place. A frame without entries closes what stands before it.
 */
export const HEADER = 16
export const ENTRY = 40
export const CRC = 4
const MAGIC = Buffer.from('CsB1', 'latin1')
const LENGTH_AT = 32
const CODEC_AT = 36
export const STATE_AT = 37

export const LIVE = 0xff
/** The body may not be zeros yet. */
export const DELETING = 0x0f
export const GONE = 0x00

export interface FrameEntry {
  readonly digest: Uint8Array
  readonly codec: number
  readonly state: number
  readonly length: number
  /** From the beginning of the frame. */
  readonly bodyAt: number
  readonly stateAt: number
}

export interface FrameHead {
  readonly entries: readonly FrameEntry[]
  /** Length of the whole frame. */
  readonly length: number
}

export interface NewEntry {
  readonly digest: Uint8Array
  readonly codec: number
  readonly bytes: Uint8Array
}

export function encodeFrame(blocks: readonly NewEntry[]): Buffer {
  const table = HEADER + blocks.length * ENTRY
  const bodies = blocks.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const frame = Buffer.alloc(table + CRC + bodies)
  frame.set(MAGIC)
  frame.writeUInt32BE(blocks.length, 4)
  frame.writeBigUInt64BE(BigInt(bodies), 8)
  let bodyAt = table + CRC
  for (const [i, { digest, codec, bytes }] of blocks.entries()) {
    const entry = frame.subarray(HEADER + i * ENTRY)
    entry.set(digest)
    entry.writeUInt32BE(bytes.length, LENGTH_AT)
    entry[CODEC_AT] = codec
    entry[STATE_AT] = LIVE
    frame.set(bytes, bodyAt)
    bodyAt += bytes.length
  }
  frame.writeUInt32BE(crc32(frame.subarray(0, table)), table)
  return frame
}

/** Bytes of header, table and checksum, if the first 16 bytes look like a frame. */
export function headLength(start: Buffer): number | null {
  if (start.length < HEADER || !start.subarray(0, MAGIC.length).equals(MAGIC)) return null
  return HEADER + start.readUInt32BE(4) * ENTRY + CRC
}

/** @param head header, table and checksum. @returns `null` when they do not belong together */
export function decodeHead(head: Buffer): FrameHead | null {
  const table = head.length - CRC
  const plain = Buffer.from(head.subarray(0, table))
  const count = plain.readUInt32BE(4)
  const states = Array.from({ length: count }, (_, i) => plain[HEADER + i * ENTRY + STATE_AT] as number)
  for (let i = 0; i < count; i++) plain[HEADER + i * ENTRY + STATE_AT] = LIVE
  if (crc32(plain) !== head.readUInt32BE(table)) return null
  let bodyAt = head.length
  const entries = states.map((state, i): FrameEntry => {
    const at = HEADER + i * ENTRY
    const length = plain.readUInt32BE(at + LENGTH_AT)
    bodyAt += length
    return {
      digest: plain.subarray(at, at + 32),
      codec: plain[at + CODEC_AT] as number,
      state,
      length,
      bodyAt: bodyAt - length,
      stateAt: at + STATE_AT,
    }
  })
  return bodyAt - head.length === Number(plain.readBigUInt64BE(8)) ? { entries, length: bodyAt } : null
}

/** Where the next frame may begin at or after `from`; -1: nowhere. */
export function findMagic(bytes: Buffer, from: number): number {
  return bytes.indexOf(MAGIC, from)
}
