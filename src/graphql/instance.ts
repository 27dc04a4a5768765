import {
  type DocumentNode,
  type FieldNode,
  Kind,
  OperationTypeNode,
  type VariableDefinitionNode,
  type VariableNode,
  visit,
} from 'graphql'

/** Response key of the resource that an instance-level query is about. */
export const INSTANCE = 'instance'

/** Variable with the id of that resource, so that one document serves every id. */
export const INSTANCE_ID = '_instance'

const ID: VariableNode = { kind: Kind.VARIABLE, name: { kind: Kind.NAME, value: INSTANCE_ID } }
const ID_DEFINITION: VariableDefinitionNode = {
  kind: Kind.VARIABLE_DEFINITION,
  variable: ID,
  type: { kind: Kind.NON_NULL_TYPE, type: { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: 'ID' } } },
}

/**
 * A query to `[base]/[type]/[id]/$graphql` starts inside the resource; here it starts at the root:
 * `{ name { family } }` becomes `query ($_instance: ID!) { instance: Patient(id: $_instance) { name { family } } }`.
 */
export function aboutInstance(document: DocumentNode, type: string): DocumentNode {
  return visit(document, {
    OperationDefinition(operation) {
      if (operation.operation !== OperationTypeNode.QUERY) return false
      const { selectionSet } = operation
      const field: FieldNode = {
        kind: Kind.FIELD,
        alias: { kind: Kind.NAME, value: INSTANCE },
        name: { kind: Kind.NAME, value: type },
        arguments: [{ kind: Kind.ARGUMENT, name: { kind: Kind.NAME, value: 'id' }, value: ID }],
        selectionSet,
      }
      return {
        ...operation,
        variableDefinitions: [...(operation.variableDefinitions ?? []), ID_DEFINITION],
        selectionSet: { ...selectionSet, selections: [field] },
      }
    },
    FragmentDefinition: () => false,
  })
}
