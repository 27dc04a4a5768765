import { describe, expect, it } from 'vitest'
import { encode, WireReader } from '../../../src/vault/pre/wire.js'

const value = [Uint8Array.of(1, 2, 3), [true, false], Uint8Array.of(9)]
const bytes = Uint8Array.of(0x93, 0xc4, 3, 1, 2, 3, 0x92, 0xc3, 0xc2, 0xc4, 1, 9)

function read(input: Uint8Array) {
  const reader = new WireReader(input, 'sample')
  reader.list(3)
  const first = reader.bytes(3)
  reader.list(2)
  const flags = [reader.flag(), reader.flag()]
  const last = reader.bytes(1)
  reader.end()
  return [first, flags, last]
}

describe('the wire form', () => {
  it('writes fixarrays, bin8 and flags, and reads them back', () => {
    expect(encode(value)).toEqual(bytes)
    expect(read(bytes)).toEqual(value)
  })

  it('refuses every shorter and longer input', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(() => read(bytes.subarray(0, length))).toThrow('The bytes are not a sample.')
    }
    expect(() => read(Uint8Array.of(...bytes, 0))).toThrow('The bytes are not a sample.')
  })

  it.each([
    ['another length of the list', 0, 0x92],
    ['a map', 0, 0x83],
    ['bin16 instead of bin8', 1, 0xc5],
    ['a text instead of bytes', 1, 0xd9],
    ['another length of bytes', 2, 2],
    ['a number instead of a flag', 7, 1],
    ['nil instead of a flag', 8, 0xc0],
  ])('refuses %s', (_, at, byte) => {
    const changed = Uint8Array.from(bytes)
    changed[at] = byte
    expect(() => read(changed)).toThrow('The bytes are not a sample.')
  })

  it('copies, from a Buffer too', () => {
    const buffer = Buffer.from(bytes)
    const [first] = read(buffer)
    buffer.fill(0)
    expect(first).toEqual(Uint8Array.of(1, 2, 3))
  })
})
