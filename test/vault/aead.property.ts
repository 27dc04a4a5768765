import { createHash, randomBytes } from 'node:crypto'
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aeadOpen, aeadSeal, nativeOpen, NATIVE_FROM, nativeSeal } from '../../src/vault/aead.js'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe('XChaCha20-Poly1305', () => {
  it('gives the bytes of draft-irtf-cfrg-xchacha-03, A.3.1, on both ways', () => {
    const plaintext = Buffer.from(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    )
    const aad = Buffer.from('50515253c0c1c2c3c4c5c6c7', 'hex')
    const key = Buffer.from(Array.from({ length: 32 }, (_, i) => 0x80 + i))
    const nonce = Buffer.from(Array.from({ length: 24 }, (_, i) => 0x40 + i))
    for (const way of [aeadSeal, nativeSeal]) {
      const sealed = Buffer.from(way(key, nonce, plaintext, aad)).toString('hex')
      expect(sealed.slice(0, 32)).toBe('bd6d179d3e83d43b9576579493c0e939')
      expect(sealed.slice(-32)).toBe('c0875924c1c7987947deafd8780acf49')
    }
  })

  it('is the same from JavaScript and from OpenSSL, at every length around the crossing and in pooled buffers', () => {
    fc.assert(
      fc.property(
        bytes(32),
        bytes(24),
        fc.uint8Array({ maxLength: 4 * NATIVE_FROM }),
        bytes(17),
        (k, n, plain, aad) => {
          // Buffers of a pool, whose memory is shared with others.
          const [key, nonce] = [Buffer.from(k), Buffer.from(n)]
          const expected = xchacha20poly1305(k, n, aad).encrypt(plain)
          expect(nativeSeal(key, nonce, plain, aad)).toEqual(expected)
          expect(aeadSeal(key, nonce, plain, aad)).toEqual(expected)
          expect(Buffer.from(nativeOpen(key, nonce, expected, aad))).toEqual(Buffer.from(plain))
          expect(Buffer.from(aeadOpen(key, nonce, expected, aad))).toEqual(Buffer.from(plain))
        },
      ),
    )
    const [key, nonce, large] = [randomBytes(32), randomBytes(24), randomBytes(1 << 20)]
    const digest = (b: Uint8Array) => createHash('sha256').update(b).digest('hex')
    expect(digest(nativeSeal(key, nonce, large, key))).toBe(digest(xchacha20poly1305(key, nonce, key).encrypt(large)))
  })

  it.each([100, NATIVE_FROM + 100])(
    'refuses %i bytes with any bit changed, in ciphertext, key, nonce or data',
    (size) => {
      const parts = [randomBytes(32), randomBytes(24), randomBytes(size), randomBytes(9)] as const
      const sealed = aeadSeal(...parts)
      const subject = [parts[0], parts[1], sealed, parts[3]] as const
      fc.assert(
        fc.property(fc.nat(3), fc.nat(), (which, at) => {
          const altered = subject.map((part) => Uint8Array.from(part))
          const part = altered[which] as Uint8Array
          const bit = at % (part.length * 8)
          part[bit >> 3]! ^= 1 << (bit & 7)
          const [key, nonce, box, aad] = altered as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
          expect(() => aeadOpen(key, nonce, box, aad)).toThrowError(/authentication/)
        }),
      )
      expect(() => aeadOpen(parts[0], parts[1], new Uint8Array(3), parts[3])).toThrowError(/authentication/)
    },
  )
})
