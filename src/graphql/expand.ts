import type { GraphQLInterfaceType, GraphQLObjectType } from 'graphql'
import {
  type ArgumentNode,
  type ASTVisitor,
  type DocumentNode,
  type FieldNode,
  getNamedType,
  GraphQLError,
  type GraphQLSchema,
  type InlineFragmentNode,
  isInterfaceType,
  isLeafType,
  Kind,
  type SelectionNode,
  TypeInfo,
  type ValueNode,
  visit,
  visitWithTypeInfo,
} from 'graphql'

/**
 * Makes a document as FHIR writes it one that the GraphQL specification accepts, by the types of the schema:
 *
 * - `Patient(id: example)`, `name: pet`: an unquoted word where a String or ID is wanted is that text;
 * - `subject { resource { active } }`: a field that only some types of the reference have is asked of those;
 * - `resource(type: Patient) {…} resource(type: Group) {…}` side by side become fragments of one field.
 *
 * @param most fields that may come of it: within one reference another multiplies the types that are asked
 * @throws GraphQLError above that
 */
export function expandFhirForms(schema: GraphQLSchema, document: DocumentNode, most: number): DocumentNode {
  const typeInfo = new TypeInfo(schema)
  let fields = 0
  const targets: (readonly string[] | undefined)[] = []
  const visitor: ASTVisitor = {
    EnumValue: (node) => asText(node, typeInfo),
    BooleanValue: (node) => asText(node, typeInfo),
    IntValue: (node) => asText(node, typeInfo),
    FloatValue: (node) => asText(node, typeInfo),
    SelectionSet: {
      enter(node) {
        if (typeInfo.getParentType()?.name !== 'Reference') return undefined
        const selections = mergeResourceFields(node.selections)
        return selections === node.selections ? undefined : { ...node, selections }
      },
    },
    Field: {
      enter(node) {
        if (++fields > most) throw tooBroad(most)
        const field = typeInfo.getFieldDef()
        const outer = targets.at(-1)
        targets.push(field?.extensions['targets'] as readonly string[] | undefined)
        const type = getNamedType(typeInfo.getType())
        if (!isInterfaceType(type) || node.selectionSet === undefined) return undefined
        const possible = typeArgument(node) ?? (node.name.value === 'resource' ? outer : undefined)
        const selections = expand(node.selectionSet.selections, type, possibleTypes(schema, type, possible))
        return { ...node, selectionSet: { ...node.selectionSet, selections } }
      },
      leave() {
        targets.pop()
      },
    },
  }
  return visit(document, visitWithTypeInfo(typeInfo, visitor))
}

function tooBroad(most: number): GraphQLError {
  return new GraphQLError(
    `Written out for every type that its references allow, the query has more than ${most} fields; name the types, as in resource(type: Patient).`,
    { extensions: { code: 'too-costly' } },
  )
}

function asText(node: ValueNode & { readonly value: string | boolean }, typeInfo: TypeInfo): ValueNode | undefined {
  const type = getNamedType(typeInfo.getInputType())
  if (type?.name !== 'String' && type?.name !== 'ID') return undefined
  return { kind: Kind.STRING, value: String(node.value) }
}

/** `type: Patient` as written; a variable says nothing before the request is carried out. */
function typeArgument(node: FieldNode): readonly string[] | undefined {
  const value = node.arguments?.find(({ name }) => name.value === 'type')?.value
  return value?.kind === Kind.ENUM || value?.kind === Kind.STRING ? [value.value] : undefined
}

function possibleTypes(
  schema: GraphQLSchema,
  type: GraphQLInterfaceType,
  names: readonly string[] | undefined,
): readonly GraphQLObjectType[] {
  const all = schema.getPossibleTypes(type)
  return names === undefined ? all : names.flatMap((name) => all.filter((each) => each.name === name))
}

/** Fields that the interface lacks move into a fragment for each type that has them in the same form. */
function expand(
  selections: readonly SelectionNode[],
  type: GraphQLInterfaceType,
  possible: readonly GraphQLObjectType[],
): SelectionNode[] {
  const kept: SelectionNode[] = []
  const byType = new Map<string, FieldNode[]>()
  for (const selection of selections) {
    const moved = selection.kind === Kind.FIELD ? holders(selection, type, possible) : []
    if (moved.length === 0 || selection.kind !== Kind.FIELD) kept.push(selection)
    else for (const { name } of moved) byType.set(name, [...(byType.get(name) ?? []), selection])
  }
  const fragments = Array.from(byType, ([name, fields]): InlineFragmentNode => ({
    kind: Kind.INLINE_FRAGMENT,
    typeCondition: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: name } },
    selectionSet: { kind: Kind.SELECTION_SET, selections: fields },
  }))
  return [...kept, ...fragments]
}

function holders(
  { name, selectionSet }: FieldNode,
  type: GraphQLInterfaceType,
  possible: readonly GraphQLObjectType[],
): readonly GraphQLObjectType[] {
  if (name.value.startsWith('__') || type.getFields()[name.value] !== undefined) return []
  const fits = possible.filter((each) => {
    const field = each.getFields()[name.value]
    return field !== undefined && isLeafType(getNamedType(field.type)) === (selectionSet === undefined)
  })
  // one response key cannot have two forms: Group.name is a text, Patient.name a list
  const form = String(fits[0]?.getFields()[name.value]?.type)
  return fits.filter((each) => String(each.getFields()[name.value]?.type) === form)
}

function mergeResourceFields(selections: readonly SelectionNode[]): readonly SelectionNode[] {
  const isTyped = (node: SelectionNode): node is FieldNode =>
    node.kind === Kind.FIELD && node.name.value === 'resource' && !node.directives?.length && !!typeArgument(node)
  const keyOf = ({ alias }: FieldNode): string => alias?.value ?? 'resource'
  const groups = Map.groupBy(selections.filter(isTyped), keyOf)
  if (![...groups.values()].some((group) => group.length > 1)) return selections
  return selections.flatMap((node): SelectionNode[] => {
    const group = isTyped(node) ? groups.get(keyOf(node)) : undefined
    if (group === undefined || group.length === 1) return [node]
    return group[0] === node ? [mergeGroup(group as [FieldNode, ...FieldNode[]])] : []
  })
}

function mergeGroup(group: readonly [FieldNode, ...FieldNode[]]): FieldNode {
  const selections = group.flatMap((node): InlineFragmentNode[] => {
    const [name] = typeArgument(node) ?? []
    if (name === undefined || node.selectionSet === undefined) return []
    const typeCondition = { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: name } } as const
    return [{ kind: Kind.INLINE_FRAGMENT, typeCondition, selectionSet: node.selectionSet }]
  })
  const others = (group[0].arguments ?? []).filter(({ name }: ArgumentNode) => name.value !== 'type')
  return { ...group[0], arguments: others, selectionSet: { kind: Kind.SELECTION_SET, selections } }
}
