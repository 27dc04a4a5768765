/**
 * Umbral, threshold proxy re-encryption (D. Nuñez, 2018), on the wire format of umbral-pre 0.10. See README.md.
 * What is not exported here is for the files of this folder alone: some of it makes verified values.
 */
export { Capsule } from './capsule.js'
export { CapsuleFrag, type CapsuleFragContext, VerifiedCapsuleFrag } from './capsule-frag.js'
export { decapsulateOriginal, decapsulateReencrypted } from './decapsulate.js'
export { encapsulate } from './encapsulate.js'
export { generateKeyFrags, type KeyFragOptions } from './generate-key-frags.js'
export { KeyFrag, VerifiedKeyFrag } from './key-frag.js'
export { PublicKey, SecretKey, type Signer } from './keys.js'
export { reencrypt } from './reencrypt.js'
export { type Culprit, verifyCapsuleFrags } from './verify-capsule-frags.js'
