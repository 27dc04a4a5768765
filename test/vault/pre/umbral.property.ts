import { inspect } from 'node:util'
import * as oracle from '@nucypher/umbral-pre'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
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
  type VerifiedCapsuleFrag,
} from '../../../src/vault/pre/index.js'
import { nativeGroup } from '../../../src/vault/pre/native-group.js'
import { nobleGroup } from '../../../src/vault/pre/noble-group.js'
import { demDecrypt, demEncrypt } from './dem.js'

const groups: [string, Group][] = [['noble', nobleGroup]]
if (nativeGroup) groups.push(['native', nativeGroup])
if (!nativeGroup) process.stderr.write('libsecp256k1 cannot be loaded here: the native backend is not tested\n')

const RUNS = { numRuns: 8 }
const threshold = fc
  .integer({ min: 1, max: 5 })
  .chain((m) => fc.record({ m: fc.constant(m), n: fc.integer({ min: m, max: 6 }) }))

function policy(group: Group, m: number, n: number) {
  const alice = SecretKey.random(group)
  const signer = SecretKey.random(group)
  const bob = SecretKey.random(group)
  const { capsule, key } = encapsulate(alice.publicKey, group)
  const options = { delegating: alice, receiving: bob.publicKey, signer, threshold: m, shares: n }
  const kfrags = generateKeyFrags(options, group)
  const context = {
    capsule,
    verifyingKey: signer.publicKey,
    delegating: alice.publicKey,
    receiving: bob.publicKey,
  }
  return { alice, signer, bob, capsule, key, kfrags, context }
}

