import type { FilterKind, Searched } from '../../clauses/clause.js'

/**
 * A search as a value, https://hl7.org/fhir/R4/search.html. General enough for all of R4; `parseSearch` refuses
 * what is not served before it hands one out (see served.ts).
 */
export interface SearchQuery extends Searched, ResultOptions {}

/** A search of several types at once, `GET [base]?_type=…`. */
export interface SystemQuery extends ResultOptions {
  readonly searched: readonly Searched[]
}

/** How the answer is to be given, https://hl7.org/fhir/R4/search.html#return */
export interface ResultOptions {
  /** In the order of precedence; empty: the server's own order. */
  readonly sort: readonly SortKey[]
  readonly includes: readonly Include[]
  /** Entries a page; 0 asks for the total alone. Undefined: the server's default. */
  readonly count: number | undefined
  readonly total: 'none' | 'estimate' | 'accurate' | undefined
  readonly summary: 'true' | 'false' | 'text' | 'data' | 'count' | undefined
  /** Top-level element names; empty: all. */
  readonly elements: readonly string[]
  /** The opaque place to go on from, as this server wrote it into a `next` link. */
  readonly cursor: string | undefined
  /** The parameters that this search obeys, for the self link; without `_cursor`. */
  readonly applied: readonly (readonly [name: string, value: string])[]
  /** Only with lenient handling: what was left out and why. */
  readonly ignored: readonly { readonly name: string; readonly reason: string }[]
}

export interface SortKey {
  readonly param: string
  readonly kind: FilterKind
  readonly descending: boolean
}

/** `_include=MedicationRequest:patient:Patient`; `reverse` for `_revinclude`. */
export interface Include {
  readonly reverse: boolean
  readonly iterate: boolean
  readonly source: string
  /** `*`: every reference. */
  readonly param: string
  readonly target?: string
}
