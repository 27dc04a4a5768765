import type { Resource } from '../../types.js'
import { compileTest } from '../fhirpath/compile.js'
import { UnsupportedExpression } from '../fhirpath/parse.js'
import type { Rule } from '../rules.js'
import type { Terminology } from '../../terminology.js'
import { type ProfileBinding, profileBinding, type Strength } from './binding.js'
import { choiceOf, typeBelow } from './shape.js'

/** What a profile says of one element or slice, and of what is below it. */
export interface ProfileNode {
  /** JSON name, or `value[x]` for a choice. */
  readonly name: string
  readonly slice: string | undefined
  readonly min: number
  /** Infinity for `*`. */
  readonly max: number
  readonly fixed: unknown
  readonly pattern: unknown
  readonly minValue: unknown
  readonly maxValue: unknown
  readonly maxLength: number | undefined
  readonly types: readonly ProfileType[]
  readonly binding: ProfileBinding | undefined
  readonly rules: readonly Rule[]
  /** Keys of constraints whose expressions are outside the compiled part of FHIRPath. */
  readonly unchecked: readonly string[]
  readonly isModifier: boolean
  readonly slicing: Slicing | undefined
  readonly children: readonly ProfileNode[]
}

export interface ProfileType {
  readonly code: string
  readonly profile?: readonly string[]
  readonly targetProfile?: readonly string[]
  readonly aggregation?: readonly string[]
}

export interface Slicing {
  readonly discriminator?: readonly Discriminator[]
  readonly rules?: 'closed' | 'open' | 'openAtEnd'
  readonly ordered?: boolean
}

export interface Discriminator {
  readonly type: string
  readonly path: string
}

/** The part of an ElementDefinition that is read, https://hl7.org/fhir/R4/elementdefinition.html. */
interface ElementDefinition {
  readonly id?: string
  readonly path: string
  readonly min?: number
  readonly max?: string
  readonly maxLength?: number
  readonly type?: readonly ProfileType[]
  readonly slicing?: Slicing
  readonly isModifier?: boolean
  readonly binding?: { readonly strength: Strength; readonly valueSet?: string }
  readonly constraint?: readonly { key: string; severity: 'error' | 'warning'; human: string; expression?: string }[]
}

type Growing = { -readonly [K in Exclude<keyof ProfileNode, 'children'>]: ProfileNode[K] } & { children: Growing[] }

/**
 * The differential of a StructureDefinition as a tree. A differential is enough, and less than a snapshot: what it
 * does not mention is of the profile under it (see overlay.ts) or R4's, which was checked already.
 *
 * @returns the root, whose children are the elements of the type
 */
export function profileTree(definition: Resource, terminology: Terminology): ProfileNode {
  const { element: elements = [] } = (definition['differential'] ?? {}) as { element?: readonly ElementDefinition[] }
  const root = node(String(definition['type']), undefined)
  for (const element of elements) {
    let at = root
    let type: string | undefined = root.name
    for (const segment of (element.id ?? element.path).split('.').slice(1)) {
      const { name, slice } = place(segment, type)
      let next = at.children.find((child) => child.name === name && child.slice === slice)
      if (next === undefined) {
        next = node(name, slice)
        if (slice !== undefined) next.types = typeOfSlice(name, slice, type)
        at.children.push(next)
      }
      at = next
      type = typeBelow(type, name, at.types)
    }
    describe(at, element, terminology)
  }
  return root
}

/** `component:systolic`, or `valueQuantity` as the short form of the slice `value[x]:valueQuantity`. */
function place(segment: string, type: string | undefined): { name: string; slice: string | undefined } {
  const colon = segment.indexOf(':')
  const name = colon < 0 ? segment : segment.slice(0, colon)
  if (colon >= 0) return { name, slice: segment.slice(colon + 1) }
  const choice = choiceOf(type, name)
  return choice === undefined ? { name, slice: undefined } : { name: choice.element, slice: name }
}

function typeOfSlice(name: string, slice: string, type: string | undefined): readonly ProfileType[] {
  const choice = name.endsWith('[x]') ? choiceOf(type, slice) : undefined
  return choice === undefined ? [] : [{ code: choice.type }]
}

function node(name: string, slice: string | undefined): Growing {
  return {
    name,
    slice,
    min: 0,
    max: Number.POSITIVE_INFINITY,
    fixed: undefined,
    pattern: undefined,
    minValue: undefined,
    maxValue: undefined,
    maxLength: undefined,
    types: [],
    binding: undefined,
    rules: [],
    unchecked: [],
    isModifier: false,
    slicing: undefined,
    children: [],
  }
}

function describe(at: Growing, element: ElementDefinition, terminology: Terminology): void {
  at.min = element.min ?? at.min
  if (element.max !== undefined) at.max = element.max === '*' ? Number.POSITIVE_INFINITY : Number(element.max)
  at.maxLength = element.maxLength ?? at.maxLength
  at.types = element.type ?? at.types
  at.slicing = element.slicing ?? at.slicing
  at.isModifier = element.isModifier ?? at.isModifier
  for (const [key, value] of Object.entries(element)) {
    const [, kind] = /^(fixed|pattern|minValue|maxValue)[A-Z]/.exec(key) ?? []
    if (kind !== undefined) at[kind as 'fixed' | 'pattern' | 'minValue' | 'maxValue'] = value
  }
  const { binding } = element
  if (binding?.valueSet !== undefined) at.binding = profileBinding(binding.valueSet, binding.strength, terminology)
  for (const constraint of element.constraint ?? []) {
    const compiled = rule(constraint)
    if (typeof compiled === 'string') at.unchecked = [...at.unchecked, compiled]
    else if (compiled !== undefined) at.rules = [...at.rules, compiled]
  }
}

/** Of every element and extension, and run with R4's own. */
const INHERITED = new Set(['ele-1', 'ext-1'])

/** The key alone if the expression needs a full FHIRPath engine. */
function rule(constraint: NonNullable<ElementDefinition['constraint']>[number]): Rule | string | undefined {
  const { key, severity, human, expression } = constraint
  if (INHERITED.has(key)) return undefined
  if (expression === undefined) return key
  try {
    return { key, severity, human, test: compileTest(expression) }
  } catch (error) {
    if (error instanceof UnsupportedExpression) return key
    throw error
  }
}
