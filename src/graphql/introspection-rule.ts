import {
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  type ValidationRule,
} from 'graphql'
import { fragmentsOf } from './fragments.js'

const LISTS: ReadonlySet<string> = new Set(['fields', 'inputFields', 'interfaces', 'possibleTypes'])

/**
 * Refuses introspection that walks from type to type: every tool asks for the lists of a type once and
 * then for names only, and with a thousand types each step more multiplies the answer.
 */
export const introspectionRule: ValidationRule = (context) => {
  const inside = new WeakMap<FragmentDefinitionNode, boolean>()
  const fragments = fragmentsOf(context.getDocument())
  const open = new Set<FragmentDefinitionNode>()
  const lists = (set: SelectionSetNode | undefined): boolean =>
    set?.selections.some((node) => {
      if (node.kind === Kind.FIELD) return LISTS.has(node.name.value) || lists(node.selectionSet)
      if (node.kind === Kind.INLINE_FRAGMENT) return lists(node.selectionSet)
      const fragment = fragments.get(node.name.value)
      // another rule refuses circles
      if (fragment === undefined || open.has(fragment)) return false
      let known = inside.get(fragment)
      if (known === undefined) {
        open.add(fragment)
        known = lists(fragment.selectionSet)
        open.delete(fragment)
        inside.set(fragment, known)
      }
      return known
    }) ?? false
  return {
    Field(node: FieldNode) {
      const parent = context.getParentType()?.name
      if (parent !== '__Type' || !LISTS.has(node.name.value) || !lists(node.selectionSet)) return
      const text = `Introspection may not ask for lists of types within ${node.name.value}; ask for names and then for each with __type.`
      context.reportError(new GraphQLError(text, { nodes: node, extensions: { code: 'too-costly' } }))
    },
  }
}
