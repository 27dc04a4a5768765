import { hash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { ConsentryError } from '../errors.js'
import { fromBase32, toBase32 } from './base32.js'

/** Codes of https://github.com/multiformats/multicodec that we use. */
export const DAG_CBOR = 0x71
export const RAW = 0x55
const SHA2_256 = 0x12
const DIGEST_AT = 4

/** A content-addressed block; `cid` is CIDv1, sha2-256, base32. */
export interface Block {
  readonly cid: string
  readonly bytes: Uint8Array
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

export function blockOf(bytes: Uint8Array, codec: number): Block {
  return { cid: cidText(codec, sha256(bytes)), bytes }
}

/** Any bytes as a block of their own. */
export function rawBlock(bytes: Uint8Array): Block {
  return blockOf(bytes, RAW)
}

/** @param codec below 128. @param digest SHA-256 */
export function cidText(codec: number, digest: Uint8Array): string {
  const bytes = new Uint8Array(DIGEST_AT + digest.length)
  bytes.set([1, codec, SHA2_256, digest.length])
  bytes.set(digest, DIGEST_AT)
  return `b${toBase32(bytes)}`
}

/** The CIDv1 of a raw block by its SHA-256 digest, as contracts hold it. */
export function rawCid(digest: Uint8Array): string {
  return cidText(RAW, digest)
}

/**
 * Binary form of a CID, 36 bytes: 01 ‖ codec ‖ 12 ‖ 20 ‖ digest.
 * @param cid base32. @throws ConsentryError `malformed` unless it is a CIDv1 with sha2-256, raw or dag-cbor
 */
export function cidBytes(cid: string): Uint8Array {
  const bytes = cid.startsWith('b') ? fromBase32(cid.slice(1)) : null
  const [version, codec, algorithm, length] = bytes ?? []
  const known = version === 1 && (codec === RAW || codec === DAG_CBOR) && algorithm === SHA2_256 && length === 32
  if (bytes !== null && known && bytes.length === DIGEST_AT + 32) return bytes
  throw new ConsentryError('malformed', 'Expected a CID of version 1 in base 32, with sha2-256, raw or dag-cbor.')
}

/** @throws ConsentryError `malformed` */
export function readCid(cid: string): { codec: number; digest: Uint8Array } {
  const bytes = cidBytes(cid)
  return { codec: bytes[1] as number, digest: bytes.subarray(DIGEST_AT) }
}

/** For libraries. @throws ConsentryError `malformed` */
export function parseCid(text: string): CID {
  const { codec, digest } = readCid(text)
  return cidOf(codec, digest)
}

export function cidOf(codec: number, digest: Uint8Array): CID {
  return CID.createV1(codec, Digest.create(SHA2_256, digest))
}

/** CIDv1 of a raw block with sha2-256. */
export function isRawLink(cid: CID): boolean {
  const { version, code, multihash } = cid
  return version === 1 && code === RAW && multihash.code === SHA2_256 && multihash.size === 32
}

/** @throws ConsentryError `integrity` when the bytes are not those of the CID, `malformed` for something that is no CID */
export function requireBlock(cid: string, bytes: Uint8Array): void {
  requireDigest(cid, sha256(bytes))
}

/** @param digest SHA-256 of the bytes at hand */
export function requireDigest(cid: string, digest: Uint8Array): void {
  if (Buffer.compare(readCid(cid).digest, digest) !== 0) {
    throw new ConsentryError('integrity', `The block ${cid} is not what its CID says: it was altered.`)
  }
}
