import { createCipheriv, createDecipheriv } from 'node:crypto'
import { hchacha, xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { ConsentryError } from '../errors.js'

/**
 * From this many bytes OpenSSL's ChaCha20-Poly1305 is faster than JavaScript's, the derivation of its key included
 * (test/bench/vault.bench.ts prints the crossing). Both give the same bytes.
 */
export const NATIVE_FROM = 2560

export const KEY_BYTES = 32
export const NONCE_BYTES = 24
export const TAG_BYTES = 16

/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, section 2).
 * @param key 32 bytes
 * @param nonce 24 bytes, never twice with one key
 * @returns ciphertext ‖ tag (16)
 */
export function aeadSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  return plaintext.length < NATIVE_FROM
    ? xchacha20poly1305(key, nonce, aad).encrypt(plaintext)
    : nativeSeal(key, nonce, plaintext, aad)
}

/** @throws ConsentryError `integrity` when key, nonce, ciphertext or additional data are not those of sealing */
export function aeadOpen(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array {
  try {
    return sealed.length < NATIVE_FROM + TAG_BYTES
      ? xchacha20poly1305(key, nonce, aad).decrypt(sealed)
      : nativeOpen(key, nonce, sealed, aad)
  } catch (cause) {
    throw new ConsentryError('integrity', 'Sealed bytes do not pass their authentication.', { cause })
  }
}

/** For tests that hold both against each other. */
export function nativeSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  const { subkey, iv } = ietf(key, nonce)
  const cipher = createCipheriv('chacha20-poly1305', subkey, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
  sealed.set(cipher.update(plaintext))
  cipher.final()
  sealed.set(cipher.getAuthTag(), plaintext.length)
  subkey.fill(0)
  return sealed
}

export function nativeOpen(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array {
  const { subkey, iv } = ietf(key, nonce)
  const decipher = createDecipheriv('chacha20-poly1305', subkey, iv, { authTagLength: TAG_BYTES })
  const end = sealed.length - TAG_BYTES
  decipher.setAAD(aad, { plaintextLength: end })
  decipher.setAuthTag(sealed.subarray(end))
  const plaintext = decipher.update(sealed.subarray(0, end))
  // A stream cipher gives nothing more here; this is where the tag is checked.
  decipher.final()
  subkey.fill(0)
  return plaintext
}

/** The extended nonce: HChaCha20 of its first 16 bytes makes the key, the other 8 stand behind four zero bytes. */
function ietf(key: Uint8Array, nonce: Uint8Array): { subkey: Uint8Array; iv: Uint8Array } {
  const out = new Uint32Array(8)
  const secret = words(key)
  hchacha(SIGMA, secret, words(nonce.subarray(0, 16)), out)
  secret.fill(0)
  const iv = new Uint8Array(12)
  iv.set(nonce.subarray(16), 4)
  return { subkey: new Uint8Array(out.buffer), iv }
}

/** Little-endian 32-bit words, as all machines are that Node runs on. A copy: `slice` of a Buffer would share its pool. */
function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(Uint8Array.from(bytes).buffer)
}

const SIGMA = words(Buffer.from('expand 32-byte k', 'latin1'))
