import { createHash } from 'node:crypto'
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { ConsentryError } from '../errors.js'

/** Blocks stay below what every IPFS node exchanges. */
export const MAX_BLOCK = 262_144
const DAG_CBOR = 0x71
const RAW = 0x55
const SHA2_256 = 0x12

/** A content-addressed block; `cid` is CIDv1, sha2-256, base32. */
export interface Block {
  readonly cid: string
  readonly bytes: Uint8Array
}

/**
 * One sealed record, a dag-cbor map with these keys (https://ipld.io/specs/codecs/dag-cbor/spec/).
 *
 * | key | what |
 * |---|---|
 * | v | 1 |
 * | author | 32 bytes, the party whose key signed |
 * | tag | 32 bytes, SHA-256(salt ‖ record ‖ version): names the record to whoever knows all three |
 * | capsules | one capsule (105 bytes) for each label; all of their keys together wrap the DEK |
 * | dek | the wrapped data key, 48 bytes |
 * | nonce | 24 bytes |
 * | dict | id of the compression dictionary |
 * | body | ciphertext, when it fits into the block |
 * | chunks | links to raw blocks of ciphertext, when it does not |
 * | sig | 64 bytes, ECDSA over SHA-256 of `consentry envelope 1` ‖ dag-cbor of all keys but this one |
 */
export interface Envelope {
  readonly v: 1
  readonly author: Uint8Array
  readonly tag: Uint8Array
  readonly capsules: readonly Uint8Array[]
  readonly dek: Uint8Array
  readonly nonce: Uint8Array
  readonly dict: number
  readonly body?: Uint8Array
  readonly chunks?: readonly CID[]
  readonly sig: Uint8Array
}

export type UnsignedEnvelope = Omit<Envelope, 'sig'>

const SIGNATURE_DOMAIN = Buffer.from('consentry envelope 1')

/** What the author signs. */
export function signedBytes(envelope: UnsignedEnvelope): Uint8Array {
  return Buffer.concat([SIGNATURE_DOMAIN, dagCbor.encode(envelope)])
}

export function encodeEnvelope(envelope: Envelope): Block {
  return blockOf(dagCbor.encode(envelope), DAG_CBOR)
}

export function rawBlock(bytes: Uint8Array): Block {
  return blockOf(bytes, RAW)
}

function blockOf(bytes: Uint8Array, codec: number): Block {
  return { cid: cidOf(codec, createHash('sha256').update(bytes).digest()).toString(), bytes }
}

function cidOf(codec: number, digest: Uint8Array): CID {
  return CID.createV1(codec, Digest.create(SHA2_256, digest))
}

/** The CIDv1 of a raw block by its SHA-256 digest, as contracts hold it. */
export function rawCid(digest: Uint8Array): string {
  return cidOf(RAW, digest).toString()
}

/** Binary form of a CID, 36 bytes. @throws ConsentryError `malformed` unless it is a CIDv1 with sha2-256 */
export function cidBytes(cid: string): Uint8Array {
  return parseCid(cid).bytes
}

export function parseCid(text: string): CID {
  try {
    const cid = CID.parse(text)
    if (cid.version === 1 && cid.multihash.code === SHA2_256 && cid.multihash.digest.length === 32) return cid
  } catch {
    // told below
  }
  throw new ConsentryError('malformed', 'Expected a CID of version 1 with sha2-256.')
}

/** @throws ConsentryError `integrity` when the bytes are not those of the CID */
export function requireBlock(cid: string, bytes: Uint8Array): void {
  const digest = createHash('sha256').update(bytes).digest()
  if (Buffer.compare(parseCid(cid).multihash.digest, digest) !== 0) {
    throw new ConsentryError('integrity', `The block ${cid} is not what its CID says: it was altered.`)
  }
}

/** CIDs that a block links: those of an envelope's chunks, none of a raw block. */
export function chunkLinksOf(cid: string, block: Uint8Array): string[] {
  return parseCid(cid).code === RAW ? [] : (decodeEnvelope(block).chunks ?? []).map((link) => link.toString())
}

const bytes = (value: unknown, length: number): boolean => value instanceof Uint8Array && value.length === length

/** @throws ConsentryError `integrity` for anything but an envelope of this version */
export function decodeEnvelope(block: Uint8Array): Envelope {
  let value: Partial<Record<keyof Envelope, unknown>>
  try {
    value = dagCbor.decode(block)
  } catch (cause) {
    throw new ConsentryError('integrity', 'The block is not dag-cbor.', { cause })
  }
  const { v, author, tag, capsules, dek, nonce, dict, body, chunks, sig } = value ?? {}
  const known =
    v === 1 &&
    bytes(author, 32) &&
    bytes(tag, 32) &&
    Array.isArray(capsules) &&
    capsules.length > 0 &&
    capsules.every((capsule) => bytes(capsule, 105)) &&
    bytes(dek, 48) &&
    bytes(nonce, 24) &&
    typeof dict === 'number' &&
    (body instanceof Uint8Array ? chunks === undefined : Array.isArray(chunks) && chunks.every((c) => CID.asCID(c))) &&
    bytes(sig, 64)
  if (!known) throw new ConsentryError('integrity', 'The block is not an envelope of version 1.')
  return value as Envelope
}
