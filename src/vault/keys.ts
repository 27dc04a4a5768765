import { hkdfSync, randomBytes } from 'node:crypto'
import { ConsentryError } from '../errors.js'
import { aeadOpen, aeadSeal, KEY_BYTES, NONCE_BYTES } from './aead.js'
import { Capsule, decapsulateOriginal, encapsulate, type PublicKey, SecretKey } from './pre/index.js'

/** Order of secp256k1 minus 1. */
const ORDER_LESS_1 = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140n
const EMPTY = new Uint8Array(0)

/** 32 random bytes. */
export function randomKey(): Uint8Array {
  return new Uint8Array(randomBytes(KEY_BYTES))
}

/** HKDF-SHA-256 (RFC 5869) with a text as `info`; 32 bytes unless told. */
export function derive(secret: Uint8Array, info: string, length = KEY_BYTES): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, EMPTY, info, length))
}

/** A secret key from a seed: 48 bytes of HKDF reduced into [1, n−1], so the bias is below 2⁻¹²⁸ (FIPS 186-5, A.2.1). */
export function deriveSecretKey(seed: Uint8Array, info: string): SecretKey {
  const wide = BigInt(`0x${Buffer.from(derive(seed, info, 48)).toString('hex')}`)
  const scalar = Buffer.from(((wide % ORDER_LESS_1) + 1n).toString(16).padStart(64, '0'), 'hex')
  const key = SecretKey.fromScalar(scalar)
  scalar.fill(0)
  return key
}

/**
 * The policy secret d of a label: derived hardened from the patient's root secret, so that one leaked d reveals no
 * sibling. Its public key is the policy key P.
 * @param root 32 bytes
 * @param label code of the label
 * @param epoch 0, 1, 2 …
 */
export function policySecret(root: Uint8Array, label: string, epoch: number): SecretKey {
  if (!Number.isSafeInteger(epoch) || epoch < 0) throw new ConsentryError('internal', 'An epoch is a number from 0.')
  return deriveSecretKey(root, `consentry policy ${epoch} ${label}`)
}

/** The key with which a patient's key fragments are signed; its public half is the patient's verifying key. */
export function signerOf(root: Uint8Array): SecretKey {
  return deriveSecretKey(root, 'consentry signer')
}

/** A capsule, and the key that it stands for. */
export interface CapsuleKey {
  /** 105 bytes. */
  readonly capsule: Uint8Array
  /** Secret, 32 bytes. */
  readonly key: Uint8Array
}

export function newCapsuleKey(policyKey: PublicKey): CapsuleKey {
  const { capsule, key } = encapsulate(policyKey)
  return { capsule: capsule.toBytes(), key }
}

/**
 * A secret under a master key, or any bytes: nonce (24) ‖ XChaCha20-Poly1305.
 * @param master 32 bytes
 * @param purpose says what the bytes are and whose; it must be the same to unwrap them, so one cannot stand for another
 */
export function wrap(master: Uint8Array, secret: Uint8Array, purpose: string): Uint8Array {
  return box(master, secret, Buffer.from(purpose))
}

/** @throws ConsentryError `integrity` for another key, another purpose or altered bytes */
export function unwrap(master: Uint8Array, wrapped: Uint8Array, purpose: string): Uint8Array {
  return unbox(master, wrapped, Buffer.from(purpose))
}

const CAPSULE_BYTES = 105

/**
 * Bytes that only the holder of a secret key opens: Umbral capsule (105) ‖ nonce (24) ‖ XChaCha20-Poly1305 under the
 * capsule's key, with purpose and capsule as additional data. For grant packages, and key fragments on their way to a proxy.
 */
export function sealTo(receiver: PublicKey, bytes: Uint8Array, purpose: string): Uint8Array {
  const { capsule, key } = newCapsuleKey(receiver)
  const sealed = box(key, bytes, Buffer.concat([Buffer.from(purpose), capsule]))
  key.fill(0)
  return Buffer.concat([capsule, sealed])
}

/** @throws ConsentryError `malformed` when there is no capsule, `integrity` for another key or purpose, or altered bytes */
export function openSealed(receiver: SecretKey, sealed: Uint8Array, purpose: string): Uint8Array {
  const capsule = sealed.subarray(0, CAPSULE_BYTES)
  const key = decapsulateOriginal(receiver, Capsule.fromBytes(capsule))
  const bytes = unbox(key, sealed.subarray(CAPSULE_BYTES), Buffer.concat([Buffer.from(purpose), capsule]))
  key.fill(0)
  return bytes
}

function box(key: Uint8Array, bytes: Uint8Array, aad: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES)
  return Buffer.concat([nonce, aeadSeal(key, nonce, bytes, aad)])
}

function unbox(key: Uint8Array, boxed: Uint8Array, aad: Uint8Array): Uint8Array {
  return aeadOpen(key, boxed.subarray(0, NONCE_BYTES), boxed.subarray(NONCE_BYTES), aad)
}
