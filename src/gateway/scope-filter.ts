import type { ScopeFilter } from '../auth/scopes.js'
import { ConsentryError } from '../errors.js'
import { parseSearch, type SearchOptions } from '../fhir/search-query.js'
import type { Clause } from '../clauses/clause.js'
import type { ResourceRow } from '../records/types.js'
import type { InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'

/**
 * Granular scopes, `system/Observation.rs?category=laboratory`
 * (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters):
 * a resource must be found by the search of at least one of them. `null`: the scopes do not narrow.
 *
 * @throws ConsentryError `forbidden` for a resource outside
 */
export async function requireInsideScope(
  parts: GatewayParts,
  request: InteractionRequest,
  row: ResourceRow,
  filters: readonly ScopeFilter[] | null,
): Promise<void> {
  if (filters === null) return
  const itself: Clause = { is: 'filter', param: '_id', kind: 'token', values: [{ code: row.id }] }
  const queries = filters.map((filter) => ({
    type: row.type,
    clauses: [...clausesOf(parts, row.type, filter), itself],
  }))
  const { matches } = await parts.records.match(queries, await parts.access.filter(request.principal, 'read'))
  if (matches.some((found) => found.length > 0)) return
  throw new ConsentryError('forbidden', `The scopes of the access token do not reach this ${row.type}.`)
}

/** What a search must fulfil besides to stay inside the scopes: one of them at least. */
export function scopeClauses(
  parts: GatewayParts,
  type: string,
  filters: readonly ScopeFilter[] | null,
): readonly Clause[] {
  if (filters === null) return []
  const alternatives = filters.map((filter): Clause => ({ is: 'all', clauses: clausesOf(parts, type, filter) }))
  return [{ is: 'any', clauses: alternatives }]
}

function clausesOf(parts: GatewayParts, type: string, filter: ScopeFilter): readonly Clause[] {
  return parseSearch(type, filter, 'strict', searchOptions(parts)).clauses
}

/** How this server reads searches. */
export function searchOptions(parts: GatewayParts): SearchOptions {
  return {
    base: parts.baseUrl,
    terminology: () => parts.conformance.terminology,
    now: parts.clock(),
    limits: { depth: parts.limits.maxChain },
  }
}
