import { requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { parseQuery } from '../fhir/bundle.js'
import { criteriaOf, parseSearch } from '../fhir/search-query.js'
import type { Claim, ResourceRow } from '../records/types.js'
import type { InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { scopeClauses } from './scope-filter.js'

const PLACE = 'If-None-Exist'

/** What a conditional create meets: one match, or the right to create. */
export type ConditionalCreate =
  { readonly existing: ResourceRow; readonly claim?: never } | { readonly existing?: never; readonly claim: Claim }

/**
 * If-None-Exist, https://hl7.org/fhir/R4/http.html#ccreate, among what the caller may read.
 * @throws ConsentryError `precondition-failed` for several matches or an empty condition
 */
export async function conditionalCreate(
  parts: GatewayParts,
  request: InteractionRequest,
  type: string,
  condition: string,
): Promise<ConditionalCreate> {
  const query = parseSearch(type, parseQuery(condition.slice(condition.indexOf('?') + 1), PLACE), 'strict', {
    base: parts.baseUrl,
  })
  if (query.clauses.length === 0) {
    throw new ConsentryError('precondition-failed', 'The condition names no search parameter.', { expression: [PLACE] })
  }
  // What the condition finds is told, so it is a search.
  const scope = scopeClauses(parts, type, requireScope(request.principal, type, 'search-type'))
  const filter = await parts.access.filter(request.principal, 'read')
  const { matches, snapshot } = await parts.records.match([{ type, clauses: [...query.clauses, ...scope] }], filter)
  const [existing, second] = matches[0] ?? []
  if (second !== undefined) {
    throw new ConsentryError(
      'precondition-failed',
      `Several resources of ${type} fulfil the condition; make it narrower.`,
      {
        code: 'multiple-matches',
        expression: [PLACE],
      },
    )
  }
  return existing ? { existing } : { claim: { key: parts.index.claim(type, criteriaOf(query)), snapshot } }
}
