import { createCipheriv, createDecipheriv } from 'node:crypto'
import { hchacha, xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { ConsentryError } from '../errors.js'

/** Above this many bytes OpenSSL's ChaCha20-Poly1305 is faster than JavaScript's, the derivation of its key included. */
const NATIVE_FROM = 64 * 1024

export const KEY_BYTES = 32
export const NONCE_BYTES = 24
export const TAG_BYTES = 16

/** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): ciphertext ‖ tag. */
export function aeadSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  if (plaintext.length < NATIVE_FROM) return xchacha20poly1305(key, nonce, aad).encrypt(plaintext)
  const { subkey, iv } = ietf(key, nonce)
  const cipher = createCipheriv('chacha20-poly1305', subkey, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** @throws ConsentryError `integrity` when key, nonce, ciphertext or additional data are not those of sealing */
export function aeadOpen(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array {
  try {
    if (sealed.length < NATIVE_FROM + TAG_BYTES) return xchacha20poly1305(key, nonce, aad).decrypt(sealed)
    const { subkey, iv } = ietf(key, nonce)
    const decipher = createDecipheriv('chacha20-poly1305', subkey, iv, { authTagLength: TAG_BYTES })
    const end = sealed.length - TAG_BYTES
    decipher.setAAD(aad, { plaintextLength: end })
    decipher.setAuthTag(sealed.subarray(end))
    return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()])
  } catch (cause) {
    throw new ConsentryError('integrity', 'Sealed bytes do not pass their authentication.', { cause })
  }
}

/** The extended nonce is HChaCha20 of its first 16 bytes as the key, and the other 8 behind four zero bytes. */
function ietf(key: Uint8Array, nonce: Uint8Array): { subkey: Uint8Array; iv: Uint8Array } {
  const out = new Uint32Array(8)
  hchacha(SIGMA, words(key), words(nonce.subarray(0, 16)), out)
  const iv = new Uint8Array(12)
  iv.set(nonce.subarray(16), 4)
  return { subkey: new Uint8Array(out.buffer), iv }
}

/** Little-endian 32-bit words, as all machines are that Node runs on. */
function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer)
}

const SIGMA = words(Buffer.from('expand 32-byte k', 'latin1'))
