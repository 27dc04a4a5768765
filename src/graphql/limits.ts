import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  getNamedType,
  getNullableType,
  GraphQLError,
  type GraphQLOutputType,
  type GraphQLSchema,
  type InlineFragmentNode,
  isAbstractType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql'
import { fragmentsOf } from './fragments.js'
import { countOf } from './search-params.js'

export interface GraphqlLimits {
  /** Fields inside one another; fragments do not count. */
  readonly depth: number
  /** See `limitsRule`. */
  readonly cost: number
  /** Lexical tokens of the document as it came. */
  readonly tokens: number
  /** Fields of the document once FHIR's forms are written out: one of FHIR may be a hundred of GraphQL. */
  readonly fields: number
}

export const GRAPHQL_LIMITS: GraphqlLimits = { depth: 16, cost: 50_000, tokens: 5_000, fields: 10_000 }

/** Rows that a search is reckoned with when the query does not say. */
const PAGE = 50
/** Elements that a repeating element is reckoned with. */
const ELEMENTS = 2
/** What a search, and the read behind a reference, cost beside a plain field of 1. */
const SEARCH = 20
const READ = 2

/** What describes the schema is large whatever is asked of it. */
const SCHEMA = 20_000
const TYPE = 500

/**
 * The refusal of an operation that is too deep or would do too much, before anything is read. Cost: a field is 1 and
 * what is in it, a list times its `_count` (a page if that is not said), a search 20 more, a reference 2 more. Of
 * fragments on different types only the dearest counts, because a resource has one type. The schema may be read twice.
 *
 * Needs a document that the rules of GraphQL allow: fragments in a circle would not end.
 */
export function tooCostly(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  limits: Pick<GraphqlLimits, 'depth' | 'cost'>,
  variables: Readonly<Record<string, unknown>> = {},
): GraphQLError | undefined {
  const root = schema.getRootType(operation.operation)
  if (!root) return undefined
  const { cost, depth } = new Reckoner(schema, document, limits, valuesOf(operation, variables)).measure(
    operation.selectionSet,
    root,
    1,
  )
  const refusal = (text: string): GraphQLError =>
    new GraphQLError(text, { nodes: operation, extensions: { code: 'too-costly' } })
  if (depth > limits.depth) return refusal(`The query is nested deeper than the allowed ${limits.depth} fields.`)
  if (cost > limits.cost) {
    return refusal(
      `The query costs about ${cost.toPrecision(3)}, more than the allowed ${limits.cost}; ask for fewer rows with _count.`,
    )
  }
  return undefined
}

/** What stands for variables: what was given, or the default that holds without. */
function valuesOf(
  { variableDefinitions = [] }: OperationDefinitionNode,
  given: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, unknown> {
  return new Map(
    variableDefinitions.map(({ variable: { name }, defaultValue }) => [
      name.value,
      given[name.value] ?? defaultOf(defaultValue),
    ]),
  )
}

function defaultOf(value: ValueNode | undefined): unknown {
  if (value?.kind === Kind.INT) return Number(value.value)
  return value?.kind === Kind.STRING ? value.value : undefined
}

interface Measure {
  cost: number
  depth: number
}

interface Measured extends Measure {
  /** True if it asks of one type only. */
  readonly narrows: boolean
}

class Reckoner {
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>
  /** A fragment may be spread a thousand times, each spreading others a thousand times. */
  readonly #measured = new Map<string, Measured>()

  constructor(
    readonly schema: GraphQLSchema,
    document: DocumentNode,
    readonly limits: Pick<GraphqlLimits, 'depth' | 'cost'>,
    readonly variables: ReadonlyMap<string, unknown>,
  ) {
    this.#fragments = fragmentsOf(document)
  }

  measure(set: SelectionSetNode, type: GraphQLOutputType, depth: number): Measure {
    const all: Measure = { cost: 0, depth }
    if (depth > this.limits.depth) return all
    let dearest = 0
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const field = this.#field(selection, type, depth)
        all.cost += field.cost
        all.depth = Math.max(all.depth, field.depth)
        continue
      }
      const inside =
        selection.kind === Kind.FRAGMENT_SPREAD
          ? this.#spread(selection.name.value, type, depth)
          : this.#fragment(selection, type, depth)
      if (inside === undefined) continue
      all.depth = Math.max(all.depth, inside.depth)
      if (isAbstractType(getNamedType(type)) && inside.narrows) dearest = Math.max(dearest, inside.cost)
      else all.cost += inside.cost
    }
    return { cost: all.cost + dearest, depth: all.depth }
  }

  #spread(name: string, type: GraphQLOutputType, depth: number): Measured | undefined {
    const key = `${name} ${depth}`
    const known = this.#measured.get(key)
    const fragment = this.#fragments.get(name)
    if (known !== undefined || fragment === undefined) return known
    const measured = this.#fragment(fragment, type, depth)
    this.#measured.set(key, measured)
    return measured
  }

  #fragment(
    { typeCondition, selectionSet }: InlineFragmentNode | FragmentDefinitionNode,
    type: GraphQLOutputType,
    depth: number,
  ): Measured {
    const condition = typeCondition && this.schema.getType(typeCondition.name.value)
    const inner = isObjectType(condition) || isInterfaceType(condition) ? condition : type
    return { ...this.measure(selectionSet, inner, depth), narrows: isObjectType(inner) }
  }

  #field(node: FieldNode, parent: GraphQLOutputType, depth: number): Measure {
    const named = getNamedType(parent)
    const definition = isObjectType(named) || isInterfaceType(named) ? named.getFields()[node.name.value] : undefined
    if (node.name.value.startsWith('__')) return this.#introspection(node, depth)
    if (definition === undefined || node.selectionSet === undefined) return { cost: 1, depth }
    const inside = this.measure(node.selectionSet, definition.type, depth + 1)
    const isSearch = definition.args.some(({ name }) => name === '_sort')
    const isList = isListType(getNullableType(definition.type))
    const rows = isSearch ? this.#count(node, PAGE) : isList && !this.#isEdges(node) ? this.#count(node, ELEMENTS) : 1
    const extra = isSearch ? SEARCH : node.name.value === 'resource' ? READ : 0
    return { cost: 1 + extra + Math.max(rows, 1) * inside.cost, depth: inside.depth }
  }

  /** The edges of a connection are reckoned by the connection's own `_count`. */
  #isEdges(node: FieldNode): boolean {
    return node.name.value === 'edges'
  }

  /** Its depth is bounded by a rule of its own, see introspection-rule.ts. */
  #introspection({ name: { value } }: FieldNode, depth: number): Measure {
    return { cost: value === '__schema' ? SCHEMA : value === '__type' ? TYPE : 1, depth }
  }

  #count(node: FieldNode, otherwise: number): number {
    const cursor = this.#argument(node, '_cursor')
    const count = typeof cursor === 'string' ? countOf(cursor) : this.#argument(node, '_count')
    return typeof count === 'number' && !Number.isNaN(count) ? count : otherwise
  }

  #argument(node: FieldNode, wanted: string): unknown {
    const value = node.arguments?.find(({ name }) => name.value === wanted)?.value
    if (value?.kind === Kind.VARIABLE) return this.variables.get(value.name.value)
    if (value?.kind === Kind.STRING) return value.value
    return value?.kind === Kind.INT ? Number(value.value) : undefined
  }
}
