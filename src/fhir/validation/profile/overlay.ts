import type { ProfileNode } from './tree.js'

/**
 * A profile laid over the one that it is based on, as a snapshot would be: what the upper one does not say stays as the
 * lower one has it, slices and their discriminators included
 * (https://hl7.org/fhir/R4/profiling.html#snapshot).
 */
export function overlay(under: ProfileNode, over: ProfileNode): ProfileNode {
  const keys = new Set(over.rules.map(({ key }) => key))
  return {
    name: over.name,
    slice: over.slice,
    min: Math.max(under.min, over.min),
    max: Math.min(under.max, over.max),
    fixed: over.fixed ?? under.fixed,
    pattern: over.pattern ?? under.pattern,
    minValue: over.minValue ?? under.minValue,
    maxValue: over.maxValue ?? under.maxValue,
    maxLength: over.maxLength ?? under.maxLength,
    types: over.types.length > 0 ? over.types : under.types,
    binding: over.binding ?? under.binding,
    rules: [...under.rules.filter(({ key }) => !keys.has(key)), ...over.rules],
    unchecked: [...new Set([...under.unchecked, ...over.unchecked])],
    isModifier: under.isModifier || over.isModifier,
    slicing: over.slicing ?? under.slicing,
    children: together(under.children, over.children),
  }
}

function together(under: readonly ProfileNode[], over: readonly ProfileNode[]): ProfileNode[] {
  const of = (nodes: readonly ProfileNode[], { name, slice }: ProfileNode): ProfileNode | undefined =>
    nodes.find((node) => node.name === name && node.slice === slice)
  const kept = under.map((node) => {
    const upper = of(over, node)
    return upper === undefined ? node : overlay(node, upper)
  })
  return [...kept, ...over.filter((node) => of(under, node) === undefined)]
}
