import {
  GraphQLBoolean,
  GraphQLError,
  GraphQLID,
  GraphQLInt,
  GraphQLScalarType,
  GraphQLString,
  Kind,
  type ValueNode,
} from 'graphql'

/** FHIR's JSON numbers are GraphQL's; ids are ID; everything else is a scalar of its FHIR name. */
const BUILT_IN: ReadonlyMap<string, GraphQLScalarType> = new Map<string, GraphQLScalarType>([
  ['string', GraphQLString],
  ['boolean', GraphQLBoolean],
  ['integer', GraphQLInt],
  ['positiveInt', GraphQLInt],
  ['unsignedInt', GraphQLInt],
  ['id', GraphQLID],
  ['element-id', GraphQLID],
  ['extension-url', GraphQLString],
])

const made = new Map<string, GraphQLScalarType>()

/**
 * The scalar for a FHIR primitive type or a kind of search parameter. As an argument it takes what FHIR's
 * GraphQL writes (https://hl7.org/fhir/R4/graphql.html): `"x"`, the unquoted `x`, `true`, `5`, `5.0`.
 */
export function scalarOf(name: string): GraphQLScalarType {
  const known = BUILT_IN.get(name) ?? made.get(name)
  if (known) return known
  const scalar = new GraphQLScalarType({
    name,
    serialize: (value) => value,
    parseValue: (value) => {
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
      throw new GraphQLError(`A ${name} is a string, a number or a boolean.`)
    },
    parseLiteral: (node) => literalText(node, name),
  })
  made.set(name, scalar)
  return scalar
}

function literalText(node: ValueNode, name: string): string {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.ENUM:
    case Kind.INT:
    case Kind.FLOAT:
      return node.value
    case Kind.BOOLEAN:
      return String(node.value)
    default:
      throw new GraphQLError(`A ${name} is a string, a name, a number or a boolean.`, { nodes: node })
  }
}
