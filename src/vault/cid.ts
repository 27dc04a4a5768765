import { hash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { ConsentryError } from '../errors.js'

/** Codes of https://github.com/multiformats/multicodec that we use. */
export const DAG_CBOR = 0x71
export const RAW = 0x55
const SHA2_256 = 0x12

/** A content-addressed block; `cid` is CIDv1, sha2-256, base32. */
export interface Block {
  readonly cid: string
  readonly bytes: Uint8Array
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

export function blockOf(bytes: Uint8Array, codec: number): Block {
  return { cid: cidOf(codec, sha256(bytes)).toString(), bytes }
}

/** Any bytes as a block of their own. */
export function rawBlock(bytes: Uint8Array): Block {
  return blockOf(bytes, RAW)
}

export function cidOf(codec: number, digest: Uint8Array): CID {
  return CID.createV1(codec, Digest.create(SHA2_256, digest))
}

/** The CIDv1 of a raw block by its SHA-256 digest, as contracts hold it. */
export function rawCid(digest: Uint8Array): string {
  return cidOf(RAW, digest).toString()
}

/** Binary form of a CID, 36 bytes: 01 ‖ codec ‖ 12 ‖ 20 ‖ digest. @throws ConsentryError `malformed` unless it is a CIDv1 with sha2-256 */
export function cidBytes(cid: string): Uint8Array {
  return parseCid(cid).bytes
}

/** @throws ConsentryError `malformed` */
export function parseCid(text: string): CID {
  try {
    const cid = CID.parse(text)
    if (isOurs(cid)) return cid
  } catch {
    // told below
  }
  throw new ConsentryError('malformed', 'Expected a CID of version 1 with sha2-256.')
}

/** CIDv1, sha2-256, raw or dag-cbor. */
export function isOurs(cid: CID): boolean {
  const { version, code, multihash } = cid
  return version === 1 && (code === RAW || code === DAG_CBOR) && multihash.code === SHA2_256 && multihash.size === 32
}

/** @throws ConsentryError `integrity` when the bytes are not those of the CID, `malformed` for something that is no CID */
export function requireBlock(cid: string, bytes: Uint8Array): void {
  requireDigest(cid, sha256(bytes))
}

/** @param digest SHA-256 of the bytes at hand */
export function requireDigest(cid: string, digest: Uint8Array): void {
  if (Buffer.compare(parseCid(cid).multihash.digest, digest) !== 0) {
    throw new ConsentryError('integrity', `The block ${cid} is not what its CID says: it was altered.`)
  }
}
