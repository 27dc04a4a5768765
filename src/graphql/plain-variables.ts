import {
  type DocumentNode,
  getNamedType,
  getNullableType,
  type GraphQLInputType,
  type GraphQLSchema,
  isInputType,
  isListType,
  isTypeSubTypeOf,
  Kind,
  type OperationDefinitionNode,
  parseType,
  specifiedScalarTypes,
  TypeInfo,
  typeFromAST,
  ValidationContext,
  type VariableDefinitionNode,
  visit,
  visitWithTypeInfo,
} from 'graphql'

const BUILT_IN: ReadonlySet<string> = new Set(specifiedScalarTypes.map(({ name }) => name))

/** Names of the variables that definitions of ours take their values from. */
const origins = new WeakMap<VariableDefinitionNode, string>()

/**
 * Variables in their places as FHIR's examples use them: one of a built-in scalar fits where an argument of FHIR's
 * scalars is, alone for a list too, `($name: String) { PatientList(name: $name) }`; and one that may be null fits
 * where none is allowed, `($var: Boolean) { active @include(if: $var) }`, as long as it is not null. GraphQL allows
 * none of these: each place gets a variable of the type that it wants, `($name_as_list_of_string: [string])`.
 */
export function plainVariables(schema: GraphQLSchema, document: DocumentNode): DocumentNode {
  const context = new ValidationContext(schema, document, new TypeInfo(schema), () => undefined)
  const plans = new Map<OperationDefinitionNode, Plan>()
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION || !definition.variableDefinitions?.length) continue
    const plan = planOf(context, definition)
    if (plan.made.size > 0) plans.set(definition, plan)
  }
  if (plans.size === 0) return document
  const renamed = new Set([...plans.values()].flatMap(({ made }) => [...made.keys()]))
  const typeInfo = new TypeInfo(schema)
  const rewritten = visit(
    document,
    visitWithTypeInfo(typeInfo, {
      VariableDefinition: () => false,
      Variable(node) {
        const wanted = typeInfo.getInputType()
        const name = wanted ? nameFor(node.name.value, wanted) : ''
        return renamed.has(name) ? { ...node, name: { ...node.name, value: name } } : undefined
      },
    }),
  )
  const definitions = rewritten.definitions.map((node, at) => {
    const plan = plans.get(document.definitions[at] as OperationDefinitionNode)
    if (plan === undefined || node.kind !== Kind.OPERATION_DEFINITION) return node
    const kept = (node.variableDefinitions ?? []).filter(({ variable }) => !plan.replaced.has(variable.name.value))
    return { ...node, variableDefinitions: [...kept, ...plan.made.values()] }
  })
  return { ...rewritten, definitions }
}

/** The values for an operation that went through `plainVariables`. */
export function plainValues(
  { variableDefinitions = [] }: OperationDefinitionNode,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const values = { ...given }
  for (const definition of variableDefinitions) {
    const origin = origins.get(definition)
    if (origin !== undefined && Object.hasOwn(given, origin)) values[definition.variable.name.value] = given[origin]
  }
  return values
}

interface Plan {
  /** By name. */
  readonly made: ReadonlyMap<string, VariableDefinitionNode>
  /** Variables that are used in no other place. */
  readonly replaced: ReadonlySet<string>
}

function planOf(context: ValidationContext, operation: OperationDefinitionNode): Plan {
  const schema = context.getSchema()
  const definitions = new Map(operation.variableDefinitions?.map((each) => [each.variable.name.value, each]))
  const made = new Map<string, VariableDefinitionNode>()
  const kept = new Set<string>()
  const replaced = new Set<string>()
  for (const { node, type: wanted } of context.getRecursiveVariableUsages(operation)) {
    const name = node.name.value
    const definition = definitions.get(name)
    const given = definition && typeFromAST(schema, definition.type)
    if (definition === undefined || !wanted || !isInputType(given) || !needsOwn(schema, given, wanted)) kept.add(name)
    else {
      replaced.add(name)
      made.set(nameFor(name, wanted), definitionFor(definition, wanted))
    }
  }
  return { made, replaced: replaced.difference(kept) }
}

function definitionFor(definition: VariableDefinitionNode, wanted: GraphQLInputType): VariableDefinitionNode {
  const { variable } = definition
  const name = { ...variable.name, value: nameFor(variable.name.value, wanted) }
  const own = { ...definition, variable: { ...variable, name }, type: parseType(String(wanted)) }
  origins.set(own, variable.name.value)
  return own
}

function nameFor(name: string, wanted: GraphQLInputType): string {
  const type = String(wanted).replaceAll('[', 'list_of_').replaceAll('!', '_required').replaceAll(']', '')
  return `${name}_as_${type}`
}

/** True where GraphQL refuses what FHIR allows; what neither allows is left to GraphQL's own rule. */
function needsOwn(schema: GraphQLSchema, given: GraphQLInputType, wanted: GraphQLInputType): boolean {
  if (isTypeSubTypeOf(schema, given as never, wanted as never)) return false
  const [inner, place] = [getNullableType(given), getNullableType(wanted)]
  return isTypeSubTypeOf(schema, inner as never, place as never) || fitsScalar(inner, place)
}

function fitsScalar(given: GraphQLInputType, wanted: GraphQLInputType): boolean {
  if (isListType(given) && !isListType(wanted)) return false
  const { name } = getNamedType(wanted)
  const isFhir = !BUILT_IN.has(name) || name === 'String' || name === 'ID'
  return isFhir && BUILT_IN.has(getNamedType(given).name)
}
