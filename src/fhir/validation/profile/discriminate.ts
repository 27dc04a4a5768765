import { parseReference } from '../../references.js'
import type { Judgement } from './judgement.js'
import { alone, type ElementValue, fitsPattern, isFixed, isMap, valuesOf } from './match.js'
import type { Discriminator, ProfileNode } from './tree.js'

/**
 * Whether a value belongs to a slice, by all discriminators
 * (https://hl7.org/fhir/R4/profiling.html#discriminator); undefined where that cannot be told here: a target that is not
 * in the document, a value set or a profile that is not loaded, a discriminator that the definition does not use.
 */
export function belongsTo(
  value: ElementValue,
  slice: ProfileNode,
  discriminators: readonly Discriminator[],
  judgement: Judgement,
): boolean | undefined {
  let answer: boolean | undefined = true
  for (const { type, path } of discriminators) {
    const one = discriminate(value, slice, type, steps(path), judgement)
    if (one === false) return false
    if (one === undefined) answer = undefined
  }
  return answer
}

/** Where a discriminator has got to: the values of the instance, and all that is said of them. */
interface Stand {
  readonly values: readonly ElementValue[]
  /** True if a reference on the way could not be followed. */
  readonly lost: boolean
  readonly nodes: readonly ProfileNode[]
  /** Parts of fixed values and patterns that stand higher up. */
  readonly patterns: readonly unknown[]
}

const split = new Map<string, readonly string[]>()

/** `a.resolve().extension('http://b.org').value`, https://hl7.org/fhir/R4/profiling.html#discriminator. */
function steps(path: string): readonly string[] {
  let known = split.get(path)
  if (known === undefined) {
    known = path.match(/[\w$]+\([^)]*\)|[\w$[\]]+/g)?.filter((step) => step !== '$this') ?? []
    split.set(path, known)
  }
  return known
}

function discriminate(
  value: ElementValue,
  slice: ProfileNode,
  type: string,
  path: readonly string[],
  judgement: Judgement,
): boolean | undefined {
  const url = extensionOf(slice)
  if (url !== undefined && path.length === 1 && path[0] === 'url')
    return isMap(value.value) && value.value['url'] === url
  let stand: Stand = { values: [value], lost: false, nodes: [slice], patterns: [] }
  for (const step of path) stand = advance(stand, step, judgement)
  const { values, nodes, patterns, lost } = stand
  switch (type) {
    case 'exists':
      return exists(values.length > 0, nodes)
    case 'type':
      return isOfType(values, nodes, lost)
    case 'profile':
      return conforms(values, nodes, lost, judgement)
    case 'value':
    case 'pattern': {
      if (lost) return undefined
      const answers = nodes.map((node) => fits(values, node, judgement))
      answers.push(...patterns.map((pattern) => values.some((at) => fitsPattern(at.value, pattern))))
      if (answers.includes(false)) return false
      return answers.includes(true) ? true : undefined
    }
    default:
      return undefined
  }
}

const extensionOf = (slice: ProfileNode): string | undefined =>
  slice.types.find(({ code }) => code === 'Extension')?.profile?.[0]

