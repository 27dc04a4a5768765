import { createHmac } from 'node:crypto'
import { KeyedTokens } from './keyed-tokens.js'
import { Memory } from './memory.js'
import { OrderPreserving } from './order-preserving.js'
import type { IndexValue, TokenValue } from './search-query.js'
import type { IndexEntries, OrderedEntry, ReferenceEntry } from './types.js'
import { WellKnown, type WellKnownValues } from './well-known.js'

/** Prefixes of strings from one character to this many have a token each; a longer search is cut to it. */
export const LONGEST_PREFIX = 64

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
  | 'claim'

/**
 * Turns what search parameters find into what the database may hold: tokens of equality and bytes of order, both under
 * keys that the database does not have.
 */
export class BlindIndex {
  readonly #tokens: KeyedTokens
  readonly #order: OrderPreserving
  readonly #wellKnown: WellKnown
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
  }

  entries(type: string, values: Iterable<IndexValue>): IndexEntries {
    const tokens: bigint[] = []
    const references = new Map<string, ReferenceEntry>()
    const ordered: OrderedEntry[] = []
    for (const value of values) {
      switch (value.kind) {
        case 'token':
          if (value.code !== undefined) {
            push(tokens, this.#tokensOfCode('', type, value.param, value.system, value.code))
          }
          break
        case 'string':
          push(tokens, this.#tokensOfString(type, value))
          break
        case 'uri':
          tokens.push(this.token('uri', type, value.param, value.value))
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
          ordered.push({ ...this.#point(type, value.param, value.value), unit: null })
          break
        case 'quantity':
          ordered.push(this.#quantity(type, value))
      }
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

  unitToken(type: string, param: string, system: string | undefined, code: string): bigint {
    return system === undefined
      ? this.token('unit-code', type, param, code)
      : this.token('unit-system-code', type, param, pair(system, code))
  }

  /** The key of ordered rows. */
  parameter(type: string, param: string): bigint {
    return this.token('order', type, param, '')
  }

  orderedDate(type: string, param: string, at: number): Uint8Array {
    return this.#order.date(this.parameter(type, param), at)
  }

  orderedNumber(type: string, param: string, value: string): Uint8Array {
    return this.#order.number(this.parameter(type, param), value)
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

  #tokensOfString(type: string, value: Extract<IndexValue, { kind: 'string' }>): readonly bigint[] {
    const { param, normal, word } = value
    return this.#lists.of(`string|${type}|${param}|${word === true}|${pair(normal, value.value)}`, () => {
      const exact = word ? [] : [this.token('exact', type, param, value.value)]
      // a word has no exact token, which would be found by `:exact`
      if (!word && this.#wellKnown.hasString(value.value)) return exact
      const prefixes = Array.from({ length: Math.min(normal.length, LONGEST_PREFIX) }, (_, i) =>
        this.token('prefix', type, param, normal.slice(0, i + 1)),
      )
      return [...prefixes, ...exact]
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

  #point(type: string, param: string, value: string): { parameter: bigint; lo: Uint8Array; hi: Uint8Array } {
    const parameter = this.parameter(type, param)
    const at = this.#order.number(parameter, value)
    return { parameter, lo: at, hi: at }
  }

  #quantity(type: string, value: Extract<IndexValue, { kind: 'quantity' }>): OrderedEntry {
    const { param, system, code, unit } = value
    const units = new Set<bigint>()
    if (code !== undefined) {
      units.add(this.unitToken(type, param, undefined, code))
      if (system !== undefined) units.add(this.unitToken(type, param, system, code))
    }
    if (unit !== undefined) units.add(this.unitToken(type, param, undefined, unit))
    if (value.value !== undefined) return { ...this.#point(type, param, value.value), unit: [...units] }
    const parameter = this.parameter(type, param)
    const lo = this.#order.number(parameter, value.lo ?? '-Infinity')
    return { parameter, lo, hi: this.#order.number(parameter, value.hi ?? 'Infinity'), unit: [...units] }
  }
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
