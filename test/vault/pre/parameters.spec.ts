import * as oracle from '@nucypher/umbral-pre'
import { secp256k1, secp256k1_hasher } from '@noble/curves/secp256k1.js'
import { describe, expect, it } from 'vitest'
import { G, ORDER } from '../../../src/vault/pre/group.js'
import { U } from '../../../src/vault/pre/parameters.js'
import { BASE, N, octets } from '../../reference/curve.js'
import { expandMessageXmd, hashToCurve } from '../../reference/hash-to-curve.js'

const text = (value: string) => new TextEncoder().encode(value)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const coordinates = (point: { x: bigint; y: bigint } | null) => hex(octets(point!.x, 32)) + hex(octets(point!.y, 32))

describe('the generators', () => {
  it('U is RFC 9380 hash-to-curve of POINT_U under PARAMETERS, by two implementations and the oracle', () => {
    const [x, y] = new oracle.Parameters().u.coordinates()!
    expect(hex(U)).toBe(`04${hex(x)}${hex(y)}`)
    expect(hex(U)).toBe(`04${coordinates(hashToCurve('POINT_U', 'PARAMETERS'))}`)
    expect(hex(U)).toBe(secp256k1_hasher.hashToCurve(text('POINT_U'), { DST: text('PARAMETERS') }).toHex(false))
  })

  it('G and n are those of secp256k1', () => {
    expect(hex(G)).toBe(secp256k1.Point.BASE.toHex(false))
    expect(hex(G)).toBe(`04${coordinates(BASE)}`)
    expect(ORDER).toBe(secp256k1.Point.Fn.ORDER)
    expect(ORDER).toBe(N)
  })
})

describe('hash-to-curve of the twin', () => {
  /** RFC 9380, appendix J.8.1. */
  const dst = 'QUUX-V01-CS02-with-secp256k1_XMD:SHA-256_SSWU_RO_'
  it.each([
    [
      '',
      'c1cae290e291aee617ebaef1be6d73861479c48b841eaba9b7b5852ddfeb1346',
      '64fa678e07ae116126f08b022a94af6de15985c996c3a91b64c406a960e51067',
    ],
    [
      'abc',
      '3377e01eab42db296b512293120c6cee72b6ecf9f9205760bd9ff11fb3cb2c4b',
      '7f95890f33efebd1044d382a01b1bee0900fb6116f94688d487c6c7b9c8371f6',
    ],
    [
      'abcdef0123456789',
      'bac54083f293f1fe08e4a70137260aa90783a5cb84d3f35848b324d0674b0e3a',
      '4436476085d4c3c4508b60fcf4389c40176adce756b398bdee27bca19758d828',
    ],
  ])('gives the point of RFC 9380 J.8.1 for %j', (message, x, y) => {
    expect(coordinates(hashToCurve(message, dst))).toBe(x + y)
  })

  it('expands as RFC 9380 K.1 does', () => {
    const expanded = expandMessageXmd(text('abc'), text('QUUX-V01-CS02-with-expander-SHA256-128'), 32)
    expect(hex(expanded)).toBe('d8ccab23b5985ccea865c6c97b6e5b8350e794e603b4b97902f53a8a0d605615')
  })
})
