import { ConsentryError } from '../errors.js'
import { parseSearch } from '../fhir/search-query.js'
import type { Claim, ResourceRow } from '../records/types.js'
import type { InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'

export interface Condition {
  readonly type: string
  /** `identifier=system|value` */
  readonly query: string
  /** Place in the client's input, for errors. */
  readonly at: string
}

/** What a conditional create meets: one match, or the right to create. */
export type ConditionalCreate =
  { readonly existing: ResourceRow; readonly claim?: never } | { readonly existing?: never; readonly claim: Claim }

/**
 * Resources that fulfil conditions, among those that the caller may read: at most two each, because one is what is
 * hoped for and two is one too many. One query for all.
 */
export async function matches(
  parts: GatewayParts,
  request: InteractionRequest,
  conditions: readonly Condition[],
): Promise<{ matches: ResourceRow[][]; snapshot: string }> {
  const filter = await parts.access.filter(request.principal, 'read')
  const queries = conditions.map(({ type, query, at }) => {
    const { clauses } = parseSearch(type, [...new URLSearchParams(query)], 'strict', { base: parts.baseUrl })
    if (clauses.length > 0) return { type, clauses }
    throw new ConsentryError('precondition-failed', 'The condition names no search parameter.', { expression: [at] })
  })
  return parts.records.match(queries, filter)
}

/** If-None-Exist, https://hl7.org/fhir/R4/http.html#ccreate. @throws ConsentryError `precondition-failed` for several matches */
export async function conditionalCreate(
  parts: GatewayParts,
  request: InteractionRequest,
  type: string,
  query: string,
  at = 'If-None-Exist',
): Promise<ConditionalCreate> {
  const { matches: found, snapshot } = await matches(parts, request, [{ type, query, at }])
  return conditionalOutcome(parts, { type, query, at }, found[0] ?? [], snapshot)
}

export function conditionalOutcome(
  parts: GatewayParts,
  { type, query, at }: Condition,
  found: readonly ResourceRow[],
  snapshot: string,
): ConditionalCreate {
  if (found.length > 1) {
    throw new ConsentryError(
      'precondition-failed',
      `Several resources of ${type} fulfil the condition; make it narrower.`,
      {
        code: 'multiple-matches',
        expression: [at],
      },
    )
  }
  const existing = found[0]
  return existing ? { existing } : { claim: { key: parts.index.claim(type, query), snapshot } }
}
