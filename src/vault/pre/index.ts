/** Umbral, threshold proxy re-encryption (D. Nuñez, 2018), on the wire format of umbral-pre 0.10. See README.md. */
export { Capsule, decapsulateOriginal, encapsulate } from './capsule.js'
export { CapsuleFrag, type CapsuleFragContext, VerifiedCapsuleFrag } from './capsule-frag.js'
export { decapsulateReencrypted } from './decapsulate.js'
export { generateKeyFrags, KeyFrag, type KeyFragOptions, VerifiedKeyFrag } from './key-frag.js'
export { PublicKey, SecretKey, type Signer } from './keys.js'
export { reencrypt } from './reencrypt.js'
