import {
  GraphQLError,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLResolveInfo,
  GraphQLString,
  Kind,
} from 'graphql'
import type { ElementTypes } from './element-types.js'
import type { GraphqlRequestState } from './request.js'
import { scalarOf } from './scalars.js'
import { cursorOf, fhirpathOf, paramsOf } from './search-params.js'
import type { GraphqlResource, GraphqlTable, SearchPage } from './table.js'

type State = GraphqlRequestState<unknown>
type Args = Readonly<Record<string, unknown>>
type SearchField = GraphQLFieldConfig<Readonly<Record<string, unknown>>, State>

/**
 * `PatientList` and `PatientConnection`, at the root and as reverse references of a resource
 * (https://hl7.org/fhir/R4/graphql.html#search). Argument names are those of the search parameters with `_` for `-`;
 * several values of one are alternatives.
 */
export class SearchFields {
  readonly #connections = new Map<string, GraphQLObjectType>()

  constructor(
    readonly table: GraphqlTable,
    readonly elements: ElementTypes,
  ) {}

  list(type: string, target?: string): SearchField {
    return {
      type: new GraphQLList(this.elements.object(type)),
      args: this.#arguments(type, target),
      resolve: async (source, args, state) => {
        const page = await this.#search(type, target, source, args, state, [])
        // "The server returns everything, or an error", unless the client said how many it wants
        const whole = page.next === undefined || args['_count'] != null
        if (whole) return this.#meeting(type, args['fhirpath'], enter(page, state), state)
        throw new GraphQLError(
          `There are more ${type} than fit into a list: ask for a ${type}Connection or give _count.`,
          {
            extensions: { code: 'too-costly' },
          },
        )
      },
    }
  }

  connection(type: string, target?: string): SearchField {
    return {
      type: this.#connection(type),
      args: {
        ...this.#arguments(type, target),
        // "the cursor argument is prohibited, except at the root"
        ...(target === undefined ? { _cursor: { type: GraphQLString } } : {}),
      },
      resolve: async (source, args, state, info) => {
        const fhirpath = typeof args['_cursor'] === 'string' ? fhirpathOf(args['_cursor']) : args['fhirpath']
        // what meets an expression is known a page at a time
        const counts = asksFor('count', info) && typeof fhirpath !== 'string'
        const extra: [string, string][] = counts ? [['_total', 'accurate']] : []
        const page = await this.#search(type, target, source, args, state, extra)
        const params = paramsOf(this.table.searchParameters(type), args, typeof args['_cursor'] === 'string')
        return {
          count: page.total,
          offset: args['_cursor'] == null ? 0 : undefined,
          pagesize: args['_count'] ?? page.resources.length,
          next: page.next === undefined ? undefined : cursorOf(params, page.next, fhirpath),
          edges: this.#meeting(type, fhirpath, enter(page, state), state).map((resource) => ({
            mode: 'match',
            resource,
          })),
        }
      },
    }
  }

  /** Types that refer to `type` by a parameter that names it, and Provenance, whose target is anything. */
  referring(type: string): string[] {
    return this.table.resources.filter((source) =>
      this.table
        .searchParameters(source)
        .some(({ targets }) => targets.includes(type) && (targets.length < 100 || source === 'Provenance')),
    )
  }

  #meeting(
    type: string,
    expression: unknown,
    resources: readonly GraphqlResource[],
    { filters }: State,
  ): readonly GraphqlResource[] {
    return filters.select(this.table, type, expression, resources)
  }

  async #search(
    type: string,
    target: string | undefined,
    source: Readonly<Record<string, unknown>>,
    args: Args,
    state: State,
    extra: readonly (readonly [string, string])[],
  ): Promise<SearchPage> {
    const { _reference, fhirpath: _, ...criteria } = args
    const params = paramsOf(this.table.searchParameters(type), criteria, typeof args['_cursor'] === 'string')
    if (target === undefined) return state.source.search(type, [...params, ...extra], state.context)
    const code = String(_reference).replaceAll('_', '-')
    const parameter = this.table.searchParameters(type).find((known) => known.code === code)
    if (!parameter?.targets.includes(target)) {
      throw new GraphQLError(`${type} has no reference parameter of this name that points to ${target}.`, {
        extensions: { code: 'not-supported' },
      })
    }
    const reference = [code, `${target}/${String(source['id'])}`] as const
    return state.source.search(type, [reference, ...params, ...extra], state.context)
  }

  #arguments(type: string, target: string | undefined): GraphQLFieldConfigArgumentMap {
    const args: GraphQLFieldConfigArgumentMap = {}
    if (target !== undefined) args['_reference'] = { type: new GraphQLNonNull(scalarOf('code')) }
    for (const { code, kind } of this.table.searchParameters(type)) {
      if (target !== undefined && code === '_id') continue
      args[code.replaceAll('-', '_')] = { type: new GraphQLList(scalarOf(kind)) }
    }
    args['fhirpath'] = { type: GraphQLString }
    args['_sort'] = { type: GraphQLString }
    args['_count'] = { type: GraphQLInt }
    return args
  }

  #connection(type: string): GraphQLObjectType {
    let connection = this.#connections.get(type)
    if (connection === undefined) {
      const edge = new GraphQLObjectType({
        name: `${type}Edge`,
        fields: () => ({
          mode: { type: GraphQLString },
          score: { type: GraphQLFloat },
          resource: { type: this.elements.object(type) },
        }),
      })
      connection = new GraphQLObjectType({
        name: `${type}Connection`,
        fields: {
          count: { type: GraphQLInt },
          offset: { type: GraphQLInt },
          pagesize: { type: GraphQLInt },
          edges: { type: new GraphQLList(edge) },
          first: { type: GraphQLID },
          previous: { type: GraphQLID },
          next: { type: GraphQLID },
          last: { type: GraphQLID },
        },
      })
      this.#connections.set(type, connection)
    }
    return connection
  }
}

function enter({ resources }: SearchPage, state: State): GraphqlResource[] {
  return resources.map((resource) => state.enter(resource))
}

/** True if the answer needs the field; a fragment might, so it counts as asking. */
function asksFor(name: string, { fieldNodes }: GraphQLResolveInfo): boolean {
  return fieldNodes.some(({ selectionSet }) =>
    selectionSet?.selections.some((selection) => selection.kind !== Kind.FIELD || selection.name.value === name),
  )
}
