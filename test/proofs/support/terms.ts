import { keccak_256 } from '@noble/hashes/sha3.js'

/** A 256-bit word: known, or a term of the solver's theory of bit vectors (https://smt-lib.org/theories-FixedSizeBitVectors.shtml). */
export type Word = bigint | Term

/** The name of something that the script declares or defines. */
export class Term {
  /** @param bytes what it was put together from, if it was */
  constructor(
    readonly name: string,
    readonly bytes?: readonly Byte[],
  ) {}
}

/** What storage held, with what was written since, oldest first. */
export interface Storage {
  readonly name: string
  readonly writes: readonly { readonly slot: Word; readonly value: Word }[]
}

/** A byte: known, or byte `index` (0 is the highest) of a word. */
export type Byte = number | { readonly word: Term; readonly index: number }

const SIZE = 1n << 256n
/** No hash is a number below this. */
const SMALL = 1n << 64n
export const wrap = (value: bigint): bigint => ((value % SIZE) + SIZE) % SIZE
const signed = (value: bigint): bigint => BigInt.asIntN(256, value)
const bit = (value: boolean): bigint => (value ? 1n : 0n)

/** An operation of the EVM: what it is of known words, and how the solver says it. */
interface Operation {
  readonly known: (a: bigint, b: bigint) => bigint
  readonly said: ((a: string, b: string) => string) | null
}
const OPERATIONS: Record<string, Operation> = {
  ADD: { known: (a, b) => a + b, said: (a, b) => `(bvadd ${a} ${b})` },
  MUL: { known: (a, b) => a * b, said: (a, b) => `(bvmul ${a} ${b})` },
  SUB: { known: (a, b) => a - b, said: (a, b) => `(bvsub ${a} ${b})` },
  // Of words that are not known, division gives any word: more than it can give, so what is proved holds all the same.
  DIV: { known: (a, b) => (b === 0n ? 0n : a / b), said: null },
  MOD: { known: (a, b) => (b === 0n ? 0n : a % b), said: null },
  LT: { known: (a, b) => bit(a < b), said: (a, b) => truth(`(bvult ${a} ${b})`) },
  GT: { known: (a, b) => bit(a > b), said: (a, b) => truth(`(bvugt ${a} ${b})`) },
  SLT: { known: (a, b) => bit(signed(a) < signed(b)), said: (a, b) => truth(`(bvslt ${a} ${b})`) },
  SGT: { known: (a, b) => bit(signed(a) > signed(b)), said: (a, b) => truth(`(bvsgt ${a} ${b})`) },
  EQ: { known: (a, b) => bit(a === b), said: (a, b) => truth(`(= ${a} ${b})`) },
  AND: { known: (a, b) => a & b, said: (a, b) => `(bvand ${a} ${b})` },
  OR: { known: (a, b) => a | b, said: (a, b) => `(bvor ${a} ${b})` },
  XOR: { known: (a, b) => a ^ b, said: (a, b) => `(bvxor ${a} ${b})` },
  SHL: { known: (a, b) => (a > 255n ? 0n : b << a), said: (a, b) => `(bvshl ${b} ${a})` },
  SHR: { known: (a, b) => (a > 255n ? 0n : b >> a), said: (a, b) => `(bvlshr ${b} ${a})` },
  SAR: { known: (a, b) => signed(b) >> (a > 255n ? 255n : a), said: (a, b) => `(bvashr ${b} ${a})` },
}

const COMMUTATIVE = new Set(['ADD', 'MUL', 'EQ', 'AND', 'OR', 'XOR'])

const truth = (condition: string): string => `(ite ${condition} ${said(1n)} ${said(0n)})`

/** A word as the solver reads it. */
export function said(word: Word): string {
  return word instanceof Term ? word.name : `#x${word.toString(16).padStart(64, '0')}`
}

/**
 * What the solver is told: names and definitions in order, and hashes.
 *
 * Keccak-256 is taken as a function that never gives the same for two inputs and never a number below 2^64; all else
 * about it is left open.
 */
export class Terms {
  readonly lines: string[] = []
  private readonly hashes: { readonly name: string; readonly input: string; readonly bytes: number }[] = []
  private readonly masks = new Map<string, bigint>()
  private readonly values = new Map<string, Term>()
  private count = 0

  /** A word that can be anything. */
  any(name: string): Term {
    return this.line(name, (term) => `(declare-const ${term} (_ BitVec 256))`)
  }

  /** Storage that can hold anything. */
  anyStorage(): Storage {
    return { name: this.line('storage', (t) => `(declare-fun ${t} ((_ BitVec 256)) (_ BitVec 256))`).name, writes: [] }
  }

  operation(name: string, a: Word, b: Word): Word {
    const operation = OPERATIONS[name]
    if (operation === undefined) throw new Error(`no operation ${name}`)
    if (typeof a === 'bigint' && typeof b === 'bigint') return wrap(operation.known(a, b))
    if (COMMUTATIVE.has(name) && said(a) > said(b)) return this.operation(name, b, a)
    if ((name === 'AND' || name === 'MUL') && (a === 0n || b === 0n)) return 0n
    if (name === 'AND' && typeof a === 'bigint' && b instanceof Term) return this.masked(b, a)
    if ((name === 'SHR' || name === 'SHL') && a === 0n) return b
    if ((name === 'EQ' || name === 'XOR' || name === 'SUB') && said(a) === said(b)) return bit(name === 'EQ')
    // The selector lies before words that can be anything, and is known all the same.
    if (name === 'SHR' && typeof a === 'bigint' && a % 8n === 0n && a < 256n && b instanceof Term && b.bytes) {
      return this.word([...Array<Byte>(Number(a / 8n)).fill(0), ...b.bytes].slice(0, 32))
    }
    return operation.said === null ? this.any('quotient') : this.defined(operation.said(said(a), said(b)))
  }

