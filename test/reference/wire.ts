import { type Affine, compress, decompress, integer, octets } from './curve.js'
import { type Capsule, type CapsuleFrag, type KeyFrag, U } from './umbral.js'

/** MessagePack, the corner that UMBRAL.md needs, read without any suspicion. */
type Value = Uint8Array | boolean | Value[]

function pack(value: Value): Uint8Array {
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xc3 : 0xc2)
  if (value instanceof Uint8Array) return Buffer.concat([Uint8Array.of(0xc4, value.length), value])
  return Buffer.concat([Uint8Array.of(0x90 + value.length), ...value.map(pack)])
}

/** The byte strings in order, nesting and flags left out. */
function unpack(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== 0xc4) at += 1
    else {
      const end = at + 2 + bytes[at + 1]!
      found.push(Uint8Array.from(bytes.subarray(at + 2, end)))
      at = end
    }
  }
  return found
}

const scalar = (n: bigint): Uint8Array => octets(n, 32)
const points = (...list: Affine[]): Uint8Array[] => list.map(compress)
const at = (parts: Uint8Array[], i: number): Uint8Array => parts[i]!
const point = (parts: Uint8Array[], i: number): Affine => decompress(at(parts, i))

export const packCapsule = ({ E, V, s }: Capsule): Uint8Array => pack([...points(E, V), scalar(s)])

export function unpackCapsule(bytes: Uint8Array): Capsule {
  const parts = unpack(bytes)
  return { E: point(parts, 0), V: point(parts, 1), s: integer(at(parts, 2)) }
}

export const packKeyFrag = ({ id, rk, X, u1, forProxy, forBob }: KeyFrag): Uint8Array =>
  pack([points(U), id, scalar(rk), compress(X), [compress(u1), forProxy, forBob, true, true]])

export function unpackKeyFrag(bytes: Uint8Array): KeyFrag {
  const parts = unpack(bytes)
  const [id, rk, X, u1] = [at(parts, 1), integer(at(parts, 2)), point(parts, 3), point(parts, 4)]
  return { id, rk, X, u1, forProxy: at(parts, 5), forBob: at(parts, 6) }
}

export const packCapsuleFrag = ({ e1, v1, id, X, e2, v2, u1, u2, z, forBob }: CapsuleFrag): Uint8Array =>
  pack([...points(e1, v1), id, compress(X), [...points(e2, v2, u1, u2), scalar(z), forBob]])

export function unpackCapsuleFrag(bytes: Uint8Array): CapsuleFrag {
  const parts = unpack(bytes)
  const [e1, v1, id, X] = [point(parts, 0), point(parts, 1), at(parts, 2), point(parts, 3)]
  const [e2, v2, u1, u2] = [point(parts, 4), point(parts, 5), point(parts, 6), point(parts, 7)]
  return { e1, v1, id, X, e2, v2, u1, u2, z: integer(at(parts, 8)), forBob: at(parts, 9) }
}
