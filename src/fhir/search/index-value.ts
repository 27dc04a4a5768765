/** `text`: by the beginning of a text, in bytes that keep its order; `name`: by what the token of a value stands for. */
export type SortForm = 'text' | 'name'

/**
 * What one search parameter finds in one place of a resource. The blind index turns these into tokens and
 * ordered rows; nothing here is for storage in the clear.
 *
 * Codes, identifiers, contact points and strings come in the form in which they are compared (see
 * normalise.ts); a query goes through the same functions, so comparing for equality is enough.
 */
export type IndexValue =
  | TokenIndexValue
  | StringIndexValue
  | UriIndexValue
  | ReferenceIndexValue
  | DateIndexValue
  | NumberIndexValue
  | QuantityIndexValue
  | CompositeIndexValue
  | GroupIndexValue
  | PositionIndexValue

/** `code` without `system`: the element has no system. `words` alone: a CodeableConcept's text, for `:text`. */
export interface TokenIndexValue {
  param: string
  kind: 'token'
  system?: string
  code?: string
  /** The normalised words of CodeableConcept.text, Coding.display or Identifier.type.text. */
  words?: readonly string[]
  /** Codings of Identifier.type, for `:of-type`. */
  types?: readonly { readonly system: string; readonly code: string }[]
  /** How a search is sorted by it. */
  sort?: SortForm
}

export interface StringIndexValue {
  param: string
  kind: 'string'
  /** The text as written: what `:exact` compares. */
  value: string
  /** The text as a search compares it by default, by prefix; see `normaliseString`. */
  normal: string
  /** One word of a longer name, which R4 wants found on its own; `:exact` must not find it. */
  word?: true
}

export interface UriIndexValue {
  param: string
  kind: 'uri'
  value: string
  /** A URL and what it lies below, for `:below`; see uriAncestors. */
  within?: readonly string[]
  sort?: SortForm
}

/** Either `type` and `id` (a resource of this server), or `url` (elsewhere, or a canonical), or only `identifier`. */
export interface ReferenceIndexValue {
  param: string
  kind: 'reference'
  type?: string
  id?: string
  url?: string
  /** Version of the resource for `type/id`, business version for a canonical `url`. */
  version?: string
  /** The canonical with its version and all that this is part of, for `:below`. */
  within?: readonly string[]
  /** The logical reference, which may stand beside a literal one. */
  identifier?: { system?: string; value: string }
}

/** Milliseconds since the epoch, [lo, hi). An open end of a Period is `DATE_MIN` or `DATE_MAX` of date-range.ts. */
export interface DateIndexValue {
  param: string
  kind: 'date'
  lo: number
  hi: number
}

/**
 * Exact decimal texts, plain (no exponent, no needless zero). [lo, hi) is the range that the precision of the
 * number as written implies (`2.0` is 1.95 to 2.05); an integer has none, so all three are equal.
 */
export interface NumberIndexValue {
  param: string
  kind: 'number'
  value: string
  lo: string
  hi: string
}

/**
 * As NumberIndexValue with a unit. A Range, or a Quantity with a comparator such as `<`, has no `value`, and a
 * missing `lo` or `hi` means without bound. Money has its currency as `code`.
 */
export interface QuantityIndexValue {
  param: string
  kind: 'quantity'
  value?: string
  lo?: string
  hi?: string
  system?: string
  code?: string
  /** The unit for people, which a search without system may name instead of the code. */
  unit?: string
  /** The same amount in UCUM's base units, where the unit is one of UCUM that has them; see ucum.ts. */
  canonical?: CanonicalAmount
}

/** An amount in base units: `unit` names its dimension, so that amounts of one `unit` compare. */
export interface CanonicalAmount {
  readonly unit: string
  readonly value?: string
  readonly lo?: string
  readonly hi?: string
}

/** Resources that have one of the members in common, or are joined by others that do, are one group of the parameter. */
export interface GroupIndexValue {
  param: string
  kind: 'group'
  members: readonly string[]
}

/** Degrees of WGS 84. */
export interface PositionIndexValue {
  param: string
  kind: 'position'
  lat: number
  lon: number
}

/** What each part of a composite finds in one element; no part is empty. */
export interface CompositeIndexValue {
  param: string
  kind: 'composite'
  parts: readonly (readonly IndexValue[])[]
}
