import { ConsentryError } from '../errors.js'
import { parseQuery } from '../fhir/bundle.js'
import { criteriaOf, parseSearch, type SearchQuery } from '../fhir/search-query.js'
import type { Claim, ResourceRow } from '../records/types.js'
import { trace } from './disclose.js'
import type { InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { searchOptions } from './scope-filter.js'
import { searchCondition } from './search-condition.js'
import type { Trail } from './trail.js'

/** What a condition meets: one resource, or none and the right to create it. */
export type Condition =
  { readonly existing: ResourceRow; readonly claim?: never } | { readonly existing?: never; readonly claim: Claim }

type Params = readonly (readonly [string, string])[]

/** If-None-Exist, https://hl7.org/fhir/R4/http.html#ccreate. Throws as `meet` does. */
export function conditionalCreate(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  type: string,
  condition: string,
): Promise<Condition> {
  const place = 'If-None-Exist'
  return meet(parts, request, trail, type, parseQuery(condition.slice(condition.indexOf('?') + 1), place), place)
}

/**
 * The condition in the URL of a conditional update, patch or delete (https://hl7.org/fhir/R4/http.html#cond-update), among
 * what the caller may read: what it finds is told, so it is a search. That several match is told too, so the trail names them.
 *
 * @throws ConsentryError `precondition-failed` for several matches or a condition that selects everything
 */
export async function meet(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  type: string,
  params: Params = request.params,
  place = 'http.query',
): Promise<Condition> {
  const query = conditionOf(parts, type, params, place)
  const clauses = await searchCondition(parts, request.principal, type, query.clauses)
  const filter = await parts.access.filter(request.principal, 'read')
  const { matches, snapshot } = await parts.records.match([{ type, clauses }], filter)
  const [existing, second] = matches[0] ?? []
  if (second !== undefined) {
    await trace(parts, trail, matches[0] ?? [])
    throw severalMatch(type, place)
  }
  return existing ? { existing } : { claim: { key: parts.index.claim(type, criteriaOf(query)), snapshot } }
}

/** All that a condition finds, `most` at the most. Throws as `meet` does, for more than `most` matches too. */
export async function meetAll(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  type: string,
  params: Params,
  most: number,
): Promise<readonly ResourceRow[]> {
  const place = 'http.query'
  const query = conditionOf(parts, type, params, place)
  const clauses = await searchCondition(parts, request.principal, type, query.clauses)
  const filter = await parts.access.filter(request.principal, 'read')
  const asked = { type, clauses, count: most + 1, total: false }
  const { rows } = await parts.records.search(asked, filter)
  if (rows.length > most) {
    await trace(parts, trail, rows)
    throw severalMatch(type, place, '; _count=n says that up to n may be deleted together')
  }
  return rows
}

function conditionOf(parts: GatewayParts, type: string, params: Params, place: string): SearchQuery {
  const query = parseSearch(type, params, 'strict', searchOptions(parts))
  if (query.clauses.length > 0) return query
  throw new ConsentryError(
    'precondition-failed',
    `The condition names no search parameter of ${type}, so it would mean every one; name at least one, such as identifier.`,
    { expression: [place] },
  )
}

function severalMatch(type: string, place: string, otherwise = ''): ConsentryError {
  return new ConsentryError(
    'precondition-failed',
    `Several resources of ${type} fulfil the condition; make it narrower${otherwise}.`,
    { code: 'multiple-matches', expression: [place] },
  )
}
