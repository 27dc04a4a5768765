import type { Occurrence } from '../audit/occurrence.js'
import type { InteractionRequest } from './interaction.js'

/** What the audit trail needs of a request; the interaction adds what it did and to whom. */
export function occurrence(
  request: InteractionRequest,
  now: number,
  what: Pick<Occurrence, 'interaction' | 'outcome' | 'patients' | 'data'> & Partial<Occurrence>,
): Occurrence {
  const { principal } = request
  return {
    recorded: now,
    requestId: request.requestId,
    agent: {
      clientId: principal.clientId,
      entity: principal.entity,
      ...(principal.practitioner === undefined ? {} : { practitioner: principal.practitioner }),
      role: principal.role,
      address: request.clientAddress,
      purposes: principal.purposes,
    },
    ...what,
  }
}
