import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { generateKeyFrags, KeyFrag, PublicKey, SecretKey } from '../../../src/vault/pre/index.js'
import * as oracle from '@nucypher/umbral-pre'
import { groups, type Implementation, type Keys, ours, randomSecret, theOracle, theTwin } from './implementations.js'

const mine = groups.map(ours)
const all: Implementation[] = [...mine, theOracle, theTwin]

/** One life of a capsule, each part played by whom the test says. */
function play(roles: {
  author: Implementation
  alice: Implementation
  proxies: Implementation[]
  bob: Implementation
}) {
  const { author, alice, proxies, bob } = roles
  const [m, n] = [proxies.length, proxies.length + 1]
  const [a, b, signer] = [randomSecret(), randomSecret(), randomSecret()]
  const keys: Keys = {
    delegating: author.publicKey(a),
    receiving: bob.publicKey(b),
    verifying: alice.publicKey(signer),
  }
  const plaintext = new Uint8Array(randomBytes(40))
  const { capsule, ciphertext } = author.encrypt(keys.delegating, plaintext)
  const keyFrags = alice.keyFrags(a, keys.receiving, signer, m, n)
  const capsuleFrags = proxies.map((proxy, i) => proxy.reencrypt(capsule, keyFrags[i + 1]!, keys))
  expect([
    capsule.length,
    ...keyFrags.map(({ length }) => length),
    ...capsuleFrags.map(({ length }) => length),
  ]).toEqual([105, ...keyFrags.map(() => 310), ...capsuleFrags.map(() => 381)])
  const open = (frags: Uint8Array[]) => bob.decryptReencrypted(b, capsule, frags, keys, ciphertext)
  expect(Buffer.compare(open(capsuleFrags), plaintext)).toBe(0)
  expect(Buffer.compare(bob.decryptOriginal(a, capsule, ciphertext), plaintext)).toBe(0)
  if (m > 1) expect(() => open(capsuleFrags.slice(1))).toThrow()
  return { capsule, keyFrags, capsuleFrags, keys }
}

/**
 * Every implementation in every part beside every other in every other part: the orthogonal array of 16 runs and five
 * columns over the field of four elements, i, j, i + j, i + 2j, i + 3j.
 */
const twice = [0, 2, 3, 1]
const thrice = [0, 3, 1, 2]
const player = (i: number): Implementation => all[i % all.length]!
const casts = [0, 1, 2, 3].flatMap((i) =>
  [0, 1, 2, 3].map((j) => ({
    author: player(i),
    alice: player(j),
    proxies: [player(i ^ j), player(i ^ twice[j]!)],
    bob: player(i ^ thrice[j]!),
  })),
)

describe('native, noble, umbral-pre and the twin', () => {
  it.each(
    casts.map(
      (cast) =>
        [
          `${cast.author.name} encapsulates, ${cast.alice.name} grants, ${cast.proxies.map(({ name }) => name).join(' and ')} re-encrypt, ${cast.bob.name} opens`,
          cast,
        ] as const,
    ),
  )('%s', (_, cast) => {
    play(cast)
  })

  it('open what any cast of them made, at any threshold', () => {
    // The twin takes a second per life, so the free play is without it.
    const anyone = fc.constantFrom(...mine, theOracle)
    const cast = fc.record({
      author: anyone,
      alice: anyone,
      proxies: fc.array(anyone, { minLength: 1, maxLength: 4 }),
      bob: anyone,
    })
    fc.assert(
      fc.property(cast, (roles) => void play(roles)),
      { numRuns: 12 },
    )
  })

  it('write what they read, byte for byte', () => {
    for (const maker of all) {
      const { capsule, keyFrags, capsuleFrags, keys } = play({
        author: maker,
        alice: maker,
        proxies: [maker],
        bob: maker,
      })
      for (const reader of all) {
        expect(Buffer.compare(reader.rewrite.capsule(capsule), capsule)).toBe(0)
        expect(Buffer.compare(reader.rewrite.keyFrag(keyFrags[0]!, keys), keyFrags[0]!)).toBe(0)
        expect(Buffer.compare(reader.rewrite.capsuleFrag(capsuleFrags[0]!, capsule, keys), capsuleFrags[0]!)).toBe(0)
      }
    }
  })

  it('agree on fragments whose proxy signature leaves a key out', () => {
    const [alice, bob, signer] = [SecretKey.random(), SecretKey.random(), SecretKey.random()]
    const theirs = {
      alice: oracle.SecretKey.fromBEBytes(alice.expose()),
      bob: oracle.PublicKey.fromCompressedBytes(bob.publicKey.toBytes()),
      signer: new oracle.Signer(oracle.SecretKey.fromBEBytes(signer.expose())),
    }
    const policy = { delegating: alice, receiving: bob.publicKey, signer, threshold: 1, shares: 1 }
    for (const [signDelegating, signReceiving] of [
      [true, false],
      [false, true],
      [false, false],
    ] as const) {
      const bytes = generateKeyFrags({ ...policy, signDelegating, signReceiving })[0]!.toBytes()
      const read = oracle.KeyFrag.fromBytes(bytes)
      expect(
        read.verify(
          theirs.signer.verifyingKey(),
          signDelegating ? theirs.alice.publicKey() : null,
          signReceiving ? theirs.bob : null,
        ),
      ).toBeDefined()
      const [made] = oracle.generateKFrags(theirs.alice, theirs.bob, theirs.signer, 1, 1, signDelegating, signReceiving)
      const ownKey = signDelegating ? alice.publicKey : undefined
      const otherKey = signReceiving ? bob.publicKey : undefined
      const back = KeyFrag.fromBytes(made!.toBytes()).verify(signer.publicKey, ownKey, otherKey)
      expect(Buffer.compare(back.toBytes(), made!.toBytes())).toBe(0)
    }
  })

  it('sign alike: what one signs the others verify, and ours byte for byte the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (message) => {
        const scalar = randomSecret()
        const theirSigner = new oracle.Signer(oracle.SecretKey.fromBEBytes(scalar))
        const signatures = groups.map((group) => SecretKey.fromScalar(scalar, group).sign(message, group))
        expect(new Set(signatures.map((signature) => Buffer.from(signature).toString('hex'))).size).toBe(1)
        const theirSignature = theirSigner.sign(message).toBEBytes()
        for (const group of groups) {
          const key = PublicKey.fromBytes(theirSigner.verifyingKey().toCompressedBytes(), group)
          expect(key.verify(theirSignature, message, group)).toBe(true)
          expect(key.verify(signatures[0]!, message, group)).toBe(true)
        }
        const read = oracle.Signature.fromBEBytes(signatures[0]!)
        expect(read.verify(theirSigner.verifyingKey(), message)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })
})
