import type { Occurrence } from '../audit/occurrence.js'
import type { FhirInteractions, InteractionRequest } from './interaction.js'
import { occurrence, refusalDescription } from './occurrence.js'
import type { GatewayParts } from './parts.js'

/** Writes down what the edge refused before an interaction saw it: durable before the client is told. */
export function refused(parts: GatewayParts): NonNullable<FhirInteractions['refused']> {
  return async (request, { status, issues }) => {
    const { principal, type, id } = request
    const what = {
      interaction: request.interaction === 'operation' ? `$${request.operation}` : request.interaction,
      outcome: status >= 500 ? '8' : '4',
      outcomeDescription: refusalDescription(`HTTP ${status}`, issues),
      patients: [],
      data: type === undefined ? [] : [{ reference: id === undefined ? type : `${type}/${id}` }],
    } satisfies Pick<Occurrence, 'interaction' | 'outcome' | 'patients' | 'data'> & Partial<Occurrence>
    const happened: Occurrence =
      principal === undefined
        ? {
            recorded: parts.clock(),
            requestId: request.requestId,
            agent: { anonymous: true, address: request.clientAddress },
            ...what,
          }
        : occurrence({ ...request, principal } satisfies InteractionRequest, parts.clock(), what)
    await parts.records.commit({ audit: await parts.audit.records([happened]) })
  }
}
