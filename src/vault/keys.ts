import { hkdfSync, randomBytes } from 'node:crypto'
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

/** A secret key from a seed: 48 bytes of HKDF reduced into [1, n−1], so the bias is below 2⁻¹²⁸. */
export function deriveSecretKey(seed: Uint8Array, info: string): SecretKey {
  const wide = BigInt(`0x${Buffer.from(derive(seed, info, 48)).toString('hex')}`)
  const scalar = (wide % ORDER_LESS_1) + 1n
  return SecretKey.fromScalar(Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex'))
}

/**
 * The policy secret d of a label: derived hardened from the patient's root secret, so that one leaked d reveals no
 * sibling (DESIGN.md, section 6). Its public key is the policy key P.
 */
export function policySecret(root: Uint8Array, label: string, epoch: number): SecretKey {
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

/** A secret under a master key: nonce (24) ‖ XChaCha20-Poly1305. `purpose` must be the same to unwrap it. */
export function wrap(master: Uint8Array, secret: Uint8Array, purpose: string): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES)
  return Buffer.concat([nonce, aeadSeal(master, nonce, secret, Buffer.from(purpose))])
}

/** @throws ConsentryError `integrity` */
export function unwrap(master: Uint8Array, wrapped: Uint8Array, purpose: string): Uint8Array {
  return aeadOpen(master, wrapped.subarray(0, NONCE_BYTES), wrapped.subarray(NONCE_BYTES), Buffer.from(purpose))
}

const CAPSULE_BYTES = 105

/** Bytes that only the holder of a secret key opens: capsule (105) ‖ nonce (24) ‖ XChaCha20-Poly1305. */
export function sealTo(receiver: PublicKey, bytes: Uint8Array, purpose: string): Uint8Array {
  const { capsule, key } = newCapsuleKey(receiver)
  return Buffer.concat([capsule, wrap(key, bytes, purpose)])
}

/** @throws ConsentryError `malformed` or `integrity` */
export function openSealed(receiver: SecretKey, sealed: Uint8Array, purpose: string): Uint8Array {
  const capsule = Capsule.fromBytes(sealed.subarray(0, CAPSULE_BYTES))
  return unwrap(decapsulateOriginal(receiver, capsule), sealed.subarray(CAPSULE_BYTES), purpose)
}
