import { ConsentryError } from '../errors.js'
import { isNumber, type JsonObject, numberText, parseJson } from '../fhir/json.js'
import type { Resource } from '../fhir/types.js'
import { validOrThrow } from '../fhir/validate.js'
import type { InteractionRequest } from './interaction.js'

/**
 * The input of an operation as names and values, of the URL and of Parameters alike: "a request with simple parameters may be a GET"
 * (https://hl7.org/fhir/R4/operations.html#request). A Reference is what it refers to.
 *
 * @throws ConsentryError `malformed` for a body that is no Parameters, and for a value that a URL could not have
 */
export function namedValues(request: InteractionRequest): (readonly [name: string, value: string])[] {
  return [...request.params, ...inBody(request)]
}

function inBody({ body }: InteractionRequest): [string, string][] {
  if (body === undefined || body.length === 0) return []
  const parameters = validOrThrow(parseJson(body)) as Resource as JsonObject
  const list = parameters['resourceType'] === 'Parameters' ? (parameters['parameter'] ?? []) : null
  if (!Array.isArray(list)) {
    throw new ConsentryError('malformed', 'The body must be a Parameters resource, or empty.', {
      expression: ['Parameters.parameter'],
    })
  }
  return (list as JsonObject[]).map((parameter, i) => {
    const { name } = parameter
    const key = Object.keys(parameter).find((each) => each.startsWith('value')) ?? ''
    const { reference } = Object(parameter['valueReference']) as { reference?: unknown }
    const value = simple(reference ?? parameter[key])
    if (value !== undefined) return [typeof name === 'string' ? name : '', value]
    throw new ConsentryError(
      'malformed',
      'The parameters of this operation have simple values, such as a valueString or valueInteger, or a valueReference with a reference.',
      { code: 'structure', expression: [`Parameters.parameter[${i}]`] },
    )
  })
}

function simple(value: unknown): string | undefined {
  if (isNumber(value)) return numberText(value)
  return typeof value === 'string' || typeof value === 'boolean' ? String(value) : undefined
}
