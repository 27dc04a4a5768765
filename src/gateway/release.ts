import type { AuditedHandler } from './audited.js'
import type { InteractionResponse } from './interaction.js'
import type { GatewayParts } from './parts.js'

/**
 * An interaction whose answer is made of what it opened: decided once more before the answer is released. Inside of another
 * (`request.opened`) the answer waits for that one's end, so what was opened is handed over to it.
 *
 * @param withheld what is left of the answer when nothing may be told any more, for what has changed something; without it the
 * answer is the refusal
 */
export function released(
  parts: GatewayParts,
  run: AuditedHandler,
  withheld?: (response: InteractionResponse) => InteractionResponse,
): AuditedHandler {
  return async (request, trail) => {
    const response = await run({ ...request, opened: request.opened ?? trail.opened }, trail)
    if (withheld !== undefined) trail.opened.acted = true
    if (request.opened !== undefined) request.opened.addAll(trail.opened)
    else if (withheld === undefined) await trail.opened.confirm(parts.access, request.principal)
    else if (!(await trail.opened.holds(parts.access, request.principal))) return withheld(response)
    return response
  }
}

/** What is left of the answer to a write: that it was done. */
export function withoutBody({ body: _, ...rest }: InteractionResponse): InteractionResponse {
  return rest
}
