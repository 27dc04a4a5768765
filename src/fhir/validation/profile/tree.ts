import type { Resource } from '../../types.js'
import { bindingOf, type Binding, closedBinding } from '../bindings.js'
import { compileTest } from '../fhirpath/compile.js'
import { UnsupportedExpression } from '../fhirpath/parse.js'
import type { Rule } from '../rules.js'

/** What a differential says of one element or slice, and of what is below it. */
export interface ProfileNode {
  /** JSON name, or `value[x]` for a choice. */
  readonly name: string
  readonly slice: string | undefined
  min: number
  /** Infinity for `*`. */
  max: number
  fixed: unknown
  pattern: unknown
  types: readonly ProfileType[]
  binding: Binding | undefined
  rules: readonly Rule[]
  slicing: Slicing | undefined
  readonly children: ProfileNode[]
}

export interface ProfileType {
  readonly code: string
  readonly profile?: readonly string[]
  readonly targetProfile?: readonly string[]
}

export interface Slicing {
  readonly discriminator?: readonly { readonly type: string; readonly path: string }[]
  readonly rules?: string
}

/** The part of an ElementDefinition that is read, https://hl7.org/fhir/R4/elementdefinition.html. */
interface ElementDefinition {
  readonly id?: string
  readonly path: string
  readonly sliceName?: string
  readonly min?: number
  readonly max?: string
  readonly type?: readonly ProfileType[]
  readonly slicing?: Slicing
  readonly binding?: { readonly strength: string; readonly valueSet?: string }
  readonly constraint?: readonly { key: string; severity: 'error' | 'warning'; human: string; expression?: string }[]
}

/** Value sets that came with the profiles, expanded: codes by system. */
export type Expansions = ReadonlyMap<string, Readonly<Record<string, readonly string[]>>>

/**
 * The differential of a StructureDefinition as a tree. A differential is enough, and less than a snapshot: what it
 * does not mention is R4's and was checked against R4 already.
 *
 * @returns the root, whose children are the elements of the type
 */
export function profileTree(definition: Resource, expansions: Expansions): ProfileNode {
  const { element: elements = [] } = (definition['differential'] ?? {}) as { element?: readonly ElementDefinition[] }
  const root = node(String(definition['type']), undefined)
  for (const element of elements) {
    let at = root
    for (const segment of (element.id ?? element.path).split('.').slice(1)) {
      const [name = '', slice] = segment.split(':')
      let next = at.children.find((child) => child.name === name && child.slice === slice)
      if (next === undefined) {
        next = node(name, slice)
        at.children.push(next)
      }
      at = next
    }
    describe(at, element, expansions)
  }
  return root
}

function node(name: string, slice: string | undefined): ProfileNode {
  return {
    name,
    slice,
    min: 0,
    max: Number.POSITIVE_INFINITY,
    fixed: undefined,
    pattern: undefined,
    types: [],
    binding: undefined,
    rules: [],
    slicing: undefined,
    children: [],
  }
}

function describe(at: ProfileNode, element: ElementDefinition, expansions: Expansions): void {
  at.min = element.min ?? at.min
  if (element.max !== undefined) at.max = element.max === '*' ? Number.POSITIVE_INFINITY : Number(element.max)
  at.types = element.type ?? at.types
  at.slicing = element.slicing ?? at.slicing
  for (const [key, value] of Object.entries(element)) {
    if (/^fixed[A-Z]/.test(key)) at.fixed = value
    else if (/^pattern[A-Z]/.test(key)) at.pattern = value
  }
  const url = element.binding?.strength === 'required' ? element.binding.valueSet?.split('|')[0] : undefined
  if (url !== undefined) {
    const systems = expansions.get(url)
    at.binding = systems === undefined ? bindingOf(url) : closedBinding(url, systems)
  }
  at.rules = [...at.rules, ...(element.constraint ?? []).flatMap(rule)]
}

/** A constraint, unless its expression needs a full FHIRPath engine. */
function rule(constraint: NonNullable<ElementDefinition['constraint']>[number]): Rule[] {
  const { key, severity, human, expression } = constraint
  if (expression === undefined) return []
  try {
    return [{ key, severity, human, test: compileTest(expression) }]
  } catch (error) {
    if (error instanceof UnsupportedExpression) return []
    throw error
  }
}
