import { ConsentryError } from '../../errors.js'

/**
 * The fixed shapes of umbral-pre's MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md): a list is
 * a fixarray, bytes are bin8, and flags are true. A shape says what must stand where; anything else is refused, so
 * there is one encoding of each value.
 */
export type Shape = number | true | readonly Shape[]

const FIXARRAY = 0x90
const BIN8 = 0xc4
const TRUE = 0xc3

export type Value = Uint8Array | true | readonly Value[]

export function encode(value: Value): Uint8Array {
  const chunks: Uint8Array[] = []
  append(chunks, value)
  return new Uint8Array(Buffer.concat(chunks))
}

function append(chunks: Uint8Array[], value: Value): void {
  if (value === true) chunks.push(Uint8Array.of(TRUE))
  else if (value instanceof Uint8Array) chunks.push(Uint8Array.of(BIN8, value.length), value)
  else {
    chunks.push(Uint8Array.of(FIXARRAY | value.length))
    for (const item of value) append(chunks, item)
  }
}

/** The byte strings of `bytes` in order, flags left out. @throws ConsentryError `malformed` unless it has exactly this shape */
export function decode(bytes: Uint8Array, shape: Shape, what: string): Uint8Array[] {
  const found: Uint8Array[] = []
  const end = take(bytes, 0, shape, found)
  if (end !== bytes.length) throw new ConsentryError('malformed', `The bytes are not a ${what}.`)
  return found
}

/** Position behind the value; −1 when the shape does not fit. */
function take(bytes: Uint8Array, at: number, shape: Shape, found: Uint8Array[]): number {
  if (shape === true) return bytes[at] === TRUE ? at + 1 : -1
  if (typeof shape === 'number') {
    if (bytes[at] !== BIN8 || bytes[at + 1] !== shape || at + 2 + shape > bytes.length) return -1
    found.push(bytes.slice(at + 2, at + 2 + shape))
    return at + 2 + shape
  }
  if (bytes[at] !== (FIXARRAY | shape.length)) return -1
  let next = at + 1
  for (const item of shape) {
    next = take(bytes, next, item, found)
    if (next < 0) return -1
  }
  return next
}
