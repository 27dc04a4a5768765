import { applyRules } from '../rules.js'
import { count } from './count.js'
import type { Judgement } from './judgement.js'
import { type ElementValue, fitsPattern, isFixed, isMap, valuesOf } from './match.js'
import { checkRange } from './range.js'
import { checkSlices } from './slices.js'
import { checkTarget } from './target.js'
import type { ProfileNode, ProfileType } from './tree.js'

/**
 * Checks what a profile says of a value of its type, beyond R4: cardinality, fixed values and patterns, ranges, types
 * and targets, bindings, invariants, slices, and profiles of data types. A resource becomes the one that its
 * invariants and references are about.
 */
export function checkNode(one: ElementValue, node: ProfileNode, judgement: Judgement): void {
  const { walk } = judgement
  if (!walk.spend(1)) return
  for (const step of one.steps) walk.enter(step)
  if (isMap(one.value) && typeof one.value['resourceType'] === 'string') {
    walk.inResource(one.value, () => checkContent(one, node, judgement))
  } else checkContent(one, node, judgement)
  for (const _ of one.steps) walk.leave()
}

function checkContent(one: ElementValue, node: ProfileNode, judgement: Judgement): void {
  const { walk } = judgement
  const { value } = one
  if (value !== undefined) {
    if (node.fixed !== undefined && !isFixed(value, node.fixed)) walk.error('value', `must be ${shown(node.fixed)}.`)
    if (node.pattern !== undefined && !fitsPattern(value, node.pattern))
      walk.error('value', `must hold ${shown(node.pattern)}.`)
    checkRange(value, node, walk)
    checkTarget(value, node, judgement)
    node.binding?.check(value, walk)
    if (node.rules.length > 0) applyRules(node.rules, value, walk, one.beside)
  }
  for (const key of node.unchecked) walk.add('information', 'not-supported', `${key} cannot be evaluated here.`)
  checkTypes(one, node, judgement)
  checkChildren(one, node, judgement)
}

/** The type, and the profile of that type; several profiles are alternatives. */
function checkTypes(one: ElementValue, { types }: ProfileNode, judgement: Judgement): void {
  const { walk } = judgement
  const { value } = one
  const type = one.type ?? (isMap(value) ? value['resourceType'] : undefined)
  const fitting = typeof type === 'string' ? types.filter((each) => covers(each, type)) : types
  if (fitting.length === 0) {
    if (types.length > 0) walk.error('structure', `must be of type ${types.map(({ code }) => code).join(' or ')}.`)
    return
  }
  // extensions are checked wherever they stand, see extensions.ts
  if (fitting.some(({ code, profile = [] }) => code === 'Extension' || profile.length === 0)) return
  const profiles = fitting.flatMap(({ profile = [] }) => profile)
  const trees = profiles.map((url) => judgement.treeOf(url))
  const [only] = trees
  if (trees.length === 1) {
    if (only !== undefined) checkNode({ ...one, steps: [] }, only, judgement)
  } else if (trees.every((tree) => tree !== undefined && !judgement.conforms(one, tree))) {
    walk.error('structure', `must conform to one of the profiles ${profiles.join(', ')}.`)
  }
}

const covers = ({ code }: ProfileType, type: string): boolean =>
  code === type || code === 'Resource' || code === 'DomainResource' || code.startsWith('http:')

function checkChildren(one: ElementValue, parent: ProfileNode, judgement: Judgement): void {
  const { walk } = judgement
  for (const { name, element, slices } of groupsOf(parent)) {
    const values = valuesOf(one, name)
    if (element !== undefined) {
      count(values.length, element, walk)
      for (const value of values) checkNode(value, element, judgement)
    }
    if (slices.length > 0) checkSlices(values, element, slices, judgement)
  }
}

/** What is said of the values of one element: of all of them, and of slices. */
interface Group {
  readonly name: string
  readonly element: ProfileNode | undefined
  readonly slices: readonly ProfileNode[]
}

const groups = new WeakMap<ProfileNode, readonly Group[]>()

function groupsOf(parent: ProfileNode): readonly Group[] {
  let known = groups.get(parent)
  if (known === undefined) {
    known = [...new Set(parent.children.map(({ name }) => name))].map((name): Group => {
      const all = parent.children.filter((child) => child.name === name)
      return {
        name,
        element: all.find(({ slice }) => slice === undefined),
        slices: all.filter(({ slice }) => slice !== undefined),
      }
    })
    groups.set(parent, known)
  }
  return known
}

/** Values of a definition, which are public; a single code is clearer than its JSON. */
function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
