import type { BlindIndex } from './blind-index.js'
import type { SortKey } from './search-query.js'
import type { Ranks } from './token-names.js'
import type { Name } from './types.js'

/** What a row is sorted by, as the statement of its type gives it. */
export type OwnKey = bigint | Buffer | string | number | null

/** Of a reference that is not to something here. */
const ELSEWHERE = '01'
const DIGITS = 20

/**
 * One key of an order over several types. Bytes of order are comparable within one parameter of one type alone; whoever has the key of the index reads from
 * them what they are made of, in a form whose texts are ordered alike in all types.
 */
export class PlainOrder {
  readonly #ranks: ReadonlyMap<string, number>

  /** @param ranks of the type's own tokens, in the order of `names`; for a key that is a name */
  constructor(
    private readonly index: BlindIndex,
    private readonly type: string,
    private readonly key: Pick<SortKey, 'by' | 'param'>,
    private readonly names: readonly string[] = [],
  ) {
    this.#ranks = new Map(names.map((name, rank) => [name, rank]))
  }

  /** Of a whole column of rows, which costs as many calls of the cipher as one of them. */
  plain(column: readonly OwnKey[]): (string | null)[] {
    const there = column.flatMap((own, at) => (own === null ? [] : [{ own, at }]))
    const read = this.#read(there.map(({ own }) => own))
    const out = column.map((): string | null => null)
    there.forEach(({ at }, i) => (out[at] = read[i] ?? null))
    return out
  }

  /** As a place of this type's own order has it; undefined for a name that there is not. */
  own(plain: string): string | undefined {
    switch (this.key.by) {
      case 'lastUpdated':
        return String(BigInt(plain))
      case 'id':
        return plain
      case 'name': {
        const rank = this.#ranks.get(plain)
        return rank === undefined ? undefined : String(rank)
      }
      case 'ordered':
        return hexOf(this.index.orderedPlain(this.index.parameter(this.type, this.key.param), plain))
      case 'text':
        return this.#text(plain)
      case 'reference':
        return plain.startsWith(ELSEWHERE) ? ELSEWHERE + this.#text(plain.slice(ELSEWHERE.length)) : plain
    }
  }

  #text(plain: string): string {
    return hexOf(this.index.orderedTextBytes(this.type, this.key.param, Buffer.from(plain, 'hex')))
  }

  #read(column: readonly Exclude<OwnKey, null>[]): string[] {
    const { by, param } = this.key
    switch (by) {
      case 'lastUpdated':
        return column.map((own) => String(own).padStart(DIGITS, '0'))
      case 'id':
        return column.map(String)
      case 'name':
        return column.map((own) => this.names[Number(own)] ?? '')
      case 'ordered':
        return this.index.plainOrdered(this.index.parameter(this.type, param), column as readonly Buffer[])
      case 'text':
        return this.index.plainTexts(this.type, param, column as readonly Buffer[])
      case 'reference':
        return this.#references(column as readonly Buffer[])
    }
  }

  #references(column: readonly Buffer[]): string[] {
    const urls = column.filter(isElsewhere)
    const read = this.index.plainTexts(
      this.type,
      this.key.param,
      urls.map((own) => own.subarray(1)),
    )
    const byOwn = new Map(urls.map((own, i) => [own, read[i] ?? '']))
    return column.map((own) => (isElsewhere(own) ? ELSEWHERE + (byOwn.get(own) ?? '') : own.toString('hex')))
  }
}

const isElsewhere = (own: Buffer): boolean => own[0] === Number(ELSEWHERE)
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Names of the types in one order, by code and then system, each once; and where in it the tokens of each type stand. */
export function jointNames(types: readonly ReadonlyMap<bigint, Name>[]): {
  readonly names: readonly string[]
  readonly ranks: readonly Ranks[]
} {
  const plain = types.map((names) => [...names].map(([token, name]) => [token, plainName(name)] as const))
  const names = [...new Set(plain.flat().map(([, name]) => name))].sort()
  const rankOf = new Map(names.map((name, rank) => [name, rank]))
  return { names, ranks: plain.map((of) => new Map(of.map(([token, name]) => [token, rankOf.get(name) ?? 0]))) }
}

/** Hexadecimal digits are ordered as the bytes are, and what parts them comes before all digits. */
function plainName({ code, system }: Name): string {
  return `${Buffer.from(code).toString('hex')}/${Buffer.from(system ?? '').toString('hex')}`
}
