import { createHash } from 'node:crypto'
import { ConsentryError } from '../errors.js'

/** Which record a body is of: `Type/id` and version. */
export interface RecordVersion {
  readonly id: string
  readonly version: number
}

/** What is compressed, padded and encrypted. */
export interface Payload extends RecordVersion {
  /** 32 random bytes: they blind the tag, the content hash and the leaf. */
  readonly salt: Uint8Array
  readonly body: Uint8Array
}

const SALT = 32

/** salt (32) ‖ u32be version ‖ u16be length of id ‖ id (UTF-8) ‖ body */
export function encodePayload({ salt, id, version, body }: Payload): Uint8Array {
  const name = Buffer.from(id)
  const head = Buffer.alloc(SALT + 6)
  head.set(salt)
  head.writeUInt32BE(version, SALT)
  head.writeUInt16BE(name.length, SALT + 4)
  return Buffer.concat([head, name, body])
}

/** @throws ConsentryError `integrity` */
export function decodePayload(bytes: Uint8Array): Payload {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const start = SALT + 6
  const end = view.length < start ? Infinity : start + view.readUInt16BE(SALT + 4)
  if (end > view.length) throw new ConsentryError('integrity', 'The opened bytes are not a record.')
  return {
    salt: view.subarray(0, SALT),
    version: view.readUInt32BE(SALT),
    id: view.toString('utf8', start, end),
    body: view.subarray(end),
  }
}

/** SHA-256(salt ‖ u32be version ‖ id) */
export function recordTag(salt: Uint8Array, { id, version }: RecordVersion): Uint8Array {
  return createHash('sha256').update(salt).update(u32(version)).update(id).digest()
}

/** SHA-256(salt ‖ body): what a record's content is, told to nobody who does not have it. */
export function contentHashOf(salt: Uint8Array, body: Uint8Array): Uint8Array {
  return createHash('sha256').update(salt).update(body).digest()
}

export function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
