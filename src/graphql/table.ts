/**
 * What the schema is built from, in the forms that src/fhir has them: `structures()` of fhir/definitions and the served
 * search parameters. The gateway hands them in, so that this folder needs no import of its own.
 */
export interface GraphqlTable {
  readonly resources: readonly string[]
  readonly types: Readonly<Record<string, { readonly kind?: string; readonly elements: readonly ElementRow[] }>>
  /** The parameters that a search of the type may use. */
  readonly searchParameters: (type: string) => readonly SearchArgument[]
  /** For the `fhirpath` arguments, by the type of the elements as the table names it; throws what the gateway throws. */
  readonly filter: (type: string, expression: string) => ElementFilter
}

export interface ElementFilter {
  /** The work for an element is of the order of this times the nodes of the element. */
  readonly nodes: number
  readonly test: (element: unknown) => boolean
}

/** `[name, min, max, types]`; `max` −1 is `*`; names of choices end in `[x]`; more columns may follow. */
export type ElementRow = readonly [
  name: string,
  min: number,
  max: number,
  types: readonly (string | readonly [code: string, ...targets: string[]])[],
  ...rest: readonly unknown[],
]

export interface SearchArgument {
  readonly code: string
  readonly kind: string
  /** For references: the types that can be pointed to. */
  readonly targets: readonly string[]
}

export interface ResourceRef {
  readonly type: string
  readonly id: string
}

/** A resource as parsed; numbers keep their text by their own `toJSON`. */
export interface GraphqlResource {
  readonly resourceType: string
  readonly id?: string
  readonly [element: string]: unknown
}

export interface SearchPage {
  readonly resources: readonly GraphqlResource[]
  /** Only if `_total=accurate` was among the parameters. */
  readonly total?: number
  /** Cursor of the next page; absent on the last one. */
  readonly next?: string
}

/**
 * The interactions behind the schema, as the REST interface has them: same decisions, same audit. They throw
 * what the gateway throws; `read` and `resolve` answer undefined for what is not there or not permitted.
 */
export interface GraphqlSource<Context> {
  read(type: string, id: string, context: Context): Promise<GraphqlResource | undefined>
  /** Many at once, in the same order: the references of all rows of a level come in one call. */
  resolve(refs: readonly ResourceRef[], context: Context): Promise<readonly (GraphqlResource | undefined)[]>
  search(
    type: string,
    params: readonly (readonly [name: string, value: string])[],
    context: Context,
  ): Promise<SearchPage>
  /** FHIR base of this server without slash at its end: absolute references below it are its own. */
  readonly base?: string
}
