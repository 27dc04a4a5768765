import { ConsentryError, type ErrorKind } from '../errors.js'
import type { Handler, InteractionRequest, InteractionResponse } from './interaction.js'
import { occurrence, refusalDescription } from './occurrence.js'
import type { GatewayParts } from './parts.js'
import { Trail } from './trail.js'

export type AuditedHandler = (request: InteractionRequest, trail: Trail) => Promise<InteractionResponse>

/**
 * An interaction whose failures are audited too: whatever ends it, the record is durable before the client is told.
 * Success is audited by the interaction itself, in the transaction of its write or before its disclosure.
 */
export function audited(parts: GatewayParts, run: AuditedHandler): Handler {
  return async (request) => {
    const trail = new Trail()
    try {
      return await run(request, trail)
    } catch (error) {
      await recordFailure(parts, request, trail, error)
      throw error
    }
  }
}

/** The audit record of what was denied or failed, durable when it resolves. */
export async function recordFailure(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  error: unknown,
): Promise<void> {
  const { kind, issues } = error instanceof ConsentryError ? error : { kind: 'internal' as const, issues: [] }
  const audit = await parts.audit.records([
    occurrence(request, parts.clock(), {
      interaction: request.interaction === 'operation' ? `$${request.operation}` : request.interaction,
      outcome: OUTCOME[kind] ?? '4',
      outcomeDescription: refusalDescription(kind, issues),
      ...trail.told,
      ...(trail.query === undefined ? {} : { query: trail.query }),
    }),
  ])
  await parts.records.commit({ audit })
}

/** AuditEvent.outcome by kind of error; the caller's own mistakes are minor failures. */
const OUTCOME: Partial<Record<ErrorKind, '8' | '12'>> = { unavailable: '8', integrity: '12', internal: '12' }
