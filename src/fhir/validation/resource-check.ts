import { isResourceType, structures } from '../definitions/structures.js'
import { checkBundle } from './bundle-rules.js'
import type { ObjectCheck } from './object-check.js'
import type { Frame, Walk } from './walk.js'

type JsonMap = Readonly<Record<string, unknown>>
type CheckOf = (type: string) => ObjectCheck

/** A whole resource: the root of a document, or one in Bundle.entry or Parameters.parameter. */
export function checkResource(value: unknown, walk: Walk, checkOf: CheckOf): void {
  const resource = ofKnownType(value, walk)
  if (resource === undefined) return
  const outer = { frame: walk.frame, resource: walk.resource }
  const frame: Frame = { root: resource, mentions: new Set(), localReferences: [] }
  walk.frame = frame
  walk.resource = resource
  checkOf(resource.resourceType).check(resource, walk, resource)
  checkContained(resource, frame, walk)
  if (resource.resourceType === 'Bundle' && !walk.tooDeep) checkBundle(resource, walk)
  walk.frame = outer.frame
  walk.resource = outer.resource
}

/** An element of type Resource: contained in the resource around it, or standing for itself. */
export function checkNestedResource(value: unknown, walk: Walk, checkOf: CheckOf): void {
  if (!walk.inContained()) {
    if (!walk.putOff(value)) checkResource(value, walk, checkOf)
    return
  }
  const resource = ofKnownType(value, walk)
  if (resource === undefined) return
  const container = walk.resource
  walk.resource = resource
  if (container !== walk.frame?.root) walk.error('invariant', 'dom-2: a contained resource must not contain others.')
  else checkOf(resource.resourceType).check(resource, walk, resource)
  walk.resource = container
  const meta = resource['meta'] as JsonMap | undefined
  if (meta?.['versionId'] !== undefined || meta?.['lastUpdated'] !== undefined) {
    walk.error('invariant', 'dom-4: a contained resource must not have meta.versionId or meta.lastUpdated.')
  }
  if (meta?.['security'] !== undefined)
    walk.error('invariant', 'dom-5: a contained resource must not have a security label.')
}

function ofKnownType(value: unknown, walk: Walk): (JsonMap & { resourceType: string }) | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    walk.error('structure', 'must be a resource: a JSON object with resourceType.')
    return undefined
  }
  const { resourceType } = value as JsonMap
  if (typeof resourceType !== 'string') {
    walk.error('structure', 'a resource must have resourceType, the name of its type.')
    return undefined
  }
  if (!isResourceType(resourceType)) {
    walk.error(
      'structure',
      `resourceType must be one of the ${structures().resources.length} types of R4, such as Patient.`,
    )
    return undefined
  }
  return value as JsonMap & { resourceType: string }
}

/** dom-3 and ref-1, https://hl7.org/fhir/R4/references.html#contained: every contained resource is used, every local reference has its target. */
function checkContained(resource: JsonMap & { resourceType: string }, frame: Frame, walk: Walk): void {
  if (walk.tooDeep) return
  const contained = Array.isArray(resource['contained']) ? (resource['contained'] as unknown[]) : []
  const types = new Map<string, string>()
  for (const [index, item] of contained.entries()) {
    if (typeof item !== 'object' || item === null) continue
    const { id, resourceType } = item as JsonMap
    const place = `${walk.expression()}.contained[${index}]`
    if (typeof id !== 'string') {
      walk.error('invariant', 'a contained resource must have an id to be referred to.', place)
      continue
    }
    if (types.has(id)) walk.error('duplicate', 'two contained resources must not have the same id.', `${place}.id`)
    types.set(id, String(resourceType))
    if (!frame.mentions.has(id) && !mentionsRoot(item)) {
      const rule =
        'dom-3: a contained resource must be referred to from the resource around it, or refer to that with "#".'
      walk.error('invariant', rule, place)
    }
  }
  for (const { id, targets, expression } of frame.localReferences) {
    const type = id === '' ? resource.resourceType : types.get(id)
    if (type === undefined) {
      walk.error('not-found', 'ref-1: there is no contained resource with the id of this local reference.', expression)
    } else if (targets !== null && !targets.has(type)) {
      walk.error('structure', `must refer to one of ${[...targets].join(', ')}, not to ${type}.`, expression)
    }
  }
}

function mentionsRoot(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(mentionsRoot)
  return Object.entries(value).some(([key, item]) => (key === 'reference' && item === '#') || mentionsRoot(item))
}
