import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  Capsule,
  CapsuleFrag,
  decapsulateOriginal,
  decapsulateReencrypted,
  KeyFrag,
  PublicKey,
  reencrypt,
  SecretKey,
} from '../../../src/vault/pre/index.js'
import { demDecrypt } from './dem.js'
import { groups } from './implementations.js'

/** Frozen bytes of the reference: what was stored years ago must still open. */
const vectors = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8')) as {
  secrets: Record<'delegating' | 'receiving' | 'signing', string>
  publicKeys: Record<'delegating' | 'receiving' | 'verifying', string>
  threshold: number
  keyFrags: string[]
  capsuleFrags: string[]
} & Record<'capsule' | 'key' | 'plaintext' | 'ciphertext' | 'message' | 'signature', string>

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex')

describe.each(groups.map((group) => [group.name, group] as const))('vectors over %s', (_, group) => {
  const { secrets, publicKeys } = vectors
  const secret = (name: keyof typeof secrets) => SecretKey.fromScalar(bytes(secrets[name]), group)
  const [delegating, receiving, verifyingKey] = [publicKeys.delegating, publicKeys.receiving, publicKeys.verifying].map(
    (key) => PublicKey.fromBytes(bytes(key), group),
  ) as [PublicKey, PublicKey, PublicKey]
  const capsule = Capsule.fromBytes(bytes(vectors.capsule), group)
  const context = { capsule, verifyingKey, delegating, receiving }

  it('secrets have their public keys', () => {
    expect(hex(secret('delegating').publicKey.toBytes())).toBe(publicKeys.delegating)
    expect(secret('receiving').publicKey.equals(receiving)).toBe(true)
    expect(String(secret('signing').publicKey)).toBe(publicKeys.verifying)
  })

  it('the delegator opens', () => {
    const key = decapsulateOriginal(secret('delegating'), capsule, group)
    expect(hex(key)).toBe(vectors.key)
    expect(hex(demDecrypt(key, bytes(vectors.capsule), bytes(vectors.ciphertext)))).toBe(vectors.plaintext)
    expect(hex(capsule.toBytes())).toBe(vectors.capsule)
  })

  it('every three of the five fragments open, stored or made anew', () => {
    const stored = vectors.capsuleFrags.map((frag) => CapsuleFrag.fromBytes(bytes(frag), group).verify(context, group))
    const anew = vectors.keyFrags.map((frag) => {
      const kfrag = KeyFrag.fromBytes(bytes(frag), group).verify(verifyingKey, delegating, receiving, group)
      expect(hex(kfrag.toBytes())).toBe(frag)
      return reencrypt(capsule, kfrag, group)
    })
    expect(stored.map((frag) => hex(frag.toBytes()))).toEqual(vectors.capsuleFrags)
    for (const [i, j, k] of [
      [0, 1, 2],
      [2, 3, 4],
      [4, 0, 3],
    ] as const) {
      const open = (frags: typeof stored) =>
        hex(decapsulateReencrypted(secret('receiving'), delegating, capsule, frags, group))
      expect(open([stored[i]!, stored[j]!, stored[k]!])).toBe(vectors.key)
      expect(open([anew[i]!, stored[j]!, anew[k]!])).toBe(vectors.key)
      expect(() => open([stored[i]!, stored[k]!])).toThrow('do not open')
    }
  })

  it('the signature is that of RFC 6979 with low s', () => {
    const message = bytes(vectors.message)
    expect(hex(secret('signing').sign(message, group))).toBe(vectors.signature)
    expect(verifyingKey.verify(bytes(vectors.signature), message, group)).toBe(true)
    expect(verifyingKey.verify(bytes(vectors.signature), bytes('00'), group)).toBe(false)
  })
})
