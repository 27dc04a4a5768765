import { ConsentryError } from '../errors.js'
import { parseSearch } from '../fhir/search-query.js'
import { subsetAsked, subsetOf } from '../fhir/subset.js'
import type { InteractionRequest } from './interaction.js'

/**
 * How a read or a history is cut: `_summary` and `_elements` "are defined for use with all interactions" (https://hl7.org/fhir/R4/http.html#general). A count is
 * of searches alone, and a Binary stays whole.
 *
 * @throws ConsentryError `malformed`
 */
export function cutAsked({
  type,
  params,
}: Pick<InteractionRequest, 'type' | 'params'>): (body: Uint8Array) => Uint8Array {
  const asked = params.filter(([name]) => name === '_summary' || name === '_elements')
  if (asked.length === 0 || type === 'Binary') return (body) => body
  // the names of elements are not looked at, so any type will do for a history of all
  const results = parseSearch(type ?? 'Basic', asked)
  if (results.summary === 'count') {
    throw new ConsentryError('malformed', '_summary=count is for searches.', {
      code: 'value',
      expression: ['_summary'],
    })
  }
  const subset = subsetAsked(results)
  return subset === undefined ? (body) => body : (body) => subsetOf(body, subset)
}
