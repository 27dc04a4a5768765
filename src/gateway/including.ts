import { allows } from '../auth/allows.js'
import type { Principal } from '../auth/principal.js'
import { structures } from '../fhir/definitions/structures.js'
import type { Include, SearchQuery } from '../fhir/search/query.js'
import { referenceParameter } from '../records/index-names.js'
import type { Included } from '../records/include.js'
import type { Include as RecordInclude } from '../records/search-query.js'
import type { RowFilter, StoredVersion } from '../records/types.js'
import type { GatewayParts } from './parts.js'
import { scopeClauses } from './scope-filter.js'

const NONE: Included = { rows: [], more: false }

/**
 * What `_include` and `_revinclude` add to a page (https://hl7.org/fhir/R4/search.html#include): of the types that the token
 * may search, and of those that a granular scope narrows what it reaches. One statement, with the consent decision inside.
 */
export async function included(
  parts: GatewayParts,
  principal: Principal,
  { includes }: Pick<SearchQuery, 'includes'>,
  page: readonly StoredVersion[],
  filter: RowFilter,
): Promise<Included> {
  if (includes.length === 0 || page.length === 0) return NONE
  const reach = structures().resources.map((type) => ({ type, ...allows(principal, type, 'search-type') }))
  const narrowed = reach.flatMap((each) =>
    each.allowed && each.filters !== null
      ? [{ type: each.type, clauses: scopeClauses(parts, each.type, each.filters) }]
      : [],
  )
  return parts.records.include(
    {
      from: page.map(({ type, id }) => ({ type, id })),
      includes: includes.map(recordInclude),
      types: reach.filter((each) => each.allowed && each.filters === null).map(({ type }) => type),
      within: narrowed,
      rounds: includes.some(({ iterate }) => iterate) ? parts.limits.maxIncludeRounds : 1,
      most: parts.limits.maxIncluded,
    },
    filter,
  )
}

function recordInclude({ reverse, iterate, source, param, target }: Include): RecordInclude {
  return {
    reverse,
    iterate,
    ...(source === '*' ? {} : { source }),
    parameters: param === '*' ? null : [referenceParameter(source, param)],
    ...(target === undefined ? {} : { target }),
  }
}