describe.each(groups)('Umbral over %s', (_, group) => {
  it('opens with any m of n fragments, and never with m − 1', () => {
    fc.assert(
      fc.property(threshold, fc.infiniteStream(fc.nat()), ({ m, n }, order) => {
        const { alice, bob, capsule, key, kfrags, context } = policy(group, m, n)
        expect(decapsulateOriginal(alice, capsule, group)).toEqual(key)
        const weight = new Map(kfrags.map((frag) => [frag, order.next().value as number]))
        const shuffled = [...kfrags].sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0))
        const cfrags = shuffled.map((kfrag) => {
          const read = KeyFrag.fromBytes(kfrag.toBytes(), group)
          const verified = read.verify(context.verifyingKey, context.delegating, context.receiving, group)
          return CapsuleFrag.fromBytes(reencrypt(capsule, verified, group).toBytes(), group).verify(context, group)
        })
        const open = (frags: VerifiedCapsuleFrag[]) =>
          decapsulateReencrypted(bob, alice.publicKey, capsule, frags, group)
        expect(open(cfrags.slice(0, m))).toEqual(key)
        expect(open(cfrags)).toEqual(key)
        expect(() => open(cfrags.slice(0, m - 1))).toThrow()
      }),
      RUNS,
    )
  })

  it('refuses a changed bit anywhere, and so names the culprit among several', () => {
    const { capsule, kfrags, context } = policy(group, 2, 2)
    const flip = (bytes: Uint8Array, bit: number) => {
      const changed = bytes.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      return changed
    }
    const kfrag = kfrags[0]!.toBytes()
    const cfrag = reencrypt(capsule, kfrags[1]!, group).toBytes()
    fc.assert(
      fc.property(fc.nat(capsule.toBytes().length * 8 - 1), fc.nat(cfrag.length * 8 - 1), (a, b) => {
        expect(() => Capsule.fromBytes(flip(capsule.toBytes(), a), group)).toThrow()
        expect(() => CapsuleFrag.fromBytes(flip(cfrag, b), group).verify(context, group)).toThrow()
      }),
      { numRuns: 60 },
    )
    // The proxy's check covers all but the receiver's own signature (bytes 244 to 307).
    fc.assert(
      fc.property(fc.nat(kfrag.length * 8 - 1), (bit) => {
        fc.pre(!(bit >> 3 >= kfrag.length - 66 && bit >> 3 < kfrag.length - 2))
        expect(() =>
          KeyFrag.fromBytes(flip(kfrag, bit), group).verify(
            context.verifyingKey,
            context.delegating,
            context.receiving,
            group,
          ),
        ).toThrow()
      }),
      { numRuns: 60 },
    )
  })

  it('gives Bob’s fragments no use to anyone else', () => {
    const { alice, capsule, kfrags, context } = policy(group, 2, 3)
    const other = SecretKey.random(group)
    const cfrags = kfrags.map((kfrag) => reencrypt(capsule, kfrag, group))
    expect(() => decapsulateReencrypted(other, alice.publicKey, capsule, cfrags, group)).toThrow('do not open')
    const read = CapsuleFrag.fromBytes(cfrags[0]!.toBytes(), group)
    expect(() => read.verify({ ...context, receiving: other.publicKey }, group)).toThrow('not signed')
    expect(() => read.verify({ ...context, verifyingKey: other.publicKey }, group)).toThrow('not signed')
  })

  it('does not mix fragments of two policies, nor repeat one', () => {
    const { alice, bob, signer, capsule, kfrags } = policy(group, 2, 2)
    const again = generateKeyFrags(
      { delegating: alice, receiving: bob.publicKey, signer, threshold: 2, shares: 2 },
      group,
    )
    const [a, b] = [reencrypt(capsule, kfrags[0]!, group), reencrypt(capsule, again[0]!, group)]
    expect(() => decapsulateReencrypted(bob, alice.publicKey, capsule, [a, b], group)).toThrow('fragment 1 is of another policy')
    expect(() => decapsulateReencrypted(bob, alice.publicKey, capsule, [a, a], group)).toThrow('fragment 1 is there twice')
  })

  it('agrees with umbral-pre in both directions, bytes included', () => {
    fc.assert(
      fc.property(threshold, fc.uint8Array({ minLength: 1, maxLength: 200 }), ({ m, n }, plaintext) => {
        const { alice, signer, bob, capsule, key, kfrags } = policy(group, m, n)
        const theirs = {
          alice: oracle.SecretKey.fromBEBytes(alice.expose()),
          bob: oracle.SecretKey.fromBEBytes(bob.expose()),
          signer: new oracle.Signer(oracle.SecretKey.fromBEBytes(signer.expose())),
        }
        const [alicePk, bobPk] = [theirs.alice.publicKey(), theirs.bob.publicKey()]
        expect(alice.publicKey.toBytes()).toEqual(alicePk.toCompressedBytes())

        // Ours: capsule, fragments and re-encryption here; verified and opened there.
        const ciphertext = demEncrypt(key, capsule, plaintext)
        const readCapsule = oracle.Capsule.fromBytes(capsule.toBytes())
        expect(readCapsule.toBytes()).toEqual(capsule.toBytes())
        expect(oracle.decryptOriginal(theirs.alice, readCapsule, ciphertext)).toEqual(plaintext)
        const read = kfrags
          .slice(0, m)
          .map((kfrag) =>
            oracle.KeyFrag.fromBytes(kfrag.toBytes()).verify(theirs.signer.verifyingKey(), alicePk, bobPk),
          )
        const cfrags = kfrags.slice(0, m).map((kfrag, i) => {
          const bytes =
            i % 2 === 0 ? reencrypt(capsule, kfrag, group).toBytes() : oracle.reencrypt(readCapsule, read[i]!).toBytes()
          return oracle.CapsuleFrag.fromBytes(bytes).verify(readCapsule, theirs.signer.verifyingKey(), alicePk, bobPk)
        })
        expect(oracle.decryptReencrypted(theirs.bob, alicePk, readCapsule, cfrags, ciphertext)).toEqual(plaintext)

        // Theirs: capsule, fragments and re-encryption there; verified and opened here.
        const [theirCapsule, theirCiphertext] = oracle.encrypt(alicePk, plaintext)
        const ourCapsule = Capsule.fromBytes(theirCapsule.toBytes(), group)
        const theirKfrags = oracle.generateKFrags(theirs.alice, bobPk, theirs.signer, m, n, true, true)
        const frags = theirKfrags.slice(0, m).map((kfrag) => {
          const verified = KeyFrag.fromBytes(kfrag.toBytes(), group).verify(
            signer.publicKey,
            alice.publicKey,
            bob.publicKey,
            group,
          )
          expect(verified.toBytes()).toEqual(kfrag.toBytes())
          return CapsuleFrag.fromBytes(oracle.reencrypt(theirCapsule, kfrag).toBytes(), group).verify(
            {
              capsule: ourCapsule,
              verifyingKey: signer.publicKey,
              delegating: alice.publicKey,
              receiving: bob.publicKey,
            },
            group,
          )
        })
        const opened = decapsulateReencrypted(bob, alice.publicKey, ourCapsule, frags, group)
        expect(demDecrypt(opened, ourCapsule, theirCiphertext)).toEqual(plaintext)
      }),
      RUNS,
    )
  })
})

describe('what must not be seen', () => {
  it('secrets do not print themselves', () => {
    const secret = SecretKey.random()
    const hex = Buffer.from(secret.expose()).toString('hex')
    for (const text of [String(secret), JSON.stringify({ secret }), inspect(secret)]) expect(text).not.toContain(hex)
    expect(PublicKey.fromBytes(secret.publicKey.toBytes()).equals(secret.publicKey)).toBe(true)
  })

  it('no verified type can be read from bytes', async () => {
    const { VerifiedKeyFrag, VerifiedCapsuleFrag } = await import('../../../src/vault/pre/index.js')
    expect('fromBytes' in VerifiedKeyFrag || 'fromBytes' in VerifiedCapsuleFrag).toBe(false)
  })
})
