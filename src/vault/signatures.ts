import { sha256 } from './cid.js'
import type { EnvelopeSignature } from './envelope-signature.js'
import { PublicKey } from './pre/index.js'

/** Bounds of the two memories below: 5 MB and 0.2 MB. */
const KNOWN_SIGNATURES = 50_000
const KNOWN_KEYS = 1_000

/**
 * Which envelopes were found to be signed by which key. An envelope is named by the digest of its whole block, signature included, and what
 * several were signed by together by what it is over and itself, so what was true once stays true; whether the key is the author's is asked
 * anew at every opening.
 */
const verified = new Map<string, true>()
/** Keys that were read already: reading a compressed point takes a square root. */
const publicKeys = new Map<string, PublicKey>()

/**
 * Whether the block of that digest carries a signature by one of the keys.
 * @param digest SHA-256 of the block
 * @param keys 33 bytes each
 */
export function isSignedBy(
  keys: readonly Uint8Array[],
  digest: Uint8Array,
  { signed, sig, together }: EnvelopeSignature,
): boolean {
  const subject = together ? sha256(Buffer.concat([signed, sig])) : digest
  return keys.some((key) => {
    if (verified.has(nameOf(digest, key)) || verified.has(nameOf(subject, key))) return true
    if (!publicKey(key).verify(sig, signed)) return false
    remember(verified, KNOWN_SIGNATURES, nameOf(subject, key), true)
    return true
  })
}

/** For whoever just signed it. */
export function rememberSignature(key: PublicKey, digest: Uint8Array): void {
  remember(verified, KNOWN_SIGNATURES, nameOf(digest, key.toBytes()), true)
}

function publicKey(bytes: Uint8Array): PublicKey {
  const name = Buffer.from(bytes).toString('latin1')
  const known = publicKeys.get(name)
  if (known !== undefined) return known
  const key = PublicKey.fromBytes(bytes)
  remember(publicKeys, KNOWN_KEYS, name, key)
  return key
}

function nameOf(digest: Uint8Array, key: Uint8Array): string {
  return Buffer.concat([digest, key]).toString('latin1')
}

/** The oldest makes room: a Map keeps the order of insertion. */
function remember<V>(memory: Map<string, V>, limit: number, name: string, value: V): void {
  if (memory.size >= limit) memory.delete(memory.keys().next().value as string)
  memory.set(name, value)
}
