import { randomBytes } from 'node:crypto'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import type { Capsule } from '../../../src/vault/pre/index.js'

/** The reference's data encapsulation, needed only against the oracle: nonce ‖ XChaCha20-Poly1305, AAD = E ‖ V ‖ s. */
export function demEncrypt(key: Uint8Array, capsule: Capsule, plaintext: Uint8Array): Uint8Array {
  const nonce = randomBytes(24)
  return Buffer.concat([nonce, xchacha20poly1305(key, nonce, aad(capsule)).encrypt(plaintext)])
}

export function demDecrypt(key: Uint8Array, capsule: Capsule, ciphertext: Uint8Array): Uint8Array {
  return xchacha20poly1305(key, ciphertext.subarray(0, 24), aad(capsule)).decrypt(ciphertext.subarray(24))
}

function aad(capsule: Capsule): Uint8Array {
  const bytes = capsule.toBytes()
  return Buffer.concat([bytes.subarray(3, 36), bytes.subarray(38, 71), bytes.subarray(73, 105)])
}
