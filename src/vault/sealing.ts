import { hash } from 'node:crypto'
import { aeadOpen, aeadSeal, NONCE_BYTES, TAG_BYTES } from './aead.js'
import { MAX_BLOCK } from './envelope.js'
import { u32 } from './payload.js'

/** Ciphertext up to this size lies in the envelope itself, beside up to 64 capsules (7 KiB) and half a KiB of other things. */
export const INLINE_LIMIT = MAX_BLOCK - 16_384
/** Plaintext of a chunk, whose block is as large as a block may be. */
export const CHUNK = MAX_BLOCK - TAG_BYTES

/** What ciphertext is bound to: author ‖ record tag ‖ u32be number of capsules ‖ capsules, so none can be exchanged. */
export function additionalData(author: Uint8Array, tag: Uint8Array, capsules: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([author, tag, u32(capsules.length), ...capsules])
}

/**
 * The key that wraps the data key, made of the capsule keys of all labels in their order: one missing key, and nothing
 * opens. One-step derivation of NIST SP 800-56C rev. 2, section 4.1: SHA-256(00000001 ‖ K₁ ‖ … ‖ Kₙ ‖ `consentry dek 1`),
 * a tenth of the time of HKDF, and the keys are uniformly random already.
 */
export function keyEncryptionKey(capsuleKeys: readonly Uint8Array[]): Uint8Array {
  const secret = Buffer.concat([COUNTER, ...capsuleKeys, DEK_INFO])
  const key = hash('sha256', secret, 'buffer')
  secret.fill(0)
  return key
}

const COUNTER = u32(1)
const DEK_INFO = Buffer.from('consentry dek 1')

/** The wrapping key serves many records, so the nonce is random; it is that of the envelope, whose other use is under the DEK. */
export function wrapDek(kek: Uint8Array, nonce: Uint8Array, dek: Uint8Array, aad: Uint8Array): Uint8Array {
  return aeadSeal(kek, nonce, dek, aad)
}

export function unwrapDek(kek: Uint8Array, nonce: Uint8Array, wrapped: Uint8Array, aad: Uint8Array): Uint8Array {
  return aeadOpen(kek, nonce, wrapped, aad)
}

/**
 * The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, CRYPTO 2015): the nonce of a chunk is 19 bytes of
 * `nonce` ‖ u32be number ‖ 01 for the last chunk, so none can be dropped, repeated, reordered or cut off.
 */
export function sealChunks(dek: Uint8Array, nonce: Uint8Array, padded: Uint8Array, aad: Uint8Array): Uint8Array[] {
  const count = Math.ceil(padded.length / CHUNK)
  return Array.from({ length: count }, (_, i) =>
    aeadSeal(dek, chunkNonce(nonce, i, i === count - 1), padded.subarray(i * CHUNK, (i + 1) * CHUNK), aad),
  )
}

export function openChunks(
  dek: Uint8Array,
  nonce: Uint8Array,
  chunks: readonly Uint8Array[],
  aad: Uint8Array,
): Uint8Array {
  return Buffer.concat(
    chunks.map((chunk, i) => aeadOpen(dek, chunkNonce(nonce, i, i === chunks.length - 1), chunk, aad)),
  )
}

function chunkNonce(nonce: Uint8Array, number: number, last: boolean): Uint8Array {
  const bytes = new Uint8Array(NONCE_BYTES)
  bytes.set(nonce.subarray(0, 19))
  bytes.set(u32(number), 19)
  bytes[23] = last ? 1 : 0
  return bytes
}
