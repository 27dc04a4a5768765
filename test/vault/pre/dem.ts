import { randomBytes } from 'node:crypto'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'

/** The reference's data encapsulation, needed only against the oracle: nonce ‖ XChaCha20-Poly1305, AAD = E ‖ V ‖ s. */
export function demEncrypt(key: Uint8Array, capsule: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const nonce = randomBytes(24)
  return Buffer.concat([nonce, xchacha20poly1305(key, nonce, aad(capsule)).encrypt(plaintext)])
}

export function demDecrypt(key: Uint8Array, capsule: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return xchacha20poly1305(key, ciphertext.subarray(0, 24), aad(capsule)).decrypt(ciphertext.subarray(24))
}

/** @param capsule 105 bytes on the wire, of which E, V and s are 98 */
function aad(capsule: Uint8Array): Uint8Array {
  return Buffer.concat([capsule.subarray(3, 36), capsule.subarray(38, 71), capsule.subarray(73, 105)])
}
