import { isResourceType } from '../../definitions/structures.js'
import type { Resource } from '../../types.js'
import type { Walk } from '../walk.js'
import { checkProfile, type TreeOf } from './check.js'
import { isMap } from './match.js'

type DefinitionOf = (url: string) => Resource | undefined

/**
 * Every extension in a resource whose definition is known, against that definition and its context
 * (https://hl7.org/fhir/R4/defining-extensions.html#context); extensions that nobody defined here are allowed
 * anywhere, as R4 has it.
 */
export function checkExtensions(value: unknown, walk: Walk, definitionOf: DefinitionOf, treeOf: TreeOf): void {
  visit(value, '', walk, definitionOf, treeOf)
}

function visit(value: unknown, path: string, walk: Walk, definitionOf: DefinitionOf, treeOf: TreeOf): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      walk.enter(index)
      visit(item, path, walk, definitionOf, treeOf)
      walk.leave()
    }
    return
  }
  if (!isMap(value)) return
  const here = typeof value['resourceType'] === 'string' ? value['resourceType'] : path
  for (const key in value) {
    walk.enter(key)
    if (key === 'extension' || key === 'modifierExtension') {
      for (const [index, extension] of list(value[key]).entries()) {
        walk.enter(index)
        checkExtension(extension, here, walk, definitionOf, treeOf)
        walk.leave()
      }
    } else visit(value[key], `${here}.${key.replace(/^_/, '')}`, walk, definitionOf, treeOf)
    walk.leave()
  }
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

function checkExtension(
  extension: unknown,
  path: string,
  walk: Walk,
  definitionOf: DefinitionOf,
  treeOf: TreeOf,
): void {
  const url = isMap(extension) ? extension['url'] : undefined
  const definition = typeof url === 'string' ? definitionOf(url) : undefined
  const tree = typeof url === 'string' && definition?.['type'] === 'Extension' ? treeOf(url) : undefined
  if (definition === undefined || tree === undefined) {
    visit(extension, `${path}.extension`, walk, definitionOf, treeOf)
    return
  }
  const places = contexts(definition)
  if (places !== undefined && !places.includes(path)) {
    walk.error('extension', `this extension is for ${places.join(', ')}, not for ${path}.`)
  }
  checkProfile(extension, tree, walk, treeOf)
}

/** The elements where an extension may stand, if all of its contexts are elements of resources. */
function contexts(definition: Resource): string[] | undefined {
  const given = list(definition['context']) as readonly { type?: unknown; expression?: unknown }[]
  const paths = given.map(({ type, expression }) => (type === 'element' ? String(expression) : ''))
  return paths.length > 0 && paths.every((path) => isResourceType(path.split('.')[0] ?? '')) ? paths : undefined
}
