import {
  getNamedType,
  getNullableType,
  GraphQLError,
  type GraphQLInputType,
  isListType,
  isTypeSubTypeOf,
  specifiedScalarTypes,
  specifiedRules,
  typeFromAST,
  type ValidationRule,
  type VariableDefinitionNode,
  VariablesInAllowedPositionRule,
} from 'graphql'

const BUILT_IN: ReadonlySet<string> = new Set(specifiedScalarTypes.map(({ name }) => name))

/**
 * Variables in their places as FHIR's examples use them: one of a built-in scalar fits where an argument of FHIR's
 * scalars is, alone for a list too, `($name: String) { PatientList(name: $name) }`; and one that may be null fits
 * where none is allowed, `($var: Boolean) { active @include(if: $var) }`, as long as it is not null.
 */
export const fhirVariablesRule: ValidationRule = (context) => {
  const definitions = new Map<string, VariableDefinitionNode>()
  return {
    OperationDefinition: {
      enter(operation) {
        definitions.clear()
        for (const definition of operation.variableDefinitions ?? []) {
          definitions.set(definition.variable.name.value, definition)
        }
      },
      leave(operation) {
        for (const { node, type } of context.getRecursiveVariableUsages(operation)) {
          const definition = definitions.get(node.name.value)
          const given =
            definition && (typeFromAST(context.getSchema(), definition.type as never) as GraphQLInputType | undefined)
          if (definition === undefined || given === undefined || !type) continue
          // a missing value of what must not be null is told by the execution
          const [inner, wanted] = [getNullableType(given), getNullableType(type)]
          if (isTypeSubTypeOf(context.getSchema(), inner as never, wanted as never) || fitsScalar(inner, wanted))
            continue
          const message = `Variable "$${node.name.value}" of type "${String(given)}" used in position expecting type "${String(type)}".`
          context.reportError(new GraphQLError(message, { nodes: [definition, node] }))
        }
      },
    },
  }
}

function fitsScalar(given: GraphQLInputType, wanted: GraphQLInputType): boolean {
  if (isListType(given) && !isListType(wanted)) return false
  const { name } = getNamedType(wanted)
  const isFhir = !BUILT_IN.has(name) || name === 'String' || name === 'ID'
  return isFhir && BUILT_IN.has(getNamedType(given).name)
}

/** The rules of the specification, with this one in the place of its own. */
export const fhirRules: readonly ValidationRule[] = [
  ...specifiedRules.filter((rule) => rule !== VariablesInAllowedPositionRule),
  fhirVariablesRule,
]
