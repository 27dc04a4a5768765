import { requireScope } from '../auth/allows.js'
import type { BundlePlan } from '../fhir/bundle.js'
import { criteriaOf } from '../fhir/search-query.js'
import type { Claim, ResourceRow } from '../records/types.js'
import { recordAccess, trace } from './disclose.js'
import type { InteractionRequest } from './interaction.js'
import { withPlaces } from './near.js'
import type { GatewayParts } from './parts.js'
import { scopeClauses } from './scope-filter.js'
import type { Trail } from './trail.js'

/** By the key of the lookup: the ids that it found, and the right to create what it did not find. */
export interface LookedUp {
  readonly found: Map<string, string[]>
  readonly claims: Map<string, Claim>
}

/** Conditions of entries and conditional references, in one query, among what the caller may read. */
export async function lookUp(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  lookups: BundlePlan['lookups'],
): Promise<LookedUp> {
  if (lookups.length === 0) return { found: new Map(), claims: new Map() }
  const filter = await parts.access.filter(request.principal, 'read')
  // What a condition finds is told in ids and references, so it is a search.
  const placed = await withPlaces(
    parts,
    lookups.map(({ query }) => query.clauses),
    () => Promise.resolve(filter),
  )
  const queries = lookups.map(({ query: { type } }, i) => {
    const scope = scopeClauses(parts, type, requireScope(request.principal, type, 'search-type'))
    return { type, clauses: [...(placed[i] ?? []), ...scope] }
  })
  const { matches, snapshot } = await parts.records.match(queries, filter)
  await recordFound(parts, request, trail, matches.flat())
  return {
    found: new Map(lookups.map(({ key }, i) => [key, (matches[i] ?? []).map((row) => row.id)])),
    claims: new Map(
      lookups.map(
        ({ key, query }) => [key, { key: parts.index.claim(query.type, criteriaOf(query)), snapshot }] as const,
      ),
    ),
  }
}

/** What a condition finds of a patient is told to whoever asks, in ids and references. */
async function recordFound(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  rows: readonly ResourceRow[],
): Promise<void> {
  const found = rows.filter(({ patient }) => patient !== null)
  if (found.length === 0) return
  await trace(parts, trail, found)
  await recordAccess(parts, request, trail, { interaction: 'search-type' })
}
