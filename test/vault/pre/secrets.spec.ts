import Module from 'node:module'
import { format, inspect } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import * as umbral from '../../../src/vault/pre/index.js'

const { KeyFrag, SecretKey } = umbral
const policy = () => {
  const [delegating, bob, signer] = [SecretKey.random(), SecretKey.random(), SecretKey.random()]
  const [kfrag] = umbral.generateKeyFrags({
    delegating,
    receiving: bob.publicKey,
    signer,
    threshold: 1,
    shares: 1,
  }) as [umbral.VerifiedKeyFrag]
  return { delegating, bob, signer, kfrag }
}

describe('what must not be seen', () => {
  it('secrets do not print themselves', () => {
    const { delegating, kfrag } = policy()
    const read = KeyFrag.fromBytes(kfrag.toBytes())
    const scalars = [delegating.expose(), kfrag.toBytes().subarray(72, 104)]
    const forms = scalars.flatMap((bytes) => [
      Buffer.from(bytes).toString('hex'),
      Buffer.from(bytes).toString('base64'),
      bytes.join(','),
      bytes.join(', '),
    ])
    for (const secret of [delegating, kfrag, read]) {
      const depth = { depth: Infinity, showHidden: true, maxArrayLength: Infinity }
      const shown = [
        String(secret),
        JSON.stringify({ secret }),
        inspect(secret),
        inspect({ deep: { secret } }, depth),
        format('%s %o %O %j', secret, secret, secret, secret),
        JSON.stringify(Object.entries(secret)),
        JSON.stringify(Object.assign({}, secret)),
        inspect(structuredClone({ ...secret, publicKey: null }), depth),
      ].join('\n')
      for (const form of forms) expect(shown).not.toContain(form)
      expect(String(secret)).toBe(`[${secret.constructor.name}]`)
    }
  })

  it('a destroyed secret is overwritten and of no use', () => {
    const { delegating, kfrag, bob } = policy()
    const { capsule } = umbral.encapsulate(delegating.publicKey)
    delegating.destroy()
    kfrag.destroy()
    expect(() => delegating.expose()).toThrow('destroyed')
    expect(() => delegating.sign(new Uint8Array(1))).toThrow('destroyed')
    expect(() => umbral.decapsulateOriginal(delegating, capsule)).toThrow('destroyed')
    expect(() => kfrag.toBytes()).toThrow('destroyed')
    expect(() => umbral.reencrypt(capsule, kfrag)).toThrow('destroyed')
    const copy = bob.expose()
    copy.fill(0)
    expect(bob.expose()).not.toEqual(copy)
  })

  it('a secret key is a copy of what it was made from, and gives copies', () => {
    const scalar = SecretKey.random().expose()
    const before = Uint8Array.from(scalar)
    const secret = SecretKey.fromScalar(scalar)
    scalar.fill(1)
    expect(secret.expose()).toEqual(before)
    secret.destroy()
    expect(scalar).toEqual(new Uint8Array(32).fill(1))
  })

  it('a key fragment and what came of its check are destroyed together', () => {
    const { kfrag, signer, delegating, bob } = policy()
    const read = KeyFrag.fromBytes(kfrag.toBytes())
    const verified = read.verify(signer.publicKey, delegating.publicKey, bob.publicKey)
    read.destroy()
    expect(() => verified.toBytes()).toThrow('destroyed')
  })
})

describe('states are types', () => {
  it('no verified type can be made from bytes, parts or thin air', () => {
    for (const type of [umbral.VerifiedKeyFrag, umbral.VerifiedCapsuleFrag]) {
      const statics = Object.getOwnPropertyNames(type).filter((name) => !['length', 'name', 'prototype'].includes(name))
      expect(statics).toEqual([])
    }
    const { capsule } = umbral.encapsulate(SecretKey.random().publicKey)
    const { kfrag } = policy()
    const forged = Object.create(umbral.VerifiedKeyFrag.prototype) as umbral.VerifiedKeyFrag
    expect(() => umbral.reencrypt(capsule, forged)).toThrow(TypeError)
    const read = KeyFrag.fromBytes(kfrag.toBytes())
    expect(() => umbral.reencrypt(capsule, read as unknown as umbral.VerifiedKeyFrag)).toThrow(TypeError)
  })

  it('the door of the folder hands out nothing that makes them', () => {
    expect(Object.keys(umbral).sort()).toEqual([
      'Capsule',
      'CapsuleFrag',
      'KeyFrag',
      'PublicKey',
      'SecretKey',
      'VerifiedCapsuleFrag',
      'VerifiedKeyFrag',
      'decapsulateOriginal',
      'decapsulateReencrypted',
      'encapsulate',
      'generateKeyFrags',
      'reencrypt',
      'verifyCapsuleFrags',
    ])
  })

  it.each([
    ['zero', new Uint8Array(32)],
    ['the order and above', new Uint8Array(32).fill(255)],
    ['31 bytes', new Uint8Array(31).fill(1)],
    ['33 bytes', new Uint8Array(33).fill(1)],
  ])('%s is no secret key', (_, bytes) => {
    expect(() => SecretKey.fromScalar(bytes)).toThrow('Expected a scalar')
  })
})

describe('the choice of backend', () => {
  type Load = (request: string, ...rest: unknown[]) => unknown
  const module = Module as unknown as { _load: Load }
  const load = module._load
  afterEach(() => {
    module._load = load
    vi.resetModules()
  })

  it('asks for the bindings by name, and falls to noble, never to elliptic, where they cannot load', async () => {
    const asked: string[] = []
    module._load = (request, ...rest) => {
      asked.push(request)
      if (request.startsWith('secp256k1')) throw new Error('no binary for this platform')
      return load.call(module, request, ...rest)
    }
    vi.resetModules()
    const { defaultGroup } = await import('../../../src/vault/pre/default-group.js')
    expect(defaultGroup.name).toBe('noble')
    expect(asked.filter((request) => /secp256k1|elliptic/.test(request))).toEqual(['secp256k1/bindings'])
  })

  it('takes libsecp256k1 where it loads', async () => {
    vi.resetModules()
    const { nativeGroup } = await import('../../../src/vault/pre/native-group.js')
    const { defaultGroup } = await import('../../../src/vault/pre/default-group.js')
    expect(defaultGroup.name).toBe(nativeGroup === null ? 'noble' : 'native')
  })
})
