import { hash } from 'node:crypto'
import type { RecordSubject } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import { compress, decompress } from './compression.js'

/** Which record a body is of: `Type/id` and version. */
export interface RecordVersion {
  readonly id: string
  readonly version: number
}

/** Whose record it is and which labels it has, as its author decided. */
export type SealedSubject = Pick<RecordSubject, 'patient' | 'labels'>

/** What was sealed. */
export interface Payload extends RecordVersion {
  /** 32 bytes, derived from the data key: they blind the tag, the content hash and the leaf. */
  readonly salt: Uint8Array
  /** Absent when the author bound none. */
  readonly subject?: SealedSubject
  readonly body: Uint8Array
}

/** Bytes of a body at most; sealing refuses more, opening unpacks no more. */
export const MAX_BODY = 64 * 1024 * 1024
const MAX_ID = 65_535

const VERSION_AT = 0
const ID_LENGTH_AT = 4
const BOUND_AT = 6
const PATIENT_AT = 7
const LABELS_AT = 39
const HEAD = 47
const NOBODY = new Uint8Array(32)

/**
 * u32be version ‖ u16be length of id ‖ bound (1) ‖ patient (32) ‖ u64be labels ‖ Zstandard(id ‖ body)
 *
 * `bound` is 1 when patient and labels say something, and patient is zeros for a record in nobody's compartment. What is
 * random stands outside the compressed part, where it would only spoil the statistics.
 * @throws ConsentryError `too-large`
 */
export function encodePayload({ id, version, subject, body }: Omit<Payload, 'salt'>): Uint8Array {
  const name = Buffer.from(id)
  if (body.length > MAX_BODY || name.length > MAX_ID) {
    throw new ConsentryError(
      'too-large',
      `A record of ${body.length} bytes cannot be sealed; the limit is ${MAX_BODY}.`,
    )
  }
  const head = Buffer.alloc(HEAD)
  head.writeUInt32BE(version, VERSION_AT)
  head.writeUInt16BE(name.length, ID_LENGTH_AT)
  if (subject !== undefined) {
    head[BOUND_AT] = 1
    if (subject.patient !== null) head.set(Buffer.from(subject.patient.slice(2), 'hex'), PATIENT_AT)
    head.writeBigUInt64BE(BigInt.asUintN(64, subject.labels), LABELS_AT)
  }
  return Buffer.concat([head, compress(Buffer.concat([name, body]))])
}

/** @throws ConsentryError `integrity` */
export function decodePayload(bytes: Uint8Array, salt: Uint8Array, dictionary: number): Payload {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (head.length < HEAD) throw new ConsentryError('integrity', 'The opened bytes are not a record.')
  const text = decompress(bytes.subarray(HEAD), dictionary, MAX_BODY + MAX_ID)
  const end = head.readUInt16BE(ID_LENGTH_AT)
  if (end > text.length) throw new ConsentryError('integrity', 'The opened bytes are not a record.')
  const patient = head.subarray(PATIENT_AT, LABELS_AT)
  return {
    salt,
    version: head.readUInt32BE(VERSION_AT),
    id: Buffer.from(text.buffer, text.byteOffset, end).toString(),
    ...(head[BOUND_AT] === 1
      ? {
          subject: {
            patient: patient.equals(NOBODY) ? null : `0x${patient.toString('hex')}`,
            labels: BigInt.asIntN(64, head.readBigUInt64BE(LABELS_AT)),
          },
        }
      : {}),
    body: text.subarray(end),
  }
}

/** SHA-256(`consentry salt 1` ‖ data key): whoever opens the record knows it, and it is gone when the data key is. */
export function saltOf(dek: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([SALT_DOMAIN, dek]), 'buffer')
}

const SALT_DOMAIN = Buffer.from('consentry salt 1')

/** SHA-256(salt ‖ u32be version ‖ id) */
export function recordTag(salt: Uint8Array, { id, version }: RecordVersion): Uint8Array {
  return hash('sha256', Buffer.concat([salt, u32(version), Buffer.from(id)]), 'buffer')
}

/** SHA-256(salt ‖ body): what a record's content is, told to nobody who does not have it. */
export function contentHashOf(salt: Uint8Array, body: Uint8Array): Uint8Array {
  return hash('sha256', Buffer.concat([salt, body]), 'buffer')
}

export function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
