import { ConsentryError } from '../errors.js'
import { parseJson } from '../fhir/json.js'
import { operationInput as inputOf, type OperationInput } from '../fhir/operation-definition.js'
import { ownDefinitions } from '../fhir/profiles.js'
import type { Resource } from '../fhir/types.js'
import { validOrThrow } from '../fhir/validate.js'
import type { InteractionRequest } from './interaction.js'

/** The OperationDefinition of an operation of ours; the base specification's are not in our package. */
export function operationDefinition(type: string | undefined, name: string): Resource | undefined {
  return ownDefinitions().find(
    ({ resourceType, code, resource }) =>
      resourceType === 'OperationDefinition' &&
      code === name &&
      (type === undefined ? resource === undefined : Array.isArray(resource) && resource.includes(type)),
  )
}

/** Operations of R4 that change something; ours say so in their definitions. */
const CHANGING: ReadonlySet<string> = new Set(['meta-add', 'meta-delete'])

export function changesSomething(type: string | undefined, name: string): boolean {
  const definition = operationDefinition(type, name)
  return definition === undefined ? CHANGING.has(name) : definition['affectsState'] !== false
}

/** The input of an operation of ours. @throws ConsentryError `malformed` when it is not as the definition says */
export function operationInput(request: InteractionRequest): OperationInput {
  const definition = operationDefinition(request.type, request.operation as string)
  if (definition === undefined) throw new ConsentryError('internal', 'The operation has no definition.')
  return inputOf(definition, parametersOf(request))
}

/**
 * Holds a request to the definition of its operation before the operation is run.
 *
 * @throws ConsentryError `method-not-allowed` for a GET of what changes something (https://hl7.org/fhir/R4/operations.html#request)
 */
export function requireDefined(request: InteractionRequest): void {
  const definition = operationDefinition(request.type, request.operation as string)
  if (definition === undefined) return
  if (request.method !== 'POST' && definition['affectsState'] !== false) {
    throw new ConsentryError(
      'method-not-allowed',
      `$${request.operation} changes something: it is asked for with POST.`,
    )
  }
  operationInput(request)
}

function parametersOf({ body }: InteractionRequest) {
  if (body === undefined || body.length === 0) return null
  const value = parseJson(body)
  // Clients that have nothing to say send an empty object.
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0)
    return null
  const parameters = validOrThrow(value)
  if (parameters.resourceType === 'Parameters') return parameters
  throw new ConsentryError('malformed', 'The body of an operation must be a Parameters resource, or empty.', {
    code: 'value',
    expression: ['resourceType'],
  })
}
