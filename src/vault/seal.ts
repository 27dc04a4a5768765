import { randomBytes } from 'node:crypto'
import { aeadSeal, NONCE_BYTES } from './aead.js'
import { anchorLeaf } from './anchor-leaf.js'
import { compress, CURRENT_DICTIONARY } from './compression.js'
import { type Block, encodeEnvelope, parseCid, rawBlock, signedBytes, type UnsignedEnvelope } from './envelope.js'
import { type CapsuleKey, randomKey } from './keys.js'
import { pad } from './padding.js'
import { contentHashOf, encodePayload, recordTag, type RecordVersion } from './payload.js'
import type { SecretKey } from './pre/index.js'
import { additionalData, INLINE_LIMIT, keyEncryptionKey, sealChunks, wrapDek } from './sealing.js'

export interface SealItem extends RecordVersion {
  /** JSON, UTF-8. */
  readonly body: Uint8Array
  /** One for each label of the record. */
  readonly keys: readonly CapsuleKey[]
}

export interface Author {
  /** Party id, 32 bytes. */
  readonly id: Uint8Array
  readonly key: SecretKey
}

export interface Sealed {
  /** CID of the envelope, the first of `blocks`. */
  readonly cid: string
  readonly blocks: readonly Block[]
  readonly contentHash: Uint8Array
  readonly salt: Uint8Array
  /** Leaf hash for the batch on chain. */
  readonly leaf: Uint8Array
}

/** Seals records: compress → pad → encrypt under a new data key → wrap that key → sign. */
export function seal(items: readonly SealItem[], author: Author): Sealed[] {
  return items.map((item) => sealOne(item, author))
}

function sealOne({ id, version, body, keys }: SealItem, author: Author): Sealed {
  const salt = randomKey()
  const tag = recordTag(salt, { id, version })
  const capsules = keys.map(({ capsule }) => capsule)
  const aad = additionalData(author.id, tag, capsules)
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES))
  const dek = randomKey()
  const padded = pad(compress(encodePayload({ salt, id, version, body })))
  const small = padded.length <= INLINE_LIMIT
  const chunks = small ? [] : sealChunks(dek, nonce, padded, aad).map(rawBlock)
  const unsigned: UnsignedEnvelope = {
    v: 1,
    author: author.id,
    tag,
    capsules,
    dek: wrapDek(keyEncryptionKey(keys.map(({ key }) => key)), nonce, dek, aad),
    nonce,
    dict: CURRENT_DICTIONARY,
    ...(small ? { body: aeadSeal(dek, nonce, padded, aad) } : { chunks: chunks.map(({ cid }) => parseCid(cid)) }),
  }
  const envelope = encodeEnvelope({ ...unsigned, sig: author.key.sign(signedBytes(unsigned)) })
  dek.fill(0)
  return {
    cid: envelope.cid,
    blocks: [envelope, ...chunks],
    contentHash: contentHashOf(salt, body),
    salt,
    leaf: anchorLeaf(salt, envelope.cid, { id, version }, author.id),
  }
}
