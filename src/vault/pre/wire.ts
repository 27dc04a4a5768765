import { ConsentryError } from '../../errors.js'

// The corner of MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) in which umbral-pre writes: lists
// of known length are fixarrays, byte strings are bin8, flags are true or false. Anything else is refused, so that
// there is one encoding of each value.
const FIXARRAY = 0x90
const BIN8 = 0xc4
const FALSE = 0xc2
const TRUE = 0xc3

export type Value = Uint8Array | boolean | readonly Value[]

export function encode(value: Value): Uint8Array {
  const out = new Uint8Array(sizeOf(value))
  write(out, 0, value)
  return out
}

function sizeOf(value: Value): number {
  if (typeof value === 'boolean') return 1
  if (value instanceof Uint8Array) return 2 + value.length
  return value.reduce((sum, item) => sum + sizeOf(item), 1)
}

/** The position behind the value. */
function write(out: Uint8Array, at: number, value: Value): number {
  if (typeof value === 'boolean') {
    out[at] = value ? TRUE : FALSE
    return at + 1
  }
  if (value instanceof Uint8Array) {
    out[at] = BIN8
    out[at + 1] = value.length
    out.set(value, at + 2)
    return at + 2 + value.length
  }
  out[at] = FIXARRAY | value.length
  return value.reduce((next, item) => write(out, next, item), at + 1)
}

/** Reads a value whose shape is known, front to back; every step throws `malformed` where the shape does not fit. */
export class WireReader {
  #at = 0

  constructor(
    private readonly input: Uint8Array,
    private readonly what: string,
  ) {}

  /** The head of a list of `length` items; the items follow. */
  list(length: number): void {
    if (this.input[this.#at++] !== (FIXARRAY | length)) throw this.malformed()
  }

  /** `length` bytes, copied: what is checked must not change later with the caller's array. */
  bytes(length: number): Uint8Array {
    const [start, end] = [this.#at + 2, this.#at + 2 + length]
    const fits = this.input[this.#at] === BIN8 && this.input[this.#at + 1] === length && end <= this.input.length
    if (!fits) throw this.malformed()
    this.#at = end
    return new Uint8Array(this.input.subarray(start, end))
  }

  flag(): boolean {
    const byte = this.input[this.#at++]
    if (byte !== TRUE && byte !== FALSE) throw this.malformed()
    return byte === TRUE
  }

  end(): void {
    if (this.#at !== this.input.length) throw this.malformed()
  }

  malformed(): ConsentryError {
    return new ConsentryError('malformed', `The bytes are not a ${this.what}.`)
  }
}
