import { createCipheriv } from 'node:crypto'

/** Bits of a date: milliseconds from year 1 to year 10000 need 49. */
const DATE_BITS = 49
const DATE_ORIGIN = 62_135_596_800_000
const DATE_LAST = 2 ** DATE_BITS - 1
/** Bits of a number: an IEEE 754 double as a sortable integer. */
const NUMBER_BITS = 64

const BLOCK = 16
/** PRF outputs are taken from 0 to 254, so that a bit added to one fits a byte. */
const MODULUS = 255

/**
 * Order-preserving encryption after Chenette, Lewi, Weis and Wu, "Practical Order-Revealing Encryption with Limited
 * Leakage" (FSE 2016, https://eprint.iacr.org/2015/1125), in the form that compares bytewise: byte i is
 * F(k, parameter, i, the bits before i) + bit i, without reduction. Two texts with a common prefix have common bytes up
 * to it, and the first different bit decides by one. What two of them show is which is greater and the first bit in
 * which they differ; one alone shows a bit only where F hits 0 or 254 (1 in 255 bits).
 *
 * F is AES-256 of one block: parameter (7 bytes), i, prefix (8 bytes); all blocks of a value go through one call.
 */
export class OrderPreserving {
  readonly #cipher: ReturnType<typeof createCipheriv>
  readonly #blocks = new Uint8Array(2 * NUMBER_BITS * BLOCK)
  readonly #view = new DataView(this.#blocks.buffer)

  /** @param key 32 bytes */
  constructor(key: Uint8Array) {
    this.#cipher = createCipheriv('aes-256-ecb', key, null)
    this.#cipher.setAutoPadding(false)
  }

  /** @param at milliseconds since the epoch; beyond the years 1 to 9999 it counts as their end */
  date(parameter: bigint, at: number): Uint8Array {
    return this.#encrypt(parameter, [dateWords(at)], DATE_BITS)[0] as Uint8Array
  }

  /** Two dates as `date`, in one call of the cipher. */
  dates(parameter: bigint, lo: number, hi: number): readonly [lo: Uint8Array, hi: Uint8Array] {
    if (lo === hi) {
      const both = this.date(parameter, lo)
      return [both, both]
    }
    return this.#encrypt(parameter, [dateWords(lo), dateWords(hi)], DATE_BITS) as [Uint8Array, Uint8Array]
  }

  /** @param value a decimal text, compared as the nearest double; `-Infinity` and `Infinity` are the ends */
  number(parameter: bigint, value: string): Uint8Array {
    return this.#encrypt(parameter, [numberWords(value)], NUMBER_BITS)[0] as Uint8Array
  }

  /** @param bytes eight of them */
  bytes(parameter: bigint, bytes: Uint8Array): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 8)
    return this.#encrypt(parameter, [[view.getUint32(0), view.getUint32(4)]], NUMBER_BITS)[0] as Uint8Array
  }

  /** What was encrypted, from its bytes: as many calls of the cipher as there are bits, however many values. @returns for `words` */
  plain(sealed: readonly { readonly parameter: bigint; readonly bytes: Uint8Array }[]): string[] {
    const bits = sealed[0]?.bytes.length ?? 0
    const words = sealed.map((): [high: number, low: number] => [0, 0])
    const blocks = Buffer.alloc(sealed.length * BLOCK)
    for (let i = 0, position = bits - 1; i < bits; i++, position--) {
      sealed.forEach(({ parameter }, n) => {
        const [high, low] = words[n] as [number, number]
        blocks.writeInt32BE(Number(BigInt.asIntN(32, parameter >> 32n)), n * BLOCK)
        blocks.writeInt32BE((Number(BigInt.asIntN(32, parameter)) & ~0xff) | i, n * BLOCK + 4)
        blocks.writeInt32BE(high | 0, n * BLOCK + 8)
        blocks.writeInt32BE(low | 0, n * BLOCK + 12)
      })
      const random = this.#cipher.update(blocks)
      sealed.forEach(({ bytes }, n) => {
        const word = random.readUIntBE(n * BLOCK, 3)
        if (bytes[i] === word % MODULUS) return
        const own = words[n] as [number, number]
        if (position >= 32) own[0] |= 1 << (position - 32)
        else own[1] |= 1 << position
      })
    }
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
    return words.map(([high, low]) => hex(bits).slice(-2) + hex(high) + hex(low))
  }

  /** The bytes of what `plain` gave. */
  words(parameter: bigint, plain: string): Uint8Array {
    const [bits, high, low] = [plain.slice(0, 2), plain.slice(2, 10), plain.slice(10)].map((hex) => parseInt(hex, 16))
    return this.#encrypt(parameter, [[high ?? 0, low ?? 0]], bits ?? 0)[0] as Uint8Array
  }

  /** The lowest `bits` of each of one or two values, the most significant first. */
  #encrypt(parameter: bigint, values: readonly Words[], bits: number): Uint8Array[] {
    const blocks = this.#view
    const upper = Number(BigInt.asIntN(32, parameter >> 32n))
    const lower = Number(BigInt.asIntN(32, parameter)) & ~0xff
    let at = 0
    for (const [high, low] of values) {
      for (let i = 0, dropped = bits; i < bits; i++, at += BLOCK, dropped--) {
        blocks.setInt32(at, upper)
        blocks.setInt32(at + 4, lower | i)
        blocks.setInt32(at + 8, dropped > 32 ? keepAbove(high, dropped - 32) : high)
        blocks.setInt32(at + 12, keepAbove(low, dropped))
      }
    }
    const random = this.#cipher.update(this.#blocks.subarray(0, at))
    at = 0
    return values.map(([high, low]) => {
      const out = new Uint8Array(bits)
      for (let i = 0, position = bits - 1; i < bits; i++, at += BLOCK, position--) {
        const bit = position >= 32 ? (high >>> (position - 32)) & 1 : (low >>> position) & 1
        const word = ((random[at] as number) << 16) | ((random[at + 1] as number) << 8) | (random[at + 2] as number)
        out[i] = (word % MODULUS) + bit
      }
      return out
    })
  }
}

/** `high`·2³² + `low` */
type Words = readonly [high: number, low: number]

function dateWords(at: number): Words {
  const shifted = Math.min(Math.max(Math.floor(at) + DATE_ORIGIN, 0), DATE_LAST)
  return [Math.floor(shifted / 2 ** 32), shifted % 2 ** 32]
}

function numberWords(value: string): Words {
  // adding 0 makes -0 0
  SORTABLE.setFloat64(0, Number(value) + 0)
  const high = SORTABLE.getInt32(0)
  const low = SORTABLE.getInt32(4)
  // positive: set the sign bit; negative: turn every bit, so that greater magnitudes come first
  return high >= 0 ? [(high ^ 0x8000_0000) >>> 0, low >>> 0] : [~high >>> 0, ~low >>> 0]
}

const SORTABLE = new DataView(new ArrayBuffer(8))

/** `word` with its lowest `count` bits cleared. */
function keepAbove(word: number, count: number): number {
  return count >= 32 ? 0 : (word >>> count) << count
}
