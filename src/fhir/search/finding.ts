import type { IndexValue, SortForm } from './index-value.js'

/** Where a reader puts what it finds. */
export interface Finding {
  readonly param: string
  /** The implied system of a code, or the type that a reference must resolve to. */
  readonly extra: string | undefined
  /** Types that the parameter can point to. */
  readonly targets: readonly string[]
  /** How a search is sorted by what is found. */
  readonly sort: SortForm | undefined
  /** Base URL of this server, whose absolute references are as good as relative ones. */
  readonly base: string | undefined
  readonly out: IndexValue[]
}

/** Reads one element of a data type; elements of another shape than the type says are left out. */
export type ElementReader = (element: unknown, found: Finding) => void

/** Readers of one kind of parameter by data type. */
export type Readers = Readonly<Record<string, ElementReader>>

/** A complex element as parsed. */
export type Element = Readonly<Record<string, unknown>>
