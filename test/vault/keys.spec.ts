import { hkdfSync, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  deriveSecretKey,
  newCapsuleKey,
  openSealed,
  policySecret,
  sealTo,
  signerOf,
  unwrap,
  wrap,
} from '../../src/vault/keys.js'
import { Capsule, decapsulateOriginal, SecretKey } from '../../src/vault/pre/index.js'

const root = new Uint8Array(Buffer.alloc(32, 7))
const publicHex = (key: SecretKey) => Buffer.from(key.publicKey.toBytes()).toString('hex')

describe('the keys of a patient', () => {
  it('come from the root secret alone, as they always will', () => {
    expect(publicHex(policySecret(root, 'general', 0))).toBe(
      '022f2c6048073d01eeb021afd6a30f0d0384bc224ebd676dafb43c462ec4fddd0c',
    )
    expect(publicHex(signerOf(root))).toBe('02917d17aa6692b77c4f52e747dffc7d91b4226bfa2bfa38bb4ff76a818f0bfc6d')
  })

  it('are HKDF-SHA-256 of 48 bytes, modulo the order less one, plus one', () => {
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const wide = Buffer.from(hkdfSync('sha256', root, '', 'consentry policy 0 general', 48)).toString('hex')
    const scalar = ((BigInt(`0x${wide}`) % (order - 1n)) + 1n).toString(16).padStart(64, '0')
    expect(publicHex(SecretKey.fromScalar(Buffer.from(scalar, 'hex')))).toBe(
      publicHex(policySecret(root, 'general', 0)),
    )
  })

  it('differ by root, label, epoch and use', () => {
    const keys = [
      policySecret(root, 'general', 0),
      policySecret(root, 'general', 1),
      policySecret(root, 'PSY', 0),
      policySecret(new Uint8Array(randomBytes(32)), 'general', 0),
      signerOf(root),
      deriveSecretKey(root, 'something else'),
    ]
    expect(new Set(keys.map(publicHex)).size).toBe(keys.length)
  })

  it('show themselves to nobody, and epochs are numbers from 0', () => {
    const key = policySecret(root, 'general', 0)
    const scalar = Buffer.from(key.expose())
    const shown = [String(key), JSON.stringify({ key }), inspect(key, { showHidden: true, depth: 9 })].join()
    expect(shown).not.toContain(scalar.toString('hex'))
    expect(shown).not.toContain(scalar.join(', '))
    expect(shown).toContain('SecretKey')
    for (const epoch of [-1, 0.5, Number.NaN]) expect(() => policySecret(root, 'general', epoch)).toThrowError(/epoch/)
  })

  it('open the capsules of their label', () => {
    const secret = policySecret(root, 'PSY', 0)
    const { capsule, key } = newCapsuleKey(secret.publicKey)
    expect(capsule).toHaveLength(105)
    expect(Buffer.from(decapsulateOriginal(secret, Capsule.fromBytes(capsule)))).toEqual(Buffer.from(key))
  })
})

describe('wrapped secrets', () => {
  const master = new Uint8Array(randomBytes(32))
  const secret = new Uint8Array(randomBytes(32))

  it('come back under the same master key and purpose, and look different each time', () => {
    const wrapped = wrap(master, secret, 'capsule 1')
    expect(wrapped).toHaveLength(24 + 32 + 16)
    expect(Buffer.from(unwrap(master, wrapped, 'capsule 1'))).toEqual(Buffer.from(secret))
    expect(wrap(master, secret, 'capsule 1')).not.toEqual(wrapped)
  })

  it('do not under another key, another purpose, or cut short', () => {
    const wrapped = wrap(master, secret, 'capsule 1')
    expect(() => unwrap(new Uint8Array(randomBytes(32)), wrapped, 'capsule 1')).toThrowError(/authentication/)
    expect(() => unwrap(master, wrapped, 'capsule 2')).toThrowError(/authentication/)
    for (const length of [0, 10, 24, 71]) {
      expect(() => unwrap(master, wrapped.subarray(0, length), 'capsule 1')).toThrowError(/authentication/)
    }
  })
})

describe('what is sealed to a party', () => {
  const receiver = SecretKey.random()
  const sealed = sealTo(receiver.publicKey, Buffer.from('grant package'), 'consentry grant 1')

  it('opens with its key', () => {
    expect(Buffer.from(openSealed(receiver, sealed, 'consentry grant 1')).toString()).toBe('grant package')
    const large = randomBytes(300_000)
    expect(Buffer.from(openSealed(receiver, sealTo(receiver.publicKey, large, 'x'), 'x')).equals(large)).toBe(true)
  })

  it('does not with another key or purpose, or altered anywhere', () => {
    expect(() => openSealed(SecretKey.random(), sealed, 'consentry grant 1')).toThrowError(/authentication/)
    expect(() => openSealed(receiver, sealed, 'consentry kfrag 1')).toThrowError(/authentication/)
    for (let at = 0; at < sealed.length; at++) {
      const altered = Uint8Array.from(sealed)
      altered[at]! ^= 0x20
      expect(() => openSealed(receiver, altered, 'consentry grant 1')).toThrowError()
    }
    expect(() => openSealed(receiver, sealed.subarray(0, 50), 'consentry grant 1')).toThrowError(/capsule/)
  })
})
