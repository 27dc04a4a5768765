import { hash, randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import * as dagCbor from '@ipld/dag-cbor'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { it, vi } from 'vitest'
import { nativeSeal } from '../../src/vault/aead.js'
import { DICTIONARY_1 } from '../../src/vault/dictionary/dictionary-1.js'
import { policySecret, signerOf } from '../../src/vault/keys.js'
import { open, type SealedRecord } from '../../src/vault/open.js'
import {
  Capsule,
  CapsuleFrag,
  decapsulateReencrypted,
  generateKeyFrags,
  reencrypt,
  SecretKey,
} from '../../src/vault/pre/index.js'
import { seal } from '../../src/vault/seal.js'
import { permitFor } from '../vault/support/permits.js'
import { author, fetched, general, observation, openingKeys, root, sealOne, subject } from '../vault/support/records.js'

/**
 * `npx vitest bench --run test/bench/vault.bench.ts`: sealing and opening beside the same primitives called bare. The
 * two take turns, shorter than a time slice, so that whatever else the machine does disturbs few of them and both alike;
 * medians of the turns, microseconds.
 */
const TURNS = 500
const REPEATS = 3

function compare(what: string, floor: () => unknown, ours: () => unknown, repeats = REPEATS): void {
  const timed = (work: () => unknown): number => {
    const from = performance.now()
    for (let i = 0; i < repeats; i++) work()
    return ((performance.now() - from) * 1000) / repeats
  }
  for (const work of [floor, ours, floor, ours]) timed(work)
  const turns = Array.from({ length: TURNS }, () => [timed(floor), timed(ours)] as const)
  const [low, mine] = [median(turns.map(([a]) => a)), median(turns.map(([, b]) => b))]
  const [value, bare] = [mine, low].map((n) => n.toFixed(1).padStart(8)) as [string, string]
  console.log(`${what.padEnd(58)} ${value} µs, bare ${bare} µs, ratio ${(mine / low).toFixed(2)}`)
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

interface Lib {
  ecdsaSign(digest: Uint8Array, key: Uint8Array): { signature: Uint8Array }
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, key: Uint8Array): boolean
}
const lib = createRequire(import.meta.url)('secp256k1/bindings') as Lib

const body = observation()
const zstd = { dictionary: DICTIONARY_1, params: { [constants.ZSTD_c_compressionLevel]: 3 } }
const packed = new Uint8Array(zstdCompressSync(body, zstd))
const [key, dek, nonce] = [32, 32, 24].map((n) => new Uint8Array(randomBytes(n))) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
]
const aad = new Uint8Array(173)
const box = (plain: Uint8Array, secret: Uint8Array) => xchacha20poly1305(secret, nonce, aad).encrypt(plain)
const unbox = (sealed: Uint8Array, secret: Uint8Array) => xchacha20poly1305(secret, nonce, aad).decrypt(sealed)
const signature = lib.ecdsaSign(hash('sha256', packed, 'buffer'), author.key.expose()).signature
const map = { author: author.id, tag: key, capsules: [general.capsule], dek: key, nonce, dict: 1, sig: signature }

it('seal', () => {
  const item = { id: 'Observation/o1', version: 1, body, keys: [general], subject }
  console.log(
    `a body of ${body.length} bytes, ${packed.length} compressed, in a block of ${fetched(sealOne(body)).envelope.length}`,
  )
  compare(
    'seal, capsule per epoch',
    () => {
      randomBytes(56)
      const ciphertext = box(new Uint8Array(zstdCompressSync(body, zstd)), dek)
      const bytes = dagCbor.encode({ ...map, dek: box(dek, key), body: ciphertext })
      lib.ecdsaSign(hash('sha256', bytes, 'buffer'), author.key.expose())
      return hash('sha256', bytes, 'buffer')
    },
    () => seal([item], author),
  )
})

it('open', async () => {
  const [wrapped, ciphertext] = [box(dek, key), box(packed, dek)]
  const bare = () => zstdDecompressSync(unbox(ciphertext, unbox(wrapped, key)), { dictionary: DICTIONARY_1 })
  const permit = permitFor(subject)
  const sealed = fetched(sealOne(body))
  const again = () => open(permit, sealed, openingKeys)
  compare('open, capsule key at hand; bare: without a signature', bare, again)

  // Another instance of the modules, which has not seen these envelopes signed.
  const records = Array.from({ length: (TURNS + 2) * REPEATS }, () => fetched(sealOne(body)))
  vi.resetModules()
  const fresh = await import('../../src/vault/open.js')
  const { permitFor: freshPermitFor } = await import('../vault/support/permits.js')
  const freshPermit = freshPermitFor(subject)
  const first = () => fresh.open(freshPermit, records.pop() as SealedRecord, openingKeys)
  const publicKey = author.key.publicKey.toBytes()
  const verified = () => {
    lib.ecdsaVerify(signature, hash('sha256', sealed.envelope, 'buffer'), publicKey)
    dagCbor.decode(sealed.envelope.subarray(1, -66))
    return bare()
  }
  compare('open for the first time; bare: with the signature', verified, first)
})

it('cold open over three proxies', () => {
  const grantee = SecretKey.random()
  const delegating = policySecret(root, 'general', 0)
  const signer = signerOf(root)
  const frags = generateKeyFrags({ delegating, receiving: grantee.publicKey, signer, threshold: 3, shares: 5 })
  const capsule = Capsule.fromBytes(general.capsule)
  const answers = frags.slice(0, 3).map((frag) => reencrypt(capsule, frag))
  const wire = answers.map((answer) => answer.toBytes())
  const [permit, sealed] = [permitFor(subject), fetched(sealOne(body))]
  const context = {
    capsule,
    verifyingKey: signer.publicKey,
    delegating: delegating.publicKey,
    receiving: grantee.publicKey,
  }
  const received = wire.map((bytes) => CapsuleFrag.fromBytes(bytes))
  compare(
    'cold open, 3 of 5; bare: checks and decapsulation alone',
    () => {
      const verified = received.map((frag) => frag.verify(context))
      return decapsulateReencrypted(grantee, delegating.publicKey, capsule, verified)
    },
    () => {
      const arrived = Capsule.fromBytes(general.capsule)
      const verified = wire.map((bytes) => CapsuleFrag.fromBytes(bytes).verify({ ...context, capsule: arrived }))
      const opened = decapsulateReencrypted(grantee, delegating.publicKey, arrived, verified)
      return open(permit, sealed, { ...openingKeys, capsuleKey: () => opened })
    },
    1,
  )
})

it('AEAD: where OpenSSL overtakes JavaScript', () => {
  for (const size of [512, 1024, 2048, 4096, 65_536]) {
    const plain = new Uint8Array(randomBytes(size))
    compare(
      `XChaCha20-Poly1305 of ${size} bytes; bare: JavaScript`,
      () => box(plain, dek),
      () => nativeSeal(dek, nonce, plain, aad),
    )
  }
})
