import * as oracle from '@nucypher/umbral-pre'
import type { Group } from '../../../src/vault/pre/group.js'
import {
  Capsule,
  CapsuleFrag,
  decapsulateOriginal,
  decapsulateReencrypted,
  encapsulate,
  generateKeyFrags,
  KeyFrag,
  PublicKey,
  reencrypt,
  SecretKey,
} from '../../../src/vault/pre/index.js'
import { nativeGroup } from '../../../src/vault/pre/native-group.js'
import { nobleGroup } from '../../../src/vault/pre/noble-group.js'
import { BASE, compress, decompress, integer, multiply, octets } from '../../reference/curve.js'
import * as twin from '../../reference/umbral.js'
import * as wire from '../../reference/wire.js'
import { demDecrypt, demEncrypt } from './dem.js'

/** The public keys of one policy, compressed. */
export interface Keys {
  readonly delegating: Uint8Array
  readonly receiving: Uint8Array
  readonly verifying: Uint8Array
}

/** Umbral on bytes alone, so that any implementation can take any part. What reads also checks, and throws. */
export interface Implementation {
  readonly name: string
  publicKey(secret: Uint8Array): Uint8Array
  encrypt(delegating: Uint8Array, plaintext: Uint8Array): { capsule: Uint8Array; ciphertext: Uint8Array }
  decryptOriginal(a: Uint8Array, capsule: Uint8Array, ciphertext: Uint8Array): Uint8Array
  keyFrags(a: Uint8Array, b: Uint8Array, signer: Uint8Array, m: number, n: number): Uint8Array[]
  reencrypt(capsule: Uint8Array, keyFrag: Uint8Array, keys: Keys): Uint8Array
  decryptReencrypted(
    b: Uint8Array,
    capsule: Uint8Array,
    frags: Uint8Array[],
    keys: Keys,
    ciphertext: Uint8Array,
  ): Uint8Array
  /** What comes back when the bytes are read and written again. */
  rewrite: {
    capsule(bytes: Uint8Array): Uint8Array
    keyFrag(bytes: Uint8Array, keys: Keys): Uint8Array
    capsuleFrag(bytes: Uint8Array, capsule: Uint8Array, keys: Keys): Uint8Array
  }
}

export function ours(group: Group): Implementation {
  const key = (bytes: Uint8Array) => PublicKey.fromBytes(bytes, group)
  const secret = (bytes: Uint8Array) => SecretKey.fromScalar(bytes, group)
  const capsuleOf = (bytes: Uint8Array) => Capsule.fromBytes(bytes, group)
  const context = (capsule: Capsule, keys: Keys) => ({
    capsule,
    verifyingKey: key(keys.verifying),
    delegating: key(keys.delegating),
    receiving: key(keys.receiving),
  })
  const capsuleFrag = (bytes: Uint8Array, capsule: Capsule, keys: Keys) =>
    CapsuleFrag.fromBytes(bytes, group).verify(context(capsule, keys), group)
  const keyFrag = (bytes: Uint8Array, keys: Keys) =>
    KeyFrag.fromBytes(bytes, group).verify(key(keys.verifying), key(keys.delegating), key(keys.receiving), group)
  return {
    name: group.name,
    publicKey: (bytes) => secret(bytes).publicKey.toBytes(),
    encrypt: (delegating, plaintext) => {
      const { capsule, key: symmetric } = encapsulate(key(delegating), group)
      return { capsule: capsule.toBytes(), ciphertext: demEncrypt(symmetric, capsule.toBytes(), plaintext) }
    },
    decryptOriginal: (a, capsule, ciphertext) =>
      demDecrypt(decapsulateOriginal(secret(a), capsuleOf(capsule), group), capsule, ciphertext),
    keyFrags: (a, b, signer, threshold, shares) =>
      generateKeyFrags(
        { delegating: secret(a), receiving: key(b), signer: secret(signer), threshold, shares },
        group,
      ).map((frag) => frag.toBytes()),
    reencrypt: (capsule, bytes, keys) => reencrypt(capsuleOf(capsule), keyFrag(bytes, keys), group).toBytes(),
    decryptReencrypted: (b, bytes, frags, keys, ciphertext) => {
      const capsule = capsuleOf(bytes)
      const verified = frags.map((frag) => capsuleFrag(frag, capsule, keys))
      const opened = decapsulateReencrypted(secret(b), key(keys.delegating), capsule, verified, group)
      return demDecrypt(opened, bytes, ciphertext)
    },
    rewrite: {
      capsule: (bytes) => capsuleOf(bytes).toBytes(),
      keyFrag: (bytes, keys) => keyFrag(bytes, keys).toBytes(),
      capsuleFrag: (bytes, capsule, keys) => capsuleFrag(bytes, capsuleOf(capsule), keys).toBytes(),
    },
  }
}

