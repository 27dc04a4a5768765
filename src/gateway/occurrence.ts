import type { AuditedAgent, Occurrence } from '../audit/occurrence.js'
import type { Issue } from '../errors.js'
import { actsFor } from './acting-party.js'
import type { InteractionRequest } from './interaction.js'

/** What the audit trail needs of a request; the interaction adds what it did and to whom. */
export function occurrence(
  request: InteractionRequest,
  now: number,
  what: Pick<Occurrence, 'interaction' | 'outcome' | 'patients' | 'data'> & Partial<Occurrence>,
): Occurrence {
  return { recorded: now, requestId: request.requestId, agent: agentOf(request), ...what }
}

/** What the trail says of a refusal: its kind and the codes of its issues. Diagnostics may name what a client wrote. */
export function refusalDescription(kind: string, issues: readonly Issue[]): string {
  const codes = [...new Set(issues.map(({ code }) => code))]
  return codes.length === 0 ? kind : `${kind}: ${codes.join(', ')}`
}

/** One object for each request: what many records say of their agent is written once. */
const agents = new WeakMap<InteractionRequest, AuditedAgent>()

/** The trail says that the glass was broken of what was decided so, and of nothing else: of a token that could have as well it does not. */
function agentOf(request: InteractionRequest): AuditedAgent {
  const known = agents.get(request)
  if (known !== undefined) return known
  const { principal, clientAddress } = request
  const agent = {
    clientId: principal.clientId,
    entity: principal.entity,
    ...(principal.practitioner === undefined ? {} : { practitioner: principal.practitioner }),
    role: principal.role,
    address: clientAddress,
    purposes: principal.purposes.filter((purpose) => purpose !== 'BTG' || actsFor(principal) === 'BTG'),
  }
  agents.set(request, agent)
  return agent
}
