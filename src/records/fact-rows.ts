import { byteaArray, int4Array, int8Arrays } from './array-parameter.js'
import { bytesOf } from './hex.js'
import type { Hex, RowFacts } from './types.js'

type Known = RowFacts | null | undefined

/** Facets of several rows end to end; places are null where nothing is known. */
export class Facets {
  readonly #parts: (readonly bigint[])[] = []
  readonly #from: (number | null)[] = []
  readonly #to: (number | null)[] = []
  #length = 0

  add(facts: Known): void {
    if (!facts) {
      this.#from.push(null)
      this.#to.push(null)
      return
    }
    this.#from.push(this.#length + 1)
    this.#length += facts.facets.length
    this.#to.push(this.#length)
    this.#parts.push(facts.facets)
  }

  /** All facets; for each row the first and the last place of its own. */
  get columns(): [facets: Buffer, from: Buffer, to: Buffer] {
    return [int8Arrays(this.#parts), int4Array(this.#from), int4Array(this.#to)]
  }
}

/** The two ends of the dates of care. */
export function careColumns(facts: readonly Known[]): [lo: Buffer, hi: Buffer] {
  return [
    byteaArray(facts.map((each) => each?.care?.lo ?? null)),
    byteaArray(facts.map((each) => each?.care?.hi ?? null)),
  ]
}

/** Other patients of several rows end to end; for each row the first and the last place of its own, null where there are none. */
export function otherColumns(
  rows: readonly (readonly Hex[] | null | undefined)[],
): [others: Buffer, from: Buffer, to: Buffer] {
  const from: (number | null)[] = []
  const to: (number | null)[] = []
  const all: Uint8Array[] = []
  for (const others of rows) {
    const some = others !== null && others !== undefined && others.length > 0
    from.push(some ? all.length + 1 : null)
    if (some) all.push(...others.map(bytesOf))
    to.push(some ? all.length : null)
  }
  return [byteaArray(all), int4Array(from), int4Array(to)]
}
