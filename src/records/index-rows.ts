import { byteaArray, int4Array, int8Array, int8Arrays, textArray } from './array-parameter.js'
import type { IndexEntries } from './types.js'

/** Index entries of several resources as arrays of columns, for one statement whatever their number. */
export class IndexRows {
  readonly #tokens = new Slices()
  readonly #units = new Slices()
  readonly #tokenFrom: number[] = []
  readonly #tokenTo: number[] = []
  readonly #references = { pk: [] as bigint[], parameter: [] as string[], type: [] as string[], id: [] as string[] }
  readonly #ordered = { pk: [] as bigint[], parameter: [] as bigint[], lo: [] as Uint8Array[], hi: [] as Uint8Array[] }
  readonly #unitFrom: (number | null)[] = []
  readonly #unitTo: (number | null)[] = []

  add(pk: bigint, index: IndexEntries | null): void {
    const [from, to] = this.#tokens.add(index?.tokens ?? [])
    this.#tokenFrom.push(from)
    this.#tokenTo.push(to)
    for (const { parameter, targetType, targetId } of index?.references ?? []) {
      this.#references.pk.push(pk)
      this.#references.parameter.push(parameter)
      this.#references.type.push(targetType)
      this.#references.id.push(targetId)
    }
    for (const { parameter, lo, hi, unit } of index?.ordered ?? []) {
      this.#ordered.pk.push(pk)
      this.#ordered.parameter.push(parameter)
      this.#ordered.lo.push(lo)
      this.#ordered.hi.push(hi)
      const [first, last] = unit === null ? [null, null] : this.#units.add(unit)
      this.#unitFrom.push(first)
      this.#unitTo.push(last)
    }
  }

  /** For each resource the first and the last place of its tokens in `tokens`. */
  get tokenPlaces(): [from: Buffer, to: Buffer] {
    return [int4Array(this.#tokenFrom), int4Array(this.#tokenTo)]
  }

  get tokens(): Buffer {
    return int8Arrays(this.#tokens.parts)
  }

  /** source, parameter, type and id of targets */
  get references(): Buffer[] {
    const { pk, parameter, type, id } = this.#references
    return [int8Array(pk), textArray(parameter), textArray(type), textArray(id)]
  }

  /** resource, parameter, lo, hi, the places of units in the last, all units */
  get ordered(): Buffer[] {
    const { pk, parameter, lo, hi } = this.#ordered
    return [
      int8Array(pk),
      int8Array(parameter),
      byteaArray(lo),
      byteaArray(hi),
      int4Array(this.#unitFrom),
      int4Array(this.#unitTo),
      int8Arrays(this.#units.parts),
    ]
  }
}

/** Arrays end to end in one; SQL takes `[from:to]` of it, and nothing where `to` is before `from`. */
class Slices {
  readonly parts: ArrayLike<bigint>[] = []
  #length = 0

  add(values: ArrayLike<bigint>): [from: number, to: number] {
    const from = this.#length + 1
    this.#length += values.length
    this.parts.push(values)
    return [from, this.#length]
  }
}
