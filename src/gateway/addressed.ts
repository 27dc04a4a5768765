import { ConsentryError } from '../errors.js'
import { hasAddress } from '../fhir/capability-statement.js'
import { audited } from './audited.js'
import type { Handler } from './interaction.js'
import type { GatewayParts } from './parts.js'

/** @throws ConsentryError `not-found` for a type that has no instances on a server */
export function requireAddress(type: string, at: string): void {
  if (hasAddress(type)) return
  throw new ConsentryError(
    'not-found',
    `${type} is the input and output of operations; it has no address of its own.`,
    {
      code: 'not-supported',
      expression: [at],
    },
  )
}

/** An interaction of types that have an address. */
export function addressed(parts: GatewayParts, run: Handler): Handler {
  const refuse = audited(parts, async ({ type = '' }) => {
    requireAddress(type, 'http.path')
    throw new ConsentryError('internal', 'A type with an address was taken for one without.')
  })
  return (request) => (request.type === undefined || hasAddress(request.type) ? run(request) : refuse(request))
}
