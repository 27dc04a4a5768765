import {
  type ASTVisitor,
  type FieldNode,
  getNamedType,
  getNullableType,
  GraphQLError,
  type GraphQLOutputType,
  isAbstractType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
} from 'graphql'

export interface GraphqlLimits {
  /** Fields inside one another; fragments do not count. */
  readonly depth: number
  /** See `limitsRule`. */
  readonly cost: number
  /** Lexical tokens of the document. */
  readonly tokens: number
}

export const GRAPHQL_LIMITS: GraphqlLimits = { depth: 16, cost: 50_000, tokens: 5_000 }

/** Rows that a search is reckoned with when the query does not say. */
const PAGE = 50
/** Elements that a repeating element is reckoned with. */
const ELEMENTS = 2
/** What a search, and the read behind a reference, cost beside a plain field of 1. */
const SEARCH = 20
const READ = 2

/**
 * Refuses queries that are too deep or would do too much before anything is read. Cost: a field is 1 and what is
 * in it, a list times its `_count` (a page if that is not said), a search 20 more, a reference 2 more. Of
 * fragments on different types only the dearest counts, because a resource has one type. Introspection is free of
 * cost, but not of depth.
 */
export function limitsRule(
  limits: Pick<GraphqlLimits, 'depth' | 'cost'>,
  variables: Readonly<Record<string, unknown>> = {},
): ValidationRule {
  return (context: ValidationContext): ASTVisitor => ({
    OperationDefinition(operation: OperationDefinitionNode) {
      const root = context.getSchema().getRootType(operation.operation)
      if (!root) return
      const reckoner = new Reckoner(context, limits, variables)
      const { cost, depth } = reckoner.measure(operation.selectionSet, root, 1, new Set())
      const report = (text: string): void => {
        context.reportError(new GraphQLError(text, { nodes: operation, extensions: { code: 'too-costly' } }))
      }
      if (depth > limits.depth) report(`The query is nested deeper than the allowed ${limits.depth} fields.`)
      else if (cost > limits.cost)
        report(`The query costs about ${cost}, more than the allowed ${limits.cost}; ask for fewer rows with _count.`)
    },
  })
}

interface Measure {
  cost: number
  depth: number
}

class Reckoner {
  constructor(
    readonly context: ValidationContext,
    readonly limits: Pick<GraphqlLimits, 'depth' | 'cost'>,
    readonly variables: Readonly<Record<string, unknown>>,
  ) {}

  measure(set: SelectionSetNode, type: GraphQLOutputType, depth: number, seen: ReadonlySet<string>): Measure {
    const all: Measure = { cost: 0, depth }
    if (depth > this.limits.depth) return all
    let dearest = 0
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const field = this.#field(selection, type, depth, seen)
        all.cost += field.cost
        all.depth = Math.max(all.depth, field.depth)
        continue
      }
      const inside = this.#fragment(selection, type, depth, seen)
      if (inside === undefined) continue
      all.depth = Math.max(all.depth, inside.depth)
      if (isAbstractType(getNamedType(type)) && inside.narrows) dearest = Math.max(dearest, inside.cost)
      else all.cost += inside.cost
    }
    return { cost: all.cost + dearest, depth: all.depth }
  }

  #fragment(
    selection: Exclude<SelectionSetNode['selections'][number], FieldNode>,
    type: GraphQLOutputType,
    depth: number,
    seen: ReadonlySet<string>,
  ): (Measure & { narrows: boolean }) | undefined {
    const name = selection.kind === Kind.FRAGMENT_SPREAD ? selection.name.value : undefined
    if (name !== undefined && seen.has(name)) return undefined // another rule refuses circles
    const fragment =
      selection.kind === Kind.FRAGMENT_SPREAD ? this.context.getFragment(selection.name.value) : selection
    if (!fragment) return undefined
    const condition = fragment.typeCondition && this.context.getSchema().getType(fragment.typeCondition.name.value)
    const inner = isObjectType(condition) || isInterfaceType(condition) ? condition : type
    const measure = this.measure(
      fragment.selectionSet,
      inner,
      depth,
      name === undefined ? seen : new Set([...seen, name]),
    )
    return { ...measure, narrows: isObjectType(inner) }
  }

  #field(node: FieldNode, parent: GraphQLOutputType, depth: number, seen: ReadonlySet<string>): Measure {
    const named = getNamedType(parent)
    const definition = isObjectType(named) || isInterfaceType(named) ? named.getFields()[node.name.value] : undefined
    if (node.name.value.startsWith('__')) return this.#introspection(node, depth)
    if (definition === undefined || node.selectionSet === undefined) return { cost: 1, depth }
    const inside = this.measure(node.selectionSet, definition.type, depth + 1, seen)
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

  #introspection(node: FieldNode, depth: number): Measure {
    return { cost: 1, depth: node.selectionSet ? Math.min(depth + 1, this.limits.depth) : depth }
  }

  #count(node: FieldNode, otherwise: number): number {
    const value = node.arguments?.find(({ name }) => name.value === '_count')?.value
    if (value?.kind === Kind.INT) return Math.min(Number(value.value), Number.MAX_SAFE_INTEGER)
    const given = value?.kind === Kind.VARIABLE ? this.variables[value.name.value] : undefined
    return typeof given === 'number' ? given : otherwise
  }
}
