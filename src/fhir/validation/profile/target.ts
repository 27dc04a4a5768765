import { parseReference } from '../../references.js'
import type { Judgement } from './judgement.js'
import { alone, isMap } from './match.js'
import type { ProfileNode } from './tree.js'

const R4 = /^http:\/\/hl7\.org\/fhir\/StructureDefinition\/([A-Z]\w+)$/

/**
 * The target of a reference: its type as far as the reference names one, its profile where the target is in the same
 * document, and where it may be (https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.type.aggregation).
 */
export function checkTarget(value: unknown, { types }: ProfileNode, judgement: Judgement): void {
  const { walk, treeOf } = judgement
  if (!isMap(value) || typeof value['reference'] !== 'string') return
  const profiles = types.flatMap(({ targetProfile }) => targetProfile ?? [])
  const modes = types.flatMap(({ aggregation }) => aggregation ?? [])
  if (profiles.length === 0 && modes.length === 0) return
  const target = parseReference(value['reference'])
  const resource = judgement.resolve(value['reference'])
  if (modes.length > 0) checkPlace(target.kind === 'contained', resource !== undefined, modes, judgement)
  if (profiles.length === 0) return
  const names = profiles.map((url) => treeOf(url)?.name ?? R4.exec(url)?.[1])
  // a profile that nobody loaded may be of any type
  if (names.includes(undefined) || names.includes('Resource')) return
  const type = isMap(resource) ? resource['resourceType'] : 'type' in target ? target.type : undefined
  if (typeof type !== 'string') return
  if (!names.includes(type)) {
    walk.error('structure', `must refer to one of ${[...new Set(names)].join(', ')}, not to ${type}.`)
    return
  }
  if (resource === undefined) return
  const trees = profiles.filter((_, index) => names[index] === type).map(treeOf)
  if (trees.some((tree) => tree === undefined || judgement.conforms(alone(resource), tree))) return
  walk.error('structure', `must refer to a ${type} that conforms to ${profiles.join(' or ')}.`)
}

function checkPlace(contained: boolean, here: boolean, modes: readonly string[], { walk }: Judgement): void {
  const allowed =
    (contained && modes.includes('contained')) ||
    (!contained && modes.includes('referenced')) ||
    (!contained && here && modes.includes('bundled'))
  if (!allowed) walk.error('structure', `must refer to a resource that is ${modes.join(' or ')}.`)
}
