import { parseReference } from '../../references.js'
import type { Binding } from '../bindings.js'
import { applyRules } from '../rules.js'
import type { Walk } from '../walk.js'
import { belongsTo, type ElementValue, fitsPattern, isFixed, isMap, valuesOf } from './match.js'
import type { ProfileNode } from './tree.js'

/** Finds the tree of another profile, for types that are profiled themselves. */
export type TreeOf = (url: string) => ProfileNode | undefined

/**
 * Checks what a profile says of a value of its type, beyond R4: cardinality, fixed values and patterns, types and
 * targets, required bindings, invariants, slices, and profiles of data types.
 */
export function checkProfile(value: unknown, tree: ProfileNode, walk: Walk, treeOf: TreeOf): void {
  if (tree.rules.length > 0) applyRules(tree.rules, value, walk)
  checkChildren(value, tree, walk, treeOf)
}

function checkChildren(value: unknown, parent: ProfileNode, walk: Walk, treeOf: TreeOf): void {
  const elements = parent.children.filter((child) => child.slice === undefined)
  const sliced = parent.children.filter((child) => child.slice !== undefined)
  for (const element of elements) {
    const values = valuesOf(value, element.name)
    count(values.length, element, walk)
    for (const one of values) checkValue(one, element, walk, treeOf)
    const slices = sliced.filter(({ name }) => name === element.name)
    if (slices.length > 0) checkSlices(values, element, slices, walk, treeOf)
  }
  // a differential may name slices of an element that it leaves as it is
  for (const name of new Set(sliced.map((slice) => slice.name))) {
    if (elements.some((element) => element.name === name)) continue
    const slices = sliced.filter((slice) => slice.name === name)
    checkSlices(valuesOf(value, name), undefined, slices, walk, treeOf)
  }
}

function count(found: number, { name, slice, min, max }: ProfileNode, walk: Walk): void {
  if (found >= min && found <= max) return
  const what = slice === undefined ? 'the element' : `the slice ${slice}`
  const wanted = found < min ? `at least ${min}` : `at most ${max}`
  walk.enter(name.replace('[x]', ''))
  walk.error(
    found < min ? 'required' : 'structure',
    `${what} must be there ${wanted} time${wanted.endsWith(' 1') ? '' : 's'}, not ${found}.`,
  )
  walk.leave()
}

function checkSlices(
  values: readonly ElementValue[],
  element: ProfileNode | undefined,
  slices: readonly ProfileNode[],
  walk: Walk,
  treeOf: TreeOf,
): void {
  const matched = new Set<ElementValue>()
  for (const slice of slices) {
    const answers = values.map((value) => belongsTo(value, slice, element?.slicing))
    if (answers.includes(undefined)) return
    const own = values.filter((_, index) => answers[index] === true)
    count(own.length, slice, walk)
    for (const value of own) {
      matched.add(value)
      checkValue(value, slice, walk, treeOf)
    }
  }
  if (element?.slicing?.rules !== 'closed') return
  for (const value of values) {
    if (matched.has(value)) continue
    at(value, walk, () =>
      walk.error(
        'structure',
        `this fits no slice (${slices.map(({ slice }) => slice ?? '').join(', ')}), and no others are allowed.`,
      ),
    )
  }
}

function at(value: ElementValue, walk: Walk, work: () => void): void {
  for (const step of value.steps) walk.enter(step)
  work()
  for (const _ of value.steps) walk.leave()
}

function checkValue(one: ElementValue, node: ProfileNode, walk: Walk, treeOf: TreeOf): void {
  at(one, walk, () => {
    const { value, type } = one
    if (node.fixed !== undefined && !isFixed(value, node.fixed)) walk.error('value', `must be ${shown(node.fixed)}.`)
    if (node.pattern !== undefined && !fitsPattern(value, node.pattern))
      walk.error('value', `must hold ${shown(node.pattern)}.`)
    if (type !== undefined && node.types.length > 0 && !node.types.some(({ code }) => code === type)) {
      walk.error('structure', `must be of type ${node.types.map(({ code }) => code).join(' or ')}.`)
    }
    checkTarget(value, node, walk, treeOf)
    if (node.binding !== undefined) checkBinding(value, node.binding, walk)
    if (node.rules.length > 0) applyRules(node.rules, value, walk)
    for (const { code, profile = [] } of node.types) {
      // extensions are checked wherever they stand, see extensions.ts
      if (code === 'Extension') continue
      // several profiles of one type are alternatives, and which one is meant only a full validation tells
      const tree = profile.length === 1 ? treeOf(profile[0] ?? '') : undefined
      if (tree !== undefined) checkProfile(value, tree, walk, treeOf)
    }
    checkChildren(value, node, walk, treeOf)
  })
}

function checkBinding(value: unknown, binding: Binding, walk: Walk): void {
  if (typeof value === 'string') binding.checkCode(value, walk)
  else if (!isMap(value) || 'url' in value)
    return // US Core writes the binding of an extension's value at the extension
  else if ('coding' in value || 'text' in value) binding.checkConcept(value, walk)
  else binding.checkCoding(value, walk)
}

function checkTarget(value: unknown, node: ProfileNode, walk: Walk, treeOf: TreeOf): void {
  const profiles = node.types.flatMap(({ targetProfile }) => targetProfile ?? [])
  if (profiles.length === 0 || !isMap(value) || typeof value['reference'] !== 'string') return
  const target = parseReference(value['reference'])
  if (!('type' in target)) return
  const types = profiles.map(
    (url) => treeOf(url)?.name ?? /^http:\/\/hl7\.org\/fhir\/StructureDefinition\/(\w+)$/.exec(url)?.[1],
  )
  if (types.includes(undefined) || types.includes('Resource') || types.includes(target.type)) return
  walk.error('structure', `must refer to one of ${types.join(', ')}, not to ${target.type}.`)
}

/** Values of a definition, which are public; a single code is clearer than its JSON. */
function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
