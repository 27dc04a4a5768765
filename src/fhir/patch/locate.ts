import fhirpath, { type Model } from 'fhirpath'
import model from 'fhirpath/fhir-context/r4/index.js'
import { ConsentryError } from '../../errors.js'
import { boundedNodes, plainJson } from '../bounded-fhirpath.js'
import type { JsonObject } from '../json.js'

// Its declaration admits undefined where the interface does not.
const R4 = model as Model

/** Property names and indexes from the resource to an element, choices by their name in JSON. */
export type Location = readonly (string | number)[]

/** The part of fhirpath.js's own nodes that says where a value stands. */
interface ResourceNode {
  readonly parentResNode: ResourceNode | null
  readonly propName: string | null
  readonly index: number | null | undefined
  readonly fhirNodeDataType: string | null
  readonly data: unknown
}

/**
 * Where the elements stand that a FHIRPath expression selects (https://hl7.org/fhir/R4/fhirpatch.html), in the order of the
 * expression. `expression` may use what `boundedNodes` allows and must select elements of the resource, not computed values.
 *
 * @throws ConsentryError `malformed` for what is no such expression
 */
export function locate(resource: JsonObject, expression: string, at: string): Location[] {
  boundedNodes(expression, at)
  const found: Location[] = []
  const located = (nodes: readonly ResourceNode[]): [] => {
    found.push(...nodes.map(locationOf))
    return []
  }
  try {
    // The line feed ends a comment that would take the closing bracket with it.
    fhirpath.evaluate(plainJson(resource), `(${expression}\n).located()`, {}, R4, {
      userInvocationTable: { located: { fn: located, arity: { 0: [] }, internalStructures: true, nullable: true } },
    })
  } catch (cause) {
    throw fault('The expression cannot be evaluated on this resource; it must select elements of it.', at, cause)
  }
  return found
}

function locationOf(node: ResourceNode): Location {
  // What an expression computes comes as a plain value.
  if (typeof node !== 'object' || !('parentResNode' in node)) throw new TypeError('A computed value stands nowhere.')
  const location: (string | number)[] = []
  for (let at: ResourceNode = node; at.parentResNode; at = at.parentResNode) {
    const { parentResNode: parent, propName, index, fhirNodeDataType: type } = at
    if (propName === null) throw new TypeError('A computed value stands nowhere.')
    if (typeof index === 'number') location.unshift(index)
    location.unshift(nameInJson(parent.data, propName, type))
  }
  return location
}

/** A choice is `value` to FHIRPath and `valueString` in JSON. */
function nameInJson(parent: unknown, name: string, type: string | null): string {
  if (typeof parent !== 'object' || parent === null || name in parent || `_${name}` in parent || type === null)
    return name
  return name + type.charAt(0).toUpperCase() + type.slice(1)
}

function fault(text: string, at: string, cause?: unknown): ConsentryError {
  return new ConsentryError('malformed', text, { expression: [at], cause })
}
