import { hash, randomBytes } from 'node:crypto'
import { ConsentryError } from '../errors.js'
import { aeadOpen, aeadSeal, NONCE_BYTES, TAG_BYTES } from './aead.js'
import { CURRENT_DICTIONARY } from './compression.js'
import type { CapsuleKey } from './keys.js'
import { pad, unpad } from './padding.js'
import { contentHashOf, decodePayload, encodePayload, type Payload, u32 } from './payload.js'
import type { SealItem } from './seal.js'

/**
 * A body that lies in its row, for its author alone: 01 ‖ dictionary (1) ‖ capsule (105) ‖ nonce (24) ‖
 * XChaCha20-Poly1305 of the padded payload, with author ‖ all before the nonce as additional data. It is never a block,
 * nobody else gets its capsule's key, and so who could seal it could also sign it: it has neither a signature nor a data
 * key of its own. The first byte of an envelope is another.
 */
export interface SealedRow {
  readonly body: Uint8Array
  /** SHA-256(salt ‖ body) */
  readonly contentHash: Uint8Array
  /** 32 bytes. */
  readonly salt: Uint8Array
}

const KIND = 1
const CAPSULE_AT = 2
const CAPSULE_BYTES = 105
const NONCE_AT = CAPSULE_AT + CAPSULE_BYTES
const CIPHERTEXT_AT = NONCE_AT + NONCE_BYTES

export function isSealedRow(bytes: Uint8Array): boolean {
  return bytes[0] === KIND && bytes.length >= CIPHERTEXT_AT + TAG_BYTES
}

export function capsuleOfRow(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(CAPSULE_AT, NONCE_AT)
}

/** @param author party id, 32 bytes. @throws ConsentryError `too-large` above 64 MiB */
export function sealRows(
  items: readonly Omit<SealItem, 'keys'>[],
  author: Uint8Array,
  { capsule, key }: CapsuleKey,
): SealedRow[] {
  const rowKey = rowKeyOf(key)
  const head = Buffer.concat([Uint8Array.of(KIND, CURRENT_DICTIONARY), capsule])
  const aad = Buffer.concat([author, head])
  const nonces = randomBytes(items.length * NONCE_BYTES)
  const rows = items.map((item, i): SealedRow => {
    const nonce = new Uint8Array(nonces.subarray(i * NONCE_BYTES, (i + 1) * NONCE_BYTES))
    const padded = pad(encodePayload(item))
    const body = Buffer.concat([head, nonce, aeadSeal(rowKey, nonce, padded, aad)])
    padded.fill(0)
    const salt = saltOfRow(rowKey, nonce)
    return { body, salt, contentHash: contentHashOf(salt, item.body) }
  })
  rowKey.fill(0)
  return rows
}

/** @param key of the row's capsule. @throws ConsentryError `integrity` */
export function openRow(bytes: Uint8Array, author: Uint8Array, key: Uint8Array): Payload {
  if (!isSealedRow(bytes)) throw new ConsentryError('integrity', 'The row holds no sealed body.')
  const rowKey = rowKeyOf(key)
  const nonce = new Uint8Array(bytes.subarray(NONCE_AT, CIPHERTEXT_AT))
  const aad = Buffer.concat([author, bytes.subarray(0, NONCE_AT)])
  const padded = aeadOpen(rowKey, nonce, bytes.subarray(CIPHERTEXT_AT), aad)
  const payload = decodePayload(unpad(padded), saltOfRow(rowKey, nonce), bytes[1] as number)
  rowKey.fill(0)
  padded.fill(0)
  return payload
}

/** One-step derivation of NIST SP 800-56C rev. 2, as `keyEncryptionKey`: one key, one use. */
function rowKeyOf(capsuleKey: Uint8Array): Uint8Array {
  const secret = Buffer.concat([COUNTER, capsuleKey, ROW_INFO])
  const key = hash('sha256', secret, 'buffer')
  secret.fill(0)
  return key
}

const COUNTER = u32(1)
const ROW_INFO = Buffer.from('consentry row 1')

/** SHA-256(`consentry row salt 1` ‖ row key ‖ nonce): gone when the row is. */
function saltOfRow(rowKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  const secret = Buffer.concat([SALT_DOMAIN, rowKey, nonce])
  const salt = hash('sha256', secret, 'buffer')
  secret.fill(0)
  return salt
}

const SALT_DOMAIN = Buffer.from('consentry row salt 1')