export const theOracle: Implementation = (() => {
  const key = (bytes: Uint8Array) => oracle.PublicKey.fromCompressedBytes(bytes)
  const secret = (bytes: Uint8Array) => oracle.SecretKey.fromBEBytes(bytes)
  const capsuleOf = (bytes: Uint8Array) => oracle.Capsule.fromBytes(bytes)
  const capsuleFrag = (bytes: Uint8Array, capsule: oracle.Capsule, keys: Keys) =>
    oracle.CapsuleFrag.fromBytes(bytes).verify(capsule, key(keys.verifying), key(keys.delegating), key(keys.receiving))
  const keyFrag = (bytes: Uint8Array, keys: Keys) =>
    oracle.KeyFrag.fromBytes(bytes).verify(key(keys.verifying), key(keys.delegating), key(keys.receiving))
  return {
    name: 'umbral-pre',
    publicKey: (bytes) => secret(bytes).publicKey().toCompressedBytes(),
    encrypt: (delegating, plaintext) => {
      const [capsule, ciphertext] = oracle.encrypt(key(delegating), plaintext)
      return { capsule: capsule.toBytes(), ciphertext }
    },
    decryptOriginal: (a, capsule, ciphertext) => oracle.decryptOriginal(secret(a), capsuleOf(capsule), ciphertext),
    keyFrags: (a, b, signer, m, n) =>
      oracle
        .generateKFrags(secret(a), key(b), new oracle.Signer(secret(signer)), m, n, true, true)
        .map((frag) => frag.toBytes()),
    reencrypt: (capsule, bytes, keys) => oracle.reencrypt(capsuleOf(capsule), keyFrag(bytes, keys)).toBytes(),
    decryptReencrypted: (b, bytes, frags, keys, ciphertext) => {
      const capsule = capsuleOf(bytes)
      const verified = frags.map((frag) => capsuleFrag(frag, capsule, keys))
      return oracle.decryptReencrypted(secret(b), key(keys.delegating), capsule, verified, ciphertext)
    },
    rewrite: {
      capsule: (bytes) => capsuleOf(bytes).toBytes(),
      keyFrag: (bytes) => oracle.KeyFrag.fromBytes(bytes).toBytes(),
      capsuleFrag: (bytes, capsule, keys) => capsuleFrag(bytes, capsuleOf(capsule), keys).toBytes(),
    },
  }
})()

/** The slow twin of test/reference. */
export const theTwin: Implementation = {
  name: 'twin',
  publicKey: (bytes) => compress(multiply(integer(bytes), BASE)),
  encrypt: (delegating, plaintext) => {
    const { capsule, key } = twin.encapsulate(decompress(delegating))
    const bytes = wire.packCapsule(capsule)
    return { capsule: bytes, ciphertext: demEncrypt(key, bytes, plaintext) }
  },
  decryptOriginal: (a, capsule, ciphertext) =>
    demDecrypt(twin.decapsulateOriginal(integer(a), checkedCapsule(capsule)), capsule, ciphertext),
  keyFrags: (a, b, signer, m, n) =>
    twin.generateKeyFrags(integer(a), decompress(b), integer(signer), m, n).map(wire.packKeyFrag),
  reencrypt: (capsule, bytes, { verifying, delegating, receiving }) => {
    const frag = wire.unpackKeyFrag(bytes)
    const [v, a, b] = [verifying, delegating, receiving].map(decompress) as [Point, Point, Point]
    must(twin.checkKeyFrag(frag, v, a, b), 'kfrag')
    return wire.packCapsuleFrag(twin.reencrypt(checkedCapsule(capsule), frag))
  },
  decryptReencrypted: (b, capsule, frags, keys, ciphertext) => {
    const checked = frags.map((frag) => checkedCapsuleFrag(frag, capsule, keys))
    const key = twin.decapsulateReencrypted(
      integer(b),
      decompress(keys.delegating),
      wire.unpackCapsule(capsule),
      checked,
    )
    if (key === null) throw new Error('does not open')
    return demDecrypt(key, capsule, ciphertext)
  },
  rewrite: {
    capsule: (bytes) => wire.packCapsule(wire.unpackCapsule(bytes)),
    keyFrag: (bytes) => wire.packKeyFrag(wire.unpackKeyFrag(bytes)),
    capsuleFrag: (bytes) => wire.packCapsuleFrag(wire.unpackCapsuleFrag(bytes)),
  },
}

type Point = ReturnType<typeof decompress>

function checkedCapsule(bytes: Uint8Array): twin.Capsule {
  const capsule = wire.unpackCapsule(bytes)
  must(twin.checkCapsule(capsule), 'capsule')
  return capsule
}

function checkedCapsuleFrag(bytes: Uint8Array, capsule: Uint8Array, keys: Keys): twin.CapsuleFrag {
  const frag = wire.unpackCapsuleFrag(bytes)
  const [v, a, b] = [keys.verifying, keys.delegating, keys.receiving].map(decompress) as [Point, Point, Point]
  must(twin.checkCapsuleFrag(wire.unpackCapsule(capsule), frag, v, a, b), 'cfrag')
  return frag
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the twin refuses the ${what}`)
}

export const randomSecret = (): Uint8Array => octets(twin.random(), 32)

/** Both backends that can be had here. */
export const groups: Group[] = nativeGroup ? [nativeGroup, nobleGroup] : [nobleGroup]
if (!nativeGroup) process.stderr.write('libsecp256k1 cannot be loaded here: the native backend is not tested\n')
