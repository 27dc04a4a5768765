import { structures } from '../../definitions/structures.js'
import { isPrimitive } from '../primitives.js'
import { type PropertyShape, shapeOf } from './shape.js'

/** How the walk came to an object: JSON property names, from the resource that it is in. */
export interface Place {
  readonly within: Place | undefined
  /** At the top, the type of the resource. */
  readonly key: string
}

/**
 * All names that a context of an extension may have for an element
 * (https://hl7.org/fhir/R4/defining-extensions.html#context): its path from the resource, its path from the types
 * around it, its own type and what that is a kind of. The path from the resource comes first.
 */
export function placesOf(place: Place | undefined): ReadonlySet<string> {
  if (place === undefined) return new Set()
  const keys: string[] = []
  for (let at: Place | undefined = place; at !== undefined; at = at.within) keys.unshift(at.key)
  const [type = '', ...path] = keys
  let below: string | undefined = type
  let names = [type, ...ABOVE_RESOURCES]
  for (const key of path) {
    const property: PropertyShape | undefined = below === undefined ? undefined : shapeOf(below).get(key)
    const element = property?.element ?? key
    const longer = names.filter((name) => !ANY.has(name)).map((name) => `${name}.${element}`)
    const asWritten = element === key ? [] : names.filter((name) => !ANY.has(name)).map((name) => `${name}.${key}`)
    const own = property === undefined ? [] : [property.below, property.type]
    names = [...longer, ...asWritten, ...own, 'Element']
    below = property?.below
  }
  return new Set(names)
}

const ABOVE_RESOURCES = ['DomainResource', 'Resource', 'Element']
const ANY: ReadonlySet<string> = new Set([...ABOVE_RESOURCES, 'BackboneElement'])

/** False for what R4 does not have, such as types of later versions. */
export function isKnownContext({ type, expression }: { type: string; expression: string }): boolean {
  if (type === 'extension') return true
  const [name = ''] = expression.split('.')
  return type === 'element' && (ANY.has(name) || name in structures().types || isPrimitive(name))
}
