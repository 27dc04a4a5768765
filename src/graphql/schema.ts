import {
  DirectiveLocation,
  type GraphQLFieldConfigMap,
  GraphQLDirective,
  GraphQLID,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  specifiedDirectives,
} from 'graphql'
import { ElementTypes } from './element-types.js'
import type { GraphqlRequestState } from './request.js'
import { SearchFields } from './search-fields.js'
import type { GraphqlTable } from './table.js'

type State = GraphqlRequestState<unknown>
type Fields = GraphQLFieldConfigMap<Readonly<Record<string, unknown>>, State>

/** The re-organizing directives of https://hl7.org/fhir/R4/graphql.html#flattening; reshape.ts carries them out. */
const DIRECTIVES = [
  new GraphQLDirective({ name: 'flatten', locations: [DirectiveLocation.FIELD] }),
  new GraphQLDirective({ name: 'first', locations: [DirectiveLocation.FIELD] }),
  new GraphQLDirective({ name: 'singleton', locations: [DirectiveLocation.FIELD] }),
  new GraphQLDirective({
    name: 'slice',
    locations: [DirectiveLocation.FIELD],
    args: { path: { type: new GraphQLNonNull(GraphQLString) } },
  }),
]

/**
 * The schema of FHIR's GraphQL (R4) for every type of the table: `Patient(id)`, `PatientList`, `PatientConnection`.
 * Resolvers take everything from the `GraphqlRequestState` that is the context value, so one schema serves all
 * requests; `runGraphql` makes the state and prepares documents as FHIR writes them.
 *
 * `resources` narrows the types that can be asked for at the root and by reverse reference.
 */
export function buildSchema(given: GraphqlTable, resources: readonly string[] = given.resources): GraphQLSchema {
  const table = { ...given, searchParameters: onceForEach(given.searchParameters) }
  const served = new Set(resources)
  const elements: ElementTypes = new ElementTypes(table, (type) => reverseReferences(search, type, served))
  const search = new SearchFields(table, elements)
  const fields: Fields = {}
  for (const type of resources) {
    fields[type] = {
      type: elements.object(type),
      args: { id: { type: new GraphQLNonNull(GraphQLID) } },
      resolve: async (_, args, state) => {
        const found = await state.source.read(type, String(args['id']), state.context)
        return found && state.enter(found)
      },
    }
    fields[`${type}List`] = search.list(type)
    fields[`${type}Connection`] = search.connection(type)
  }
  return new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields }),
    // reached only through the interface
    types: table.resources.map((type) => elements.object(type)),
    directives: [...specifiedDirectives, ...DIRECTIVES],
  })
}

function reverseReferences(search: SearchFields, type: string, served: ReadonlySet<string>): Fields {
  const fields: Fields = {}
  for (const source of search.referring(type)) {
    if (!served.has(source)) continue
    fields[`${source}List`] = search.list(source, type)
    fields[`${source}Connection`] = search.connection(source, type)
  }
  return fields
}

/** Every pair of types asks for the parameters of both. */
function onceForEach<T>(of: (type: string) => T): (type: string) => T {
  const known = new Map<string, T>()
  return (type) => {
    const before = known.get(type)
    if (before !== undefined) return before
    const found = of(type)
    known.set(type, found)
    return found
  }
}
