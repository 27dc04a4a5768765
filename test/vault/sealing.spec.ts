import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  additionalData,
  CHUNK,
  keyEncryptionKey,
  openChunks,
  sealChunks,
  unwrapDek,
  wrapDek,
} from '../../src/vault/sealing.js'

const bytes = (length: number) => new Uint8Array(randomBytes(length))
const [dek, nonce, aad] = [bytes(32), bytes(24), bytes(64)]

/** The author signs the order of the chunks as well; this is what holds without the signature. */
describe('chunks', () => {
  const plain = bytes(2 * CHUNK + 1000)
  const chunks = sealChunks(dek, nonce, plain, aad)
  const [a, b, c] = chunks as [Uint8Array, Uint8Array, Uint8Array]

  it('come back in their order', () => {
    expect(chunks).toHaveLength(3)
    expect(Buffer.from(openChunks(dek, nonce, chunks, aad)).equals(plain)).toBe(true)
    for (const length of [CHUNK - 1, CHUNK, CHUNK + 1]) {
      const exact = plain.subarray(0, length)
      expect(Buffer.from(openChunks(dek, nonce, sealChunks(dek, nonce, exact, aad), aad)).equals(exact)).toBe(true)
    }
  })

  it.each([
    ['reordered', [b, a, c]],
    ['repeated', [a, a, c]],
    ['dropped in the middle', [a, c]],
    ['cut off', [a, b]],
    ['only the first', [a]],
    ['none', []],
    ['continued', [a, b, c, c]],
  ])('are refused: %s', (_, some) => {
    if (some.length > 0) expect(() => openChunks(dek, nonce, some, aad)).toThrowError(/authentication/)
    else expect(openChunks(dek, nonce, some, aad)).toHaveLength(0)
  })

  it('are refused under other data or another nonce', () => {
    expect(() => openChunks(dek, nonce, chunks, bytes(64))).toThrowError(/authentication/)
    expect(() => openChunks(dek, bytes(24), chunks, aad)).toThrowError(/authentication/)
  })
})

describe('the data key', () => {
  const [author, tag, first, second] = [bytes(32), bytes(32), bytes(105), bytes(105)]
  const bound = additionalData(author, tag, [first, second])
  const kek = keyEncryptionKey([bytes(32), bytes(32)])
  const wrapped = wrapDek(kek, nonce, dek, bound)

  it('is bound to author, record and capsules', () => {
    expect(Buffer.from(unwrapDek(kek, nonce, wrapped, bound))).toEqual(Buffer.from(dek))
    const others = [
      additionalData(bytes(32), tag, [first, second]),
      additionalData(author, bytes(32), [first, second]),
      additionalData(author, tag, [bytes(105), second]),
      additionalData(author, tag, [second, first]),
      additionalData(author, tag, [first]),
    ]
    for (const other of others) expect(() => unwrapDek(kek, nonce, wrapped, other)).toThrowError(/authentication/)
  })

  it('needs the keys of all labels, in their order', () => {
    const keys = [bytes(32), bytes(32), bytes(32)] as const
    const all = [keys, [keys[0], keys[1]], [keys[1], keys[0], keys[2]], [keys[0]], [keys[0], keys[1], bytes(32)]]
    const derived = all.map((some) => Buffer.from(keyEncryptionKey(some)).toString('hex'))
    expect(new Set(derived).size).toBe(all.length)
    expect(keyEncryptionKey(keys)).toEqual(keyEncryptionKey([...keys]))
  })

  it('is wrapped under the one-step derivation of SP 800-56C', () => {
    const key = keyEncryptionKey([new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)])
    expect(Buffer.from(key).toString('hex')).toBe('7dc314a8431ca99199fd299265976cba8659b94a1c9df059e042155f537e26ce')
  })
})
