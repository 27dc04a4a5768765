import { randomBytes } from 'node:crypto'
import { ConsentryError } from '../errors.js'
import { aeadSeal, KEY_BYTES, NONCE_BYTES } from './aead.js'
import { anchorLeaf } from './anchor-leaf.js'
import { type Block, parseCid, rawBlock } from './cid.js'
import { CURRENT_DICTIONARY } from './compression.js'
import { encodeEnvelopes, type UnsignedEnvelope } from './envelope.js'
import type { CapsuleKey } from './keys.js'
import { pad } from './padding.js'
import { contentHashOf, encodePayload, recordTag, type RecordVersion, saltOf, type SealedSubject } from './payload.js'
import type { SecretKey } from './pre/index.js'
import { additionalData, INLINE_LIMIT, keyEncryptionKey, sealChunks, wrapDek } from './sealing.js'

export interface SealItem extends RecordVersion {
  /** JSON, UTF-8. */
  readonly body: Uint8Array
  /** One for each label of the record, in the order of the labels; at least one. */
  readonly keys: readonly CapsuleKey[]
  /**
   * Whose record it is and its labels. When given, `open` refuses it as the record of anybody else, or under fewer
   * labels: a row that was changed in the database opens nothing.
   */
  readonly subject?: SealedSubject
}

export interface Author {
  /** Party id, 32 bytes. */
  readonly id: Uint8Array
  readonly key: SecretKey
}

export interface Sealed {
  /** CID of the envelope, the first of `blocks`. */
  readonly cid: string
  /** SHA-256 of the envelope's block. */
  readonly digest: Uint8Array
  readonly blocks: readonly Block[]
  /** SHA-256(salt ‖ body) */
  readonly contentHash: Uint8Array
  /** 32 bytes. */
  readonly salt: Uint8Array
  /** Leaf hash for the batch on chain. */
  readonly leaf: Uint8Array
}

/**
 * Seals records: compress → pad → encrypt under a new data key → wrap that key; then signs them, some together.
 * @throws ConsentryError `too-large` above 64 MiB, `internal` without a capsule key
 */
export function seal(items: readonly SealItem[], author: Author): Sealed[] {
  const random = randomBytes(items.length * RANDOM_BYTES)
  const keks = new Map<readonly CapsuleKey[], Uint8Array>()
  const kekOf = (keys: readonly CapsuleKey[]): Uint8Array => {
    const known = keks.get(keys)
    if (known !== undefined) return known
    const kek = keyEncryptionKey(keys.map(({ key }) => key))
    keks.set(keys, kek)
    return kek
  }
  try {
    const encrypted = items.map((item, i) => {
      if (item.keys.length === 0) {
        throw new ConsentryError('internal', 'A record is sealed under one capsule key at least.')
      }
      return encrypt(item, author.id, kekOf(item.keys), random.subarray(i * RANDOM_BYTES, (i + 1) * RANDOM_BYTES))
    })
    const signed = encodeEnvelopes(
      encrypted.map(({ envelope }) => envelope),
      (message) => author.key.sign(message),
    )
    return signed.map(({ cid, bytes, digest }, i) => {
      const { chunks, salt } = encrypted[i] as Encrypted
      const { id, version, body } = items[i] as SealItem
      return {
        cid,
        digest,
        blocks: [{ cid, bytes }, ...chunks],
        contentHash: contentHashOf(salt, body),
        salt,
        leaf: anchorLeaf(salt, cid, { id, version }, author.id),
      }
    })
  } finally {
    for (const secret of [random, ...keks.values()]) secret.fill(0)
  }
}

const RANDOM_BYTES = NONCE_BYTES + KEY_BYTES

interface Encrypted {
  readonly envelope: UnsignedEnvelope
  readonly chunks: readonly Block[]
  readonly salt: Uint8Array
}

function encrypt(
  { id, version, body, keys, subject }: SealItem,
  author: Uint8Array,
  kek: Uint8Array,
  random: Uint8Array,
): Encrypted {
  const nonce = new Uint8Array(random.subarray(0, NONCE_BYTES))
  const dek = new Uint8Array(random.subarray(NONCE_BYTES))
  const salt = saltOf(dek)
  const tag = recordTag(salt, { id, version })
  const capsules = keys.map(({ capsule }) => capsule)
  const aad = additionalData(author, tag, capsules)
  const padded = pad(encodePayload({ id, version, body, ...(subject ? { subject } : {}) }))
  const small = padded.length <= INLINE_LIMIT
  const chunks = small ? [] : sealChunks(dek, nonce, padded, aad).map(rawBlock)
  const envelope = {
    v: 1 as const,
    author,
    tag,
    capsules,
    dek: wrapDek(kek, nonce, dek, aad),
    nonce,
    dict: CURRENT_DICTIONARY,
    ...(small ? { body: aeadSeal(dek, nonce, padded, aad) } : { chunks: chunks.map(({ cid }) => parseCid(cid)) }),
  }
  for (const secret of [dek, padded]) secret.fill(0)
  return { envelope, chunks, salt }
}
