import { createHmac } from 'node:crypto'
import { compositeRows, compositeTokens } from './composite-index.js'
import { Cursors } from './cursor.js'
import { KeyedTokens } from './keyed-tokens.js'
import { Memory } from './memory.js'
import { OrderPreserving } from './order-preserving.js'
import type { CanonicalAmount, IndexValue, TokenValue } from './search-query.js'
import type { IndexEntries, OrderedEntry, ReferenceEntry } from './types.js'
import { WellKnown, type WellKnownValues } from './well-known.js'

/** Prefixes of strings from one character to this many have a token each; a longer search is cut to it. */
export const LONGEST_PREFIX = 64

/** `:contains` has a token for every part of a string up to so many characters; a longer search needs all of its parts. */
export const LONGEST_PART = 8

/** Characters of a string in which `:contains` finds something. */
const CONTAINING = 256

/** Bytes of a text that sort it, twice. */
const SORTED_BYTES = 8

/**
 * Types whose index answers no `:missing`, `:contains`, `:text`, `:below` and no order of texts, because every request
 * writes one of them; searches refuse these (fhir/search/served.ts).
 */
const LEAN: ReadonlySet<string> = new Set(['AuditEvent'])

/** Codes and strings whose tokens are kept together; some kilobytes each for a long string. */
const REMEMBERED_LISTS = 8_192

/** The name of a parameter in rows of `reference`, so that a chain meets sources of its own type only. */
export function referenceParameter(type: string, param: string): string {
  return `${type}.${param}`
}

/** What a token is about; part of the text that is hashed, so it never changes. */
type Kind =
  | 'code' // a code of any system
  | 'system-code' // a code of this system, '' meaning none
  | 'system' // any code of this system
  | 'prefix' // the beginning of a normalised string
  | 'exact' // a string as written
  | 'uri'
  | 'reference' // type/id
  | 'url' // a reference elsewhere or a canonical
  | 'identifier-code'
  | 'identifier-system-code'
  | 'identifier-system'
  | 'order' // the parameter of an ordered row
  | 'unit-code'
  | 'unit-system-code'
  | 'unit-dimension' // of an amount in base units
  | 'unit-of' // the system and code of a composite, among the units of its row
  | 'present' // the parameter finds something
  | 'part' // up to LONGEST_PART characters anywhere in a normalised string
  | 'word' // of the text of a code
  | 'typed' // an identifier with a type
  | 'within' // a URL or what it lies below
  | 'composite'
  | 'order-canonical' // the parameter of a row in base units
  | 'order-code' // the parameter of a composite's row
  | 'sort' // the parameter of a row that only sorts
  | 'sort-tail'
  | 'claim'

/**
 * Turns what search parameters find into what the database may hold: tokens of equality and bytes of order, both under
 * keys that the database does not have.
 */
export class BlindIndex {
  readonly #tokens: KeyedTokens
  readonly #order: OrderPreserving
  readonly #wellKnown: WellKnown
  /** Seals page links. */
  readonly cursors: Cursors
  /** All tokens of codes and strings that come again and again. */
  readonly #lists = new Memory<readonly bigint[]>(REMEMBERED_LISTS)

  /**
   * @param key 32 random bytes; another key means another index
   * @param wellKnown those of all rows of this index, see `WellKnown`
   */
  constructor(key: Uint8Array, wellKnown: WellKnownValues = { strings: [], codes: [] }) {
    this.#wellKnown = new WellKnown(wellKnown)
    this.#tokens = new KeyedTokens(derive(key, 'tokens'))
    this.#order = new OrderPreserving(derive(key, 'order'))
    this.cursors = new Cursors(derive(key, 'cursors'))
  }

