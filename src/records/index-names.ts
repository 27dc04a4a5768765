import type { KeyedTokens } from './keyed-tokens.js'
import type { OrderPreserving } from './order-preserving.js'
import type { TokenValue } from '../clauses/clause.js'
import type { SealedTexts } from './sealed-texts.js'
import { LONGEST_PREFIX, partsAsked } from './string-parts.js'
import { type Kind, pair } from './token-kind.js'
import type { WellKnown } from './well-known.js'

/** Bytes of a text that sort it, twice. */
const SORTED_BYTES = 8

/** `OrderPreserving.plain` says first how many bits there are. */
const withoutBits = (plain: string): string => plain.slice(2)

/** The name of a parameter in rows of `reference`, so that a chain meets sources of its own type only. */
export function referenceParameter(type: string, param: string): string {
  return `${type}.${param}`
}

/**
 * How the database names values: tokens of equality and bytes of order, both under keys that it does not have. What is indexed and
 * what is asked is named alike.
 */
export class IndexNames {
  constructor(
    protected readonly tokens: KeyedTokens,
    protected readonly order: OrderPreserving,
    readonly wellKnown: WellKnown,
    /** What the gateway reads back. */
    readonly texts: SealedTexts,
  ) {}

  protected get careParameter(): bigint {
    return this.parameter('', 'care')
  }

  /** Names what a conditional create looks for. */
  claim(type: string, criteria: string): bigint {
    return this.token('claim', type, '', criteria)
  }

  token(kind: Kind, type: string, param: string, value: string): bigint {
    return this.tokens.of(kind, type, param, value)
  }

  /**
   * A resource with such a code has one of these: `system` absent means any, `null` none; `code` absent means any of the
   * system.
   */
  codeTokens(prefix: '' | 'identifier-', type: string, param: string, value: TokenValue): bigint[] {
    const { system, code } = value
    const exact = (of: string, what: string): bigint => this.exactCode(prefix, type, param, of, what)
    if (code === undefined) {
      const codes = Array.from(this.wellKnown.codesOf(system ?? ''), (one) => exact(system ?? '', one))
      return [this.token(`${prefix}system`, type, param, system ?? ''), ...codes]
    }
    if (system !== undefined) return [exact(system ?? '', code)]
    const systems = Array.from(this.wellKnown.systemsOf(code), (one) => exact(one, code))
    return [this.token(`${prefix}code`, type, param, code), ...systems]
  }

  /** A resource with a string that begins so, as far as `LONGEST_PREFIX`, has one of these. */
  prefixTokens(type: string, param: string, normal: string): bigint[] {
    const wellKnown = normal === '' ? [] : this.wellKnown.stringsFrom(normal)
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

  /** The key of rows with a sealed position. */
  positionParameter(type: string, param: string): bigint {
    return this.token('position', type, param, '')
  }

  /** The key of rows whose units are the members of groups. */
  groupParameter(type: string, param: string): bigint {
    return this.token('group', type, param, '')
  }

  /** @param parameter the key of the rows that it is compared with */
  orderedDate(parameter: bigint, at: number): Uint8Array {
    return this.order.date(parameter, at)
  }

  orderedNumber(parameter: bigint, value: string): Uint8Array {
    return this.order.number(parameter, value)
  }

  /** Texts that agree in their first sixteen bytes of UTF-8 are equal in this order. */
  orderedText(type: string, param: string, text: string): Uint8Array {
    const bytes = Buffer.alloc(2 * SORTED_BYTES)
    bytes.write(text)
    return this.orderedTextBytes(type, param, bytes)
  }

  /** The same of its first sixteen bytes. */
  orderedTextBytes(type: string, param: string, bytes: Uint8Array): Uint8Array {
    const head = bytes.subarray(0, SORTED_BYTES)
    const tail = bytes.subarray(SORTED_BYTES)
    // the order of the tail depends on the head, so equal tails of different heads do not show
    return Buffer.concat([
      this.order.bytes(this.sortParameter(type, param), head),
      this.order.bytes(this.#tailParameter(type, param, head), tail),
    ])
  }

  #tailParameter(type: string, param: string, head: Uint8Array): bigint {
    return this.token('sort-tail', type, param, Buffer.from(head).toString('latin1'))
  }

  /** The sixteen bytes of each, in hexadecimal digits. */
  plainTexts(type: string, param: string, texts: readonly Uint8Array[]): string[] {
    const parameter = this.sortParameter(type, param)
    const half = (texts[0]?.length ?? 0) / 2
    const heads = this.order.plain(texts.map((text) => ({ parameter, bytes: text.subarray(0, half) })))
    const under = heads.map((head) => this.#tailParameter(type, param, Buffer.from(withoutBits(head), 'hex')))
    const tails = this.order.plain(texts.map((text, i) => ({ parameter: under[i] ?? 0n, bytes: text.subarray(half) })))
    return heads.map((head, i) => withoutBits(head) + withoutBits(tails[i] ?? ''))
  }

  /** Dates and numbers as what they are made of; texts that are ordered as they are. */
  plainOrdered(parameter: bigint, values: readonly Uint8Array[]): string[] {
    return this.order.plain(values.map((bytes) => ({ parameter, bytes })))
  }

  orderedPlain(parameter: bigint, plain: string): Uint8Array {
    return this.order.words(parameter, plain)
  }

  /** What a policy document can ask of a row. */
  facet(kind: 'instance' | 'author' | 'reference', reference: string): bigint {
    return this.token('facet', kind, '', reference)
  }

  /** Dates of care of all types, in one order. */
  care(at: number): Uint8Array {
    return this.order.date(this.careParameter, at)
  }

  /** A resource with a string that is the same, whatever its case and accents, has one of these. */
  wholeTokens(type: string, param: string, normal: string): bigint[] {
    return [
      this.token('whole', type, param, normal),
      ...this.wellKnown.stringsLike(normal).map((value) => this.token('exact', type, param, value)),
    ]
  }

  /** A resource with a string that contains the text has all tokens of one of these. */
  partTokens(type: string, param: string, normal: string): bigint[][] {
    return [
      partsAsked(normal).map((part) => this.token('part', type, param, part)),
      ...this.wellKnown.stringsWith(normal).map((value) => [this.token('exact', type, param, value)]),
    ]
  }

  typedToken(type: string, param: string, typeSystem: string, typeCode: string, value: string): bigint {
    return this.token('typed', type, param, pair(typeSystem, pair(typeCode, value)))
  }

  /** The system and code of a composite's row. */
  codeOfRow(type: string, param: string, system: string, code: string): bigint {
    return this.token('unit-of', type, param, pair(system, code))
  }

  /** A date or a period, both ends in one call. */
  orderedDates(parameter: bigint, lo: number, hi: number): readonly [lo: Uint8Array, hi: Uint8Array] {
    return this.order.dates(parameter, lo, hi)
  }

  exactCode(prefix: '' | 'identifier-', type: string, param: string, system: string, code: string): bigint {
    return this.token(`${prefix}system-code`, type, param, pair(system, code))
  }
}
