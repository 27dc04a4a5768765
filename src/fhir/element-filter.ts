import fhirpath, { type Model } from 'fhirpath'
import model from 'fhirpath/fhir-context/r4/index.js'
import { ConsentryError } from '../errors.js'
import { boundedNodes, plainJson } from './bounded-fhirpath.js'
import type { JsonValue } from './json.js'

// Its declaration admits undefined where the interface does not.
const R4 = model as Model

export interface ElementFilter {
  /** Nodes of the expression, see `boundedNodes`. */
  readonly nodes: number
  /** @throws ConsentryError `invalid` if the expression gives several values, or cannot be evaluated on this element */
  readonly test: (element: unknown) => boolean
}

/**
 * Whether an element of a type (`Patient`, `HumanName`, `Patient.contact`) meets a FHIRPath criterion: a single value that is
 * not false, as FHIRPath evaluates singletons; nothing at all is false.
 *
 * @throws ConsentryError `malformed`, see `boundedNodes`
 */
export function elementFilter(type: string, expression: string): ElementFilter {
  const nodes = boundedNodes(expression, 'fhirpath')
  // resources say themselves what they are
  const evaluate = fhirpath.compile({ base: type, expression }, R4)
  return {
    nodes,
    test: (element) => {
      let values: readonly unknown[]
      try {
        values = evaluate(plainJson(element as JsonValue)) as readonly unknown[]
      } catch (cause) {
        // What the library says may quote the element.
        throw new ConsentryError('invalid', 'The expression cannot be evaluated on this element.', {
          expression: ['fhirpath'],
          cause,
        })
      }
      if (values.length < 2) return values.length === 1 && values[0] !== false
      throw new ConsentryError('invalid', 'The expression gives several values; it must say true or false.', {
        expression: ['fhirpath'],
      })
    },
  }
}