  /** Some bits of a term; a mask that changes nothing leaves it what it is. */
  private masked(word: Term, mask: bigint): Term {
    const present = this.masks.get(word.name) ?? SIZE - 1n
    if ((present & mask) === present) return word
    const term = this.defined(`(bvand ${said(mask)} ${word.name})`)
    this.masks.set(term.name, present & mask)
    return term
  }

  not(a: Word): Word {
    return typeof a === 'bigint' ? wrap(~a) : this.defined(`(bvnot ${a.name})`)
  }

  isZero(a: Word): Word {
    return typeof a === 'bigint' ? bit(a === 0n) : this.defined(truth(`(= ${a.name} ${said(0n)})`))
  }

  /** @param condition as the solver reads it */
  choice(condition: string, a: Word, b: Word): Term {
    return this.defined(`(ite ${condition} ${said(a)} ${said(b)})`)
  }

  load(storage: Storage, slot: Word): Word {
    let word: Word = this.defined(`(${storage.name} ${said(slot)})`)
    for (const written of storage.writes) {
      const same = this.areEqual(slot, written.slot)
      if (same === true) word = written.value
      else if (same === null) word = this.choice(`(= ${said(slot)} ${said(written.slot)})`, written.value, word)
    }
    return word
  }

  /** Whether two words are equal, where that shows without asking. */
  private areEqual(a: Word, b: Word): boolean | null {
    if (said(a) === said(b)) return true
    if (typeof a === 'bigint' && typeof b === 'bigint') return false
    const [one, other] = [a, b].map((word) => this.hashes.find((hash) => hash.name === said(word)))
    if (one !== undefined && other !== undefined) return one.bytes === other.bytes ? null : false
    const [number, hash] = typeof a === 'bigint' ? [a, other] : [b, one]
    return typeof number === 'bigint' && number < SMALL && hash !== undefined ? false : null
  }

  /** The word of up to 32 bytes, filled with zeros on the right. */
  word(bytes: readonly Byte[]): Word {
    const first = bytes[0]
    if (bytes.every((byte) => typeof byte === 'number')) {
      return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n) << BigInt(8 * (32 - bytes.length))
    }
    if (bytes.length === 32 && typeof first === 'object') {
      const whole = bytes.every((byte, i) => typeof byte === 'object' && byte.word === first.word && byte.index === i)
      if (whole) return first.word
    }
    const whole = [...bytes, ...Array<Byte>(32 - bytes.length).fill(0)]
    return new Term(this.defined(joined(whole)).name, whole)
  }

  hash(bytes: readonly Byte[]): Word {
    if (bytes.every((byte) => typeof byte === 'number')) {
      return BigInt(`0x${Buffer.from(keccak_256(Uint8Array.from(bytes))).toString('hex')}`)
    }
    const input = joined(bytes)
    const known = this.hashes.find((hash) => hash.bytes === bytes.length && hash.input === input)
    if (known !== undefined) return new Term(known.name)
    const { name } = this.any('hash')
    this.lines.push(`(assert (bvugt ${name} ${said(SMALL)}))`)
    for (const other of this.hashes) {
      const equal = other.bytes === bytes.length ? `(= ${input} ${other.input})` : 'false'
      this.lines.push(`(assert (= (= ${name} ${other.name}) ${equal}))`)
    }
    this.hashes.push({ name, input, bytes: bytes.length })
    return new Term(name)
  }

  /** The same value has the same name, or each way through the code would have words and hashes of its own. */
  private defined(value: string): Term {
    const known = this.values.get(value)
    if (known !== undefined) return known
    const term = this.line('t', (name) => `(define-fun ${name} () (_ BitVec 256) ${value})`)
    this.values.set(value, term)
    return term
  }

  private line(name: string, line: (term: string) => string): Term {
    const term = new Term(`${name}.${this.count++}`)
    this.lines.push(line(term.name))
    return term
  }
}

/** Bytes as one bit vector, neighbours of one word together. */
function joined(bytes: readonly Byte[]): string {
  const parts: string[] = []
  for (let i = 0; i < bytes.length;) {
    const byte = bytes[i] as Byte
    let n = 1
    if (typeof byte === 'number') {
      while (typeof bytes[i + n] === 'number') n++
      parts.push(`#x${Buffer.from(bytes.slice(i, i + n) as number[]).toString('hex')}`)
    } else {
      const follows = (next: Byte | undefined): boolean =>
        typeof next === 'object' && next.word === byte.word && next.index === byte.index + n
      while (follows(bytes[i + n])) n++
      const [high, low] = [255 - 8 * byte.index, 256 - 8 * (byte.index + n)]
      parts.push(`((_ extract ${high} ${low}) ${byte.word.name})`)
    }
    i += n
  }
  return parts.length === 1 ? (parts[0] as string) : `(concat ${parts.join(' ')})`
}