  entries(type: string, values: Iterable<IndexValue>): IndexEntries {
    const tokens: bigint[] = []
    const references = new Map<string, ReferenceEntry>()
    const ordered: OrderedEntry[] = []
    const sorted = new SortRange()
    const present = new Set<string>()
    const lean = LEAN.has(type)
    for (const value of values) {
      if (!lean && !present.has(value.param)) {
        present.add(value.param)
        tokens.push(this.token('present', type, value.param, ''))
      }
      switch (value.kind) {
        case 'token':
          this.#addToken(tokens, type, value, lean)
          if (value.sortable && !lean) sorted.add(value.param, value.code ?? '')
          break
        case 'string':
          push(tokens, this.#tokensOfString(type, value, lean))
          if (!value.word && !lean) sorted.add(value.param, value.normal)
          break
        case 'uri':
          tokens.push(this.token('uri', type, value.param, value.value))
          if (lean) break
          for (const place of value.within ?? []) tokens.push(this.token('within', type, value.param, place))
          if (value.sortable) sorted.add(value.param, value.value)
          break
        case 'reference':
          this.#addReference(tokens, references, type, value)
          break
        case 'date': {
          const parameter = this.parameter(type, value.param)
          const [lo, hi] = this.#order.dates(parameter, value.lo, value.hi)
          ordered.push({ parameter, lo, hi, unit: null })
          break
        }
        case 'number':
          ordered.push({ ...this.#point(this.parameter(type, value.param), value.value), unit: null })
          break
        case 'quantity':
          ordered.push(this.#quantity(this.parameter(type, value.param), type, value))
          if (value.canonical) {
            const parameter = this.token('order-canonical', type, value.param, '')
            ordered.push(this.#canonical(parameter, type, value.param, value.canonical))
          }
          break
        case 'composite':
          push(tokens, compositeTokens(this, type, value))
          ordered.push(...this.#compositeRows(type, value))
      }
    }
    for (const [param, { least, greatest }] of sorted.ranges) {
      const lo = this.orderedText(type, param, least)
      ordered.push({
        parameter: this.sortParameter(type, param),
        lo,
        hi: least === greatest ? lo : this.orderedText(type, param, greatest),
        unit: null,
      })
    }
    return { tokens: ascending(tokens), references: [...references.values()], ordered }
  }

  /** Names what a conditional create looks for. */
  claim(type: string, criteria: string): bigint {
    return this.token('claim', type, '', criteria)
  }

  token(kind: Kind, type: string, param: string, value: string): bigint {
    return this.#tokens.of(`${kind}|${type}|${param}|${value}`)
  }

  /**
   * A resource with such a code has one of these: `system` absent means any, `null` none; `code` absent means any of the
   * system.
   */
  codeTokens(prefix: '' | 'identifier-', type: string, param: string, value: TokenValue): bigint[] {
    const { system, code } = value
    const exact = (of: string, what: string): bigint => this.#exactCode(prefix, type, param, of, what)
    if (code === undefined) {
      const codes = Array.from(this.#wellKnown.codesOf(system ?? ''), (one) => exact(system ?? '', one))
      return [this.token(`${prefix}system`, type, param, system ?? ''), ...codes]
    }
    if (system !== undefined) return [exact(system ?? '', code)]
    const systems = Array.from(this.#wellKnown.systemsOf(code), (one) => exact(one, code))
    return [this.token(`${prefix}code`, type, param, code), ...systems]
  }

  /** A resource with a string that begins so, as far as `LONGEST_PREFIX`, has one of these. */
  prefixTokens(type: string, param: string, normal: string): bigint[] {
    const wellKnown = normal === '' ? [] : this.#wellKnown.stringsFrom(normal)
    return [
      this.token('prefix', type, param, normal.slice(0, LONGEST_PREFIX)),
      ...wellKnown.map((value) => this.token('exact', type, param, value)),
    ]
  }

  /** `code` absent: any unit of the system. */
  unitToken(type: string, param: string, system: string | undefined, code?: string): bigint {
    if (code === undefined) return this.token('unit-system-code', type, param, system ?? '')
    return system === undefined
      ? this.token('unit-code', type, param, code)
      : this.token('unit-system-code', type, param, pair(system, code))
  }

  /** The key of ordered rows. */
  parameter(type: string, param: string): bigint {
    return this.token('order', type, param, '')
  }

  /** The key of rows that only sort: of strings, codes and URLs. */
  sortParameter(type: string, param: string): bigint {
    return this.token('sort', type, param, '')
  }

  /** @param parameter the key of the rows that it is compared with */
  orderedDate(parameter: bigint, at: number): Uint8Array {
    return this.#order.date(parameter, at)
  }

  orderedNumber(parameter: bigint, value: string): Uint8Array {
    return this.#order.number(parameter, value)
  }

  /** Texts that agree in their first sixteen bytes of UTF-8 are equal in this order. */
  orderedText(type: string, param: string, text: string): Uint8Array {
    const bytes = Buffer.alloc(2 * SORTED_BYTES)
    bytes.write(text)
    const head = bytes.subarray(0, SORTED_BYTES)
    const tail = bytes.subarray(SORTED_BYTES)
    // the order of the tail depends on the head, so equal tails of different heads do not show
    const under = this.token('sort-tail', type, param, head.toString('latin1'))
    return Buffer.concat([this.#order.bytes(this.sortParameter(type, param), head), this.#order.bytes(under, tail)])
  }

  /** A resource with a string that contains the text has all tokens of one of these. */
  partTokens(type: string, param: string, normal: string): bigint[][] {
    const last = Math.max(normal.length - LONGEST_PART, 0)
    const parts = Array.from({ length: last + 1 }, (_, i) => normal.slice(i, i + LONGEST_PART))
    return [
      parts.map((part) => this.token('part', type, param, part)),
      ...this.#wellKnown.stringsWith(normal).map((value) => [this.token('exact', type, param, value)]),
    ]
  }

  typedToken(type: string, param: string, typeSystem: string, typeCode: string, value: string): bigint {
    return this.token('typed', type, param, pair(typeSystem, pair(typeCode, value)))
  }

  /** The system and code of a composite's row. */
  codeOfRow(type: string, param: string, system: string, code: string): bigint {
    return this.token('unit-of', type, param, pair(system, code))
  }

  #addToken(tokens: bigint[], type: string, value: Extract<IndexValue, { kind: 'token' }>, lean: boolean): void {
    const { param, system, code } = value
    if (code !== undefined) {
      push(tokens, this.#tokensOfCode('', type, param, system, code))
      if (lean) return
      for (const of of value.types ?? []) tokens.push(this.typedToken(type, param, of.system, of.code, code))
    } else if (system !== undefined) tokens.push(this.token('system', type, param, system))
    if (lean) return
    for (const word of value.words ?? []) tokens.push(this.token('word', type, param, word))
  }

  #compositeRows(type: string, value: Extract<IndexValue, { kind: 'composite' }>): OrderedEntry[] {
    return compositeRows(value).flatMap(({ param, code, system, values }) => {
      const own = this.codeOfRow(type, param, system ?? '', code)
      const parameter = this.token('order-code', type, param, code)
      return values.flatMap((parts) => {
        const rows = parts.map((part): OrderedEntry => {
          if (part.kind === 'date') {
            const [lo, hi] = this.#order.dates(parameter, part.lo, part.hi)
            return { parameter, lo, hi, unit: [] }
          }
          if (part.kind === 'number') return { ...this.#point(parameter, part.value), unit: [] }
          return this.#quantity(parameter, type, { ...part, param })
        })
        const [first, second] = rows
        if (first === undefined) return []
        const units = rows.flatMap(({ unit }) => unit ?? [])
        const [part] = parts
        // two numbers are the two ends of one row: start and end of a place in a sequence
        const row = { ...first, hi: second?.lo ?? first.hi, unit: [own, ...units] }
        if (part?.kind !== 'quantity' || part.canonical === undefined) return [row]
        const under = this.token('order-canonical', type, param, code)
        const canonical = this.#canonical(under, type, param, part.canonical)
        return [row, { ...canonical, unit: [own, ...(canonical.unit ?? [])] }]
      })
    })
  }

  #canonical(parameter: bigint, type: string, param: string, { unit, ...amount }: CanonicalAmount): OrderedEntry {
    return { ...this.#span(parameter, amount), unit: [this.token('unit-dimension', type, param, unit)] }
  }

  #exactCode(prefix: '' | 'identifier-', type: string, param: string, system: string, code: string): bigint {
    return this.token(`${prefix}system-code`, type, param, pair(system, code))
  }

  #tokensOfCode(
    prefix: '' | 'identifier-',
    type: string,
    param: string,
    system: string | undefined,
    code: string,
  ): readonly bigint[] {
    return this.#lists.of(`${prefix}code|${type}|${param}|${pair(system ?? '-', code)}|${system === undefined}`, () => {
      const exact = this.#exactCode(prefix, type, param, system ?? '', code)
      if (this.#wellKnown.hasCode(system, code)) return [exact]
      return [
        exact,
        this.token(`${prefix}code`, type, param, code),
        ...(system === undefined ? [] : [this.token(`${prefix}system`, type, param, system)]),
      ]
    })
  }

  #tokensOfString(type: string, value: Extract<IndexValue, { kind: 'string' }>, lean: boolean): readonly bigint[] {
    const { param, normal, word } = value
    return this.#lists.of(`string|${type}|${param}|${word === true}|${pair(normal, value.value)}`, () => {
      const exact = word ? [] : [this.token('exact', type, param, value.value)]
      // a word has no exact token, which would be found by `:exact`
      if (!word && this.#wellKnown.hasString(value.value)) return exact
      const prefixes = Array.from({ length: Math.min(normal.length, LONGEST_PREFIX) }, (_, i) =>
        this.token('prefix', type, param, normal.slice(0, i + 1)),
      )
      const parts = word || lean ? [] : [...partsOf(normal)].map((part) => this.token('part', type, param, part))
      return [...prefixes, ...parts, ...exact]
    })
  }

  #addReference(
    tokens: bigint[],
    references: Map<string, ReferenceEntry>,
    type: string,
    value: Extract<IndexValue, { kind: 'reference' }>,
  ): void {
    const { param, identifier, url } = value
    if (value.type !== undefined && value.id !== undefined) {
      tokens.push(this.token('reference', type, param, `${value.type}/${value.id}`))
      const entry = { parameter: referenceParameter(type, param), targetType: value.type, targetId: value.id }
      references.set(referenceName(entry), entry)
    }
    if (url !== undefined) {
      tokens.push(this.token('url', type, param, url))
      if (value.version !== undefined) tokens.push(this.token('url', type, param, `${url}|${value.version}`))
    }
    if (identifier) push(tokens, this.#tokensOfCode('identifier-', type, param, identifier.system, identifier.value))
  }

  #point(parameter: bigint, value: string): { parameter: bigint; lo: Uint8Array; hi: Uint8Array } {
    const at = this.#order.number(parameter, value)
    return { parameter, lo: at, hi: at }
  }

  #span(parameter: bigint, { value, lo, hi }: { value?: string; lo?: string; hi?: string }) {
    if (value !== undefined) return this.#point(parameter, value)
    return {
      parameter,
      lo: this.#order.number(parameter, lo ?? '-Infinity'),
      hi: this.#order.number(parameter, hi ?? 'Infinity'),
    }
  }

  #quantity(parameter: bigint, type: string, value: Extract<IndexValue, { kind: 'quantity' }>): OrderedEntry {
    const { param, system, code, unit } = value
    const units = new Set<bigint>()
    if (code !== undefined) {
      units.add(this.unitToken(type, param, undefined, code))
      if (system !== undefined) units.add(this.unitToken(type, param, system, code))
    }
    if (system !== undefined) units.add(this.token('unit-system-code', type, param, system))
    if (unit !== undefined) units.add(this.unitToken(type, param, undefined, unit))
    return { ...this.#span(parameter, value), unit: [...units] }
  }
}

/** The first and the last text of each parameter, for ascending and descending order. */
class SortRange {
  readonly ranges = new Map<string, { least: string; greatest: string }>()

  add(param: string, text: string): void {
    const range = this.ranges.get(param)
    if (range === undefined) this.ranges.set(param, { least: text, greatest: text })
    else if (text < range.least) range.least = text
    else if (text > range.greatest) range.greatest = text
  }
}

/** Every part of a string up to LONGEST_PART characters. */
function partsOf(normal: string): Set<string> {
  const parts = new Set<string>()
  const end = Math.min(normal.length, CONTAINING)
  for (let from = 0; from < end; from++) {
    for (let to = from + 1; to <= Math.min(from + LONGEST_PART, end); to++) parts.add(normal.slice(from, to))
  }
  return parts
}

/** The entries of a resource whose elements were indexed in two parts. */
export function joined(a: IndexEntries, b: IndexEntries): IndexEntries {
  const tokens: bigint[] = []
  push(tokens, a.tokens)
  push(tokens, b.tokens)
  const references = new Map([...a.references, ...b.references].map((entry) => [referenceName(entry), entry]))
  return { tokens: ascending(tokens), references: [...references.values()], ordered: [...a.ordered, ...b.ordered] }
}

function referenceName({ parameter, targetType, targetId }: ReferenceEntry): string {
  return `${parameter}|${targetType}/${targetId}`
}

function push(tokens: bigint[], more: ArrayLike<bigint>): void {
  for (let i = 0; i < more.length; i++) tokens.push(more[i] as bigint)
}

/** Each once. In no order that would say which parameter a token is of. */
function ascending(tokens: readonly bigint[]): BigInt64Array {
  const sorted = new BigInt64Array(tokens.length)
  for (let i = 0; i < tokens.length; i++) sorted[i] = tokens[i] as bigint
  sorted.sort()
  let kept = 0
  for (let i = 0; i < sorted.length; i++) {
    if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[kept++] = sorted[i] as bigint
  }
  return sorted.subarray(0, kept)
}

/** No system and code give the text of another pair. */
function pair(system: string, code: string): string {
  return `${system.length}|${system}|${code}`
}

/** One key, one use. */
function derive(key: Uint8Array, use: string): Uint8Array {
  return createHmac('sha256', key).update(`consentry blind index ${use}`).digest()
}
