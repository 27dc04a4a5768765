import { type ArgumentNode, type DocumentNode, type FieldNode, Kind, OperationTypeNode, visit } from 'graphql'

/** Response key of the resource that an instance-level query is about. */
export const INSTANCE = 'instance'

/**
 * A query to `[base]/[type]/[id]/$graphql` starts inside the resource; here it starts at the root:
 * `{ name { family } }` becomes `{ instance: Patient(id: "1") { name { family } } }`.
 */
export function aboutInstance(document: DocumentNode, type: string, id: string): DocumentNode {
  return visit(document, {
    OperationDefinition(operation) {
      if (operation.operation !== OperationTypeNode.QUERY) return false
      const { selectionSet } = operation
      const field: FieldNode = {
        kind: Kind.FIELD,
        alias: { kind: Kind.NAME, value: INSTANCE },
        name: { kind: Kind.NAME, value: type },
        arguments: [idArgument(id)],
        selectionSet,
      }
      return { ...operation, selectionSet: { ...selectionSet, selections: [field] } }
    },
    FragmentDefinition: () => false,
  })
}

function idArgument(id: string): ArgumentNode {
  return { kind: Kind.ARGUMENT, name: { kind: Kind.NAME, value: 'id' }, value: { kind: Kind.STRING, value: id } }
}
