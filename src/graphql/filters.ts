import { GraphQLError } from 'graphql'
import type { ElementFilter, GraphqlTable } from './table.js'

/** Work that the `fhirpath` arguments of one request may cause: nodes of expressions times nodes of elements. */
const MOST_WORK = 1_000_000
/** Of that, for each character of an expression that is read first: up to 50 µs. */
const PREPARING = 50

/** The `fhirpath` arguments of one request: each expression is prepared once, and together they have a bound. */
export class Filters {
  readonly #known = new Map<string, ElementFilter>()
  #work = 0

  /** The elements that meet the expression. @throws GraphQLError above the bound */
  select<T>(table: GraphqlTable, type: string, expression: unknown, elements: readonly T[]): readonly T[] {
    if (typeof expression !== 'string') return elements
    const key = `${type} ${expression}`
    let filter = this.#known.get(key)
    if (filter === undefined) {
      this.#spend(PREPARING * expression.length)
      filter = table.filter(type, expression)
      this.#known.set(key, filter)
    }
    const { nodes, test } = filter
    return elements.filter((element) => {
      if (element === null || element === undefined) return false
      this.#spend(nodes * sizeOf(element, MOST_WORK))
      return test(element)
    })
  }

  #spend(work: number): void {
    this.#work += work
    if (this.#work <= MOST_WORK) return
    throw new GraphQLError('The fhirpath arguments have too much to look at; ask for fewer elements or rows.', {
      extensions: { code: 'too-costly' },
    })
  }
}

function sizeOf(value: unknown, most: number): number {
  if (typeof value !== 'object' || value === null) return 1
  let size = 1
  for (const child of Object.values(value)) {
    if (size > most) break
    size += sizeOf(child, most)
  }
  return size
}
