import { _HMAC } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { Memory } from './memory.js'
import type { Kind } from './token-kind.js'

type Keyed = _HMAC<ReturnType<typeof sha256.create>>

/** Tokens that are kept; the codes, systems and references of a record repeat much. Two generations, so twice this. */
const REMEMBERED = 32_768
/** Characters of a text that is remembered: a client may send as many long ones as it likes, and none comes again. */
const LONGEST = 256

/**
 * 64-bit tokens of texts: the first eight bytes of HMAC-SHA-256, as a signed number.
 *
 * One keyed state is cloned for each text, so the key is absorbed once; with node:crypto, `createHmac` takes ten times as
 * long and two one-shot hashes twice (`npx tsx test/bench/records.bench.ts`, see README).
 */
export class KeyedTokens {
  readonly #keyed: Keyed
  readonly #scratch: Keyed
  readonly #digest = new Uint8Array(32)
  readonly #view = new DataView(this.#digest.buffer)
  readonly #text = Buffer.allocUnsafe(4096)
  readonly #memory = new Memory<bigint>(REMEMBERED)

  constructor(key: Uint8Array) {
    this.#keyed = new _HMAC(sha256, key)
    this.#scratch = this.#keyed._cloneInto()
  }

  /** Of `kind|type|param|value`, see `Kind`. */
  of(kind: Kind, type: string, param: string, value: string): bigint {
    const compute = (): bigint => this.#compute(`${kind}|${type}|${param}|${value}`)
    return value.length > LONGEST ? compute() : this.#memory.of([kind, type, param, value], compute)
  }

  #compute(text: string): bigint {
    const fits = text.length * 3 <= this.#text.length
    const bytes = fits ? this.#text.subarray(0, this.#text.write(text)) : Buffer.from(text)
    this.#keyed._cloneInto(this.#scratch)
    this.#scratch.update(bytes)
    this.#scratch.digestInto(this.#digest)
    return this.#view.getBigInt64(0)
  }
}
