/*
 * What a search asks of the resources of a type, https://hl7.org/fhir/R4/search.html. FHIR's parser makes these values and the rows
 * answer them, and neither knows the other; texts come normalised for comparison.
 */

/** What is asked of the resources of one type. */
export interface Searched {
  readonly type: string
  /** All of them hold; the values inside of one are alternatives. */
  readonly clauses: readonly Clause[]
}

export type Clause = Filter | Missing | Chain | ReverseChain | Several | Not

/** `_filter` and compartments: all of the clauses hold, or any of them. */
export interface Several {
  readonly is: 'all' | 'any'
  readonly clauses: readonly Clause[]
}

export interface Not {
  readonly is: 'none'
  readonly clause: Clause
}

/**
 * `kind` tells the form of every value. `param` is the code of the parameter; `_id` (kind `token`, values have
 * only `code`) and `_lastUpdated` (kind `date`) are columns rather than index entries.
 */
export type Filter =
  | FilterOf<'token', TokenValue>
  | FilterOf<'string', StringValue>
  | FilterOf<'uri', UriValue>
  | FilterOf<'reference', ReferenceValue>
  | FilterOf<'date', DateValue>
  | FilterOf<'number', NumberValue>
  | FilterOf<'quantity', QuantityValue>
  | FilterOf<'composite', CompositeValue>
  | FilterOf<'special', NearValue>

export interface FilterOf<Kind extends string, Value> {
  readonly is: 'filter'
  readonly param: string
  readonly kind: Kind
  readonly modifier?: Modifier
  readonly values: readonly Value[]
}

export type FilterKind = Filter['kind']

/**
 * `[type]` of a reference is not here: it narrows `ReferenceValue.types`. `whole` is no modifier of a URL: `_filter` asks so for a string that is
 * the same in its normal form.
 */
export type Modifier =
  'exact' | 'contains' | 'text' | 'not' | 'above' | 'below' | 'in' | 'not-in' | 'of-type' | 'identifier' | 'whole'

/** `gender:missing=true` */
export interface Missing {
  readonly is: 'missing'
  readonly param: string
  readonly kind: FilterKind
  readonly missing: boolean
}

/** `subject:Patient.name=peter`: a resource of one of `types` that `param` refers to fulfils `clause`. */
export interface Chain {
  readonly is: 'chain'
  readonly param: string
  readonly targets: readonly { readonly type: string; readonly clause: Clause }[]
}

/** `_has:Observation:patient:code=1234-5`: a resource of `type` that refers here by `param` fulfils `clause`. */
export interface ReverseChain {
  readonly is: 'has'
  readonly type: string
  readonly param: string
  readonly clause: Clause
}

/**
 * `code` | `system|code` | `|code` (`system: null`: there is none) | `system|` (no `code`).
 * With `of-type` also `typeSystem` and `typeCode`; with `text` only `text`, normalised words. `in`, `not-in`,
 * `above` and `below` come as the codes that they stand for.
 */
export interface TokenValue {
  readonly system?: string | null
  readonly code?: string
  readonly typeSystem?: string
  readonly typeCode?: string
  readonly text?: readonly string[]
}

/** See StringIndexValue: `:exact` compares `value`, everything else `normal` (never empty). */
export interface StringValue {
  readonly value: string
  readonly normal: string
}

/** With `below` a place without slash at its end, with `above` the URL and everything that it lies below. */
export interface UriValue {
  readonly value: string
  readonly above?: readonly string[]
}

/**
 * `{types, id}`: a resource of this server of any of the types (one, unless only an id was given; none if the
 * value and a `:[type]` modifier contradict each other);
 * `{url, version?}`: a resource elsewhere or a canonical, with the modifier `below` also of versions that `version` begins; `{identifier}`: with the modifier `identifier`.
 */
export interface ReferenceValue {
  readonly types?: readonly string[]
  readonly id?: string
  readonly url?: string
  readonly version?: string
  readonly identifier?: TokenValue
}

export type Prefix = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap'

/**
 * [lo, hi) of the value, milliseconds since the epoch. With [tlo, thi) of the indexed value, R4's table of
 * prefixes (https://hl7.org/fhir/R4/search.html#prefix) reads:
 *
 *     eq  lo <= tlo and thi <= hi      ne  not eq
 *     gt  thi > hi                     ge  gt or eq
 *     lt  tlo < lo                     le  lt or eq
 *     sa  tlo >= hi                    eb  thi <= lo
 *     ap  tlo < hi and lo < thi, after widening
 */
export interface DateValue {
  readonly prefix: Prefix
  readonly lo: number
  readonly hi: number
}

/**
 * Exact decimal texts; [lo, hi) is what the precision of the value implies. `eq` and `ne` compare with the
 * range, the other prefixes with `value` itself ("the implicit precision of the number is ignored").
 */
export interface NumberValue {
  readonly prefix: Prefix
  readonly value: string
  readonly lo: string
  readonly hi: string
}

/** `system` and `code` as for a token; `code` without `system` means the code or the unit for people. */
export interface QuantityValue extends NumberValue {
  readonly system?: string
  readonly code?: string
  /** The same in UCUM's base units, where the unit has them. */
  readonly canonical?: { readonly unit: string; readonly value: string; readonly lo: string; readonly hi: string }
}

/** One value per component, in the order of the definition; all hold in one place of the resource. */
export interface CompositeValue {
  readonly parts: readonly Filter[]
}

/** Within so many metres of a place in degrees: `near`, the one special parameter that is searched by a value. */
export interface NearValue {
  readonly lat: number
  readonly lon: number
  readonly metres: number
}
