import { ConsentryError } from '../errors.js'
import { type AuditedHandler, audited } from './audited.js'
import type { Handler } from './interaction.js'
import { requireDefined } from './operation-input.js'
import type { GatewayParts } from './parts.js'

/**
 * Operations by where they are served: `$name` at the base, `Type/$name` at a type, `Type/[id]/$name` at an instance,
 * `*` standing for any type.
 */
export type OperationTable = Readonly<Record<string, AuditedHandler>>

/** Dispatches https://hl7.org/fhir/R4/operations.html; what is not in the table is named as not served. */
export function operation(parts: GatewayParts, table: OperationTable): Handler {
  return audited(parts, async (request, trail) => {
    const at = (type: string): string =>
      request.id === undefined ? `${type}/$${request.operation}` : `${type}/[id]/$${request.operation}`
    const run =
      request.type === undefined ? table[`$${request.operation}`] : (table[at(request.type)] ?? table[at('*')])
    if (run !== undefined) {
      requireDefined(request)
      return run(request, trail)
    }
    throw new ConsentryError(
      'not-supported',
      `${request.type === undefined ? `$${request.operation}` : at(request.type)} is not served here; served are ${Object.keys(table).join(', ')}.`,
    )
  })
}