function advance(stand: Stand, step: string, judgement: Judgement): Stand {
  const [, call, argument = ''] = /^(\w+)\((.*)\)$/.exec(step) ?? []
  if (call === 'resolve') return resolved(stand, judgement)
  if (call === 'ofType') {
    return {
      ...stand,
      values: stand.values.filter(({ type }) => type === argument),
      nodes: stand.nodes.filter(({ types }) => types.length === 0 || types.some(({ code }) => code === argument)),
    }
  }
  const name = call === 'extension' ? 'extension' : step
  const url = call === 'extension' ? argument.replace(/^['"]|['"]$/g, '') : undefined
  const below = stand.nodes.flatMap((node) => [node, ...treesOf(node, judgement)])
  const nodes = below.flatMap((node) => node.children.filter((child) => named(child, name, url)))
  const found = stand.values.flatMap((at) => [...valuesOf(at, name), ...valuesOf(at, `${name}[x]`)])
  return {
    values: url === undefined ? found : found.filter((at) => isMap(at.value) && at.value['url'] === url),
    lost: stand.lost,
    nodes,
    patterns: [...stand.patterns, ...stand.nodes.flatMap(saidOf)].flatMap((pattern) => partOf(pattern, name)),
  }
}

const saidOf = ({ fixed, pattern }: ProfileNode): unknown[] => [fixed, pattern].filter((said) => said !== undefined)

const partOf = (pattern: unknown, name: string): unknown[] => {
  const part = isMap(pattern) ? pattern[name] : undefined
  if (part === undefined) return []
  return Array.isArray(part) ? (part as unknown[]) : [part]
}

function named(child: ProfileNode, name: string, url: string | undefined): boolean {
  if (child.name !== name && child.name !== `${name}[x]`) return false
  return url === undefined ? child.slice === undefined || child.name.endsWith('[x]') : extensionOf(child) === url
}

function treesOf({ types }: ProfileNode, { treeOf }: Judgement): ProfileNode[] {
  return types.flatMap(({ profile = [] }) => (profile.length === 1 ? [treeOf(profile[0] ?? '')] : [])).filter(isThere)
}

const isThere = <T>(value: T | undefined): value is T => value !== undefined

function resolved(stand: Stand, judgement: Judgement): Stand {
  const targets = stand.values.map((at) => {
    const reference = isMap(at.value) ? at.value['reference'] : undefined
    return typeof reference === 'string' ? judgement.resolve(reference) : undefined
  })
  const nodes = stand.nodes.flatMap(({ types }) =>
    types.flatMap(({ targetProfile = [] }) => (targetProfile.length === 1 ? targetProfile : [])),
  )
  const found = targets.filter(isThere)
  return {
    // what is not in the document still says in its reference of what type it is
    values: targets.map((target, index) =>
      target === undefined ? (stand.values[index] as ElementValue) : alone(target),
    ),
    lost: stand.lost || found.length < targets.length,
    nodes: nodes.map((url) => judgement.treeOf(url)).filter(isThere),
    patterns: [],
  }
}

function exists(found: boolean, nodes: readonly ProfileNode[]): boolean | undefined {
  if (nodes.some(({ max }) => max === 0)) return !found
  return nodes.some(({ min }) => min > 0) ? found : undefined
}

function isOfType(values: readonly ElementValue[], nodes: readonly ProfileNode[], lost: boolean): boolean | undefined {
  const types = nodes.flatMap((node) => (node.types.length > 0 ? node.types.map(({ code }) => code) : [node.name]))
  const [first] = values
  if (first === undefined) return false
  if (types.length === 0) return undefined
  const type = first.type ?? (lost ? targetTypeOf(first.value) : resourceTypeOf(first.value))
  return type === undefined ? undefined : types.includes(type)
}

const resourceTypeOf = (value: unknown): string | undefined =>
  isMap(value) && typeof value['resourceType'] === 'string' ? value['resourceType'] : undefined

function targetTypeOf(value: unknown): string | undefined {
  const resourceType = resourceTypeOf(value)
  if (resourceType !== undefined || !isMap(value) || typeof value['reference'] !== 'string') return resourceType
  const target = parseReference(value['reference'])
  return 'type' in target ? target.type : undefined
}

function conforms(
  values: readonly ElementValue[],
  nodes: readonly ProfileNode[],
  lost: boolean,
  judgement: Judgement,
): boolean | undefined {
  if (values.length === 0) return false
  // after resolve() the nodes are the trees of the target profiles themselves
  const trees = nodes.flatMap((node) => (node.types.length === 0 ? [node] : treesOf(node, judgement)))
  if (trees.length === 0) return undefined
  const typed = values.some(({ value }) => trees.some(({ name }) => name === targetTypeOf(value)))
  if (!typed && values.every(({ value }) => targetTypeOf(value) !== undefined)) return false
  if (lost) return undefined
  return values.some((at) => trees.some((tree) => judgement.conforms(at, tree)))
}

function fits(values: readonly ElementValue[], node: ProfileNode, judgement: Judgement): boolean | undefined {
  const { fixed, pattern, binding, children } = node
  if (fixed !== undefined) return values.some(({ value }) => isFixed(value, fixed))
  if (pattern !== undefined) return values.some(({ value }) => fitsPattern(value, pattern))
  if (binding?.strength === 'required') {
    const answers = values.map(({ value }) => binding.holds(value))
    if (answers.includes('in')) return true
    return answers.includes('unknown') ? undefined : false
  }
  return children.length === 0 ? undefined : values.some((at) => judgement.conforms(at, node))
}
