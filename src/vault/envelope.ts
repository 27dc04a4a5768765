import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { ConsentryError } from '../errors.js'
import { type Block, cidText, DAG_CBOR, isRawLink, RAW, readCid, sha256 } from './cid.js'
import { type EnvelopeSignature, readSigned, signEnvelopes } from './envelope-signature.js'

export { type Block, cidBytes, parseCid, rawBlock, rawCid, requireBlock } from './cid.js'

/** Blocks stay below what every IPFS node exchanges. */
export const MAX_BLOCK = 262_144

/**
 * What the author of a sealed record signs: a dag-cbor map (https://ipld.io/specs/codecs/dag-cbor/spec/) with these keys.
 *
 * | key | what |
 * |---|---|
 * | v | 1 |
 * | author | 32 bytes, the party whose key signs |
 * | tag | 32 bytes, SHA-256(salt ‖ u32be version ‖ id): names the record to whoever knows all three |
 * | capsules | one capsule (105 bytes) for each label; all of their keys together wrap the DEK |
 * | dek | the wrapped data key, 48 bytes |
 * | nonce | 24 bytes |
 * | dict | id of the compression dictionary |
 * | body | ciphertext, when it fits into the block |
 * | chunks | links to raw blocks of ciphertext, when it does not |
 */
export interface UnsignedEnvelope {
  readonly v: 1
  readonly author: Uint8Array
  readonly tag: Uint8Array
  readonly capsules: readonly Uint8Array[]
  readonly dek: Uint8Array
  readonly nonce: Uint8Array
  readonly dict: number
  readonly body?: Uint8Array
  readonly chunks?: readonly CID[]
}

export interface Envelope extends UnsignedEnvelope, EnvelopeSignature {}

const MAX_CAPSULES = 64

/**
 * Blocks of sealed records (`envelope-signature.ts` has the layout). The links of chunks are ordinary links, so a node that pins the
 * envelope pins them.
 * @param sign gives the signature over a message
 * @returns in the order of the envelopes, each with the SHA-256 of its block
 */
export function encodeEnvelopes(
  envelopes: readonly UnsignedEnvelope[],
  sign: (message: Uint8Array) => Uint8Array,
): (Block & { readonly digest: Uint8Array })[] {
  return signEnvelopes(envelopes.map(encodeMap), sign).map((bytes) => {
    const digest = sha256(bytes)
    return { cid: cidText(DAG_CBOR, digest), bytes, digest }
  })
}

/** dag-cbor: the order of the keys is by length, then bytewise. Written out, since the general encoder takes ten times as long. */
function encodeMap(envelope: UnsignedEnvelope): Uint8Array {
  const { v, dek, tag, body, dict, nonce, author, capsules } = envelope
  if (body === undefined || dict >= ONE_BYTE || capsules.length >= ONE_BYTE) return dagCbor.encode(envelope)
  return Buffer.concat([
    KEYS.v,
    Uint8Array.of(v),
    KEYS.dek,
    ...byteString(dek),
    KEYS.tag,
    ...byteString(tag),
    KEYS.body,
    ...byteString(body),
    KEYS.dict,
    Uint8Array.of(dict),
    KEYS.nonce,
    ...byteString(nonce),
    KEYS.author,
    ...byteString(author),
    KEYS.capsules,
    Uint8Array.of(0x80 | capsules.length),
    ...capsules.flatMap(byteString),
  ])
}

/** Numbers below it stand in the byte that says their type. */
const ONE_BYTE = 24
const key = (name: string): Uint8Array => Buffer.concat([Uint8Array.of(0x60 | name.length), Buffer.from(name)])
const KEYS = {
  v: Buffer.concat([Uint8Array.of(0xa8), key('v')]),
  dek: key('dek'),
  tag: key('tag'),
  body: key('body'),
  dict: key('dict'),
  nonce: key('nonce'),
  author: key('author'),
  capsules: key('capsules'),
}

function byteString(bytes: Uint8Array): [Uint8Array, Uint8Array] {
  const n = bytes.length
  if (n < ONE_BYTE) return [Uint8Array.of(0x40 | n), bytes]
  if (n < 0x100) return [Uint8Array.of(0x58, n), bytes]
  if (n < 0x10000) return [Uint8Array.of(0x59, n >> 8, n), bytes]
  return [Uint8Array.of(0x5a, n >> 24, n >> 16, n >> 8, n), bytes]
}

/** @throws ConsentryError `integrity` for anything but an envelope of this version */
export function decodeEnvelope(block: Uint8Array): Envelope {
  const read = block.length <= MAX_BLOCK ? readSigned(block) : null
  let value: unknown
  try {
    value = read === null ? undefined : dagCbor.decode(read.map)
  } catch (cause) {
    throw new ConsentryError('integrity', 'The block is not dag-cbor.', { cause })
  }
  if (read === null || !isEnvelope(value)) {
    throw new ConsentryError('integrity', 'The block is not an envelope of version 1.')
  }
  const { signed, sig, together } = read
  return { ...value, signed, sig, together }
}

/** CIDs that a block links: those of an envelope's chunks, none of any other block. */
export function chunkLinksOf(cid: string, block: Uint8Array): string[] {
  if (readCid(cid).codec === RAW) return []
  try {
    return (decodeEnvelope(block).chunks ?? []).map((link) => link.toString())
  } catch {
    return []
  }
}

/** Who says to have written an envelope, unverified; `null` for any other block. */
export function authorOf(block: Uint8Array): Uint8Array | null {
  try {
    return decodeEnvelope(block).author
  } catch {
    return null
  }
}

const bytes = (value: unknown, length: number): boolean => value instanceof Uint8Array && value.length === length

function isEnvelope(value: unknown): value is UnsignedEnvelope {
  if (typeof value !== 'object' || value === null) return false
  const { v, author, tag, capsules, dek, nonce, dict, body, chunks, ...rest } = value as Record<string, unknown>
  return (
    v === 1 &&
    bytes(author, 32) &&
    bytes(tag, 32) &&
    Array.isArray(capsules) &&
    capsules.length > 0 &&
    capsules.length <= MAX_CAPSULES &&
    capsules.every((capsule) => bytes(capsule, 105)) &&
    bytes(dek, 48) &&
    bytes(nonce, 24) &&
    Number.isInteger(dict) &&
    (body instanceof Uint8Array ? chunks === undefined : body === undefined && areChunks(chunks)) &&
    Object.keys(rest).length === 0
  )
}

function areChunks(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((link) => {
      const cid = CID.asCID(link)
      return cid !== null && isRawLink(cid)
    })
  )
}
