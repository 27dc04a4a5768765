import { requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { parseSearch } from '../fhir/search-query.js'
import type { AuditedHandler } from './audited.js'
import { namedValues } from './named-values.js'
import type { OperationTable } from './operations.js'
import type { GatewayParts } from './parts.js'
import { released } from './release.js'
import { handlingOf } from './represent.js'
import { searchOptions } from './scope-filter.js'
import { queryText, searchPage } from './search-page.js'

const TYPE = 'Observation'
type Parameter = readonly [name: string, value: string]

/**
 * `Observation/$lastn`, https://hl7.org/fhir/R4/observation-operation-lastn.html: a search of Observation of which only the `max` latest of each
 * code come, from the most recent to the oldest. Codes are grouped in the index, over what the caller may see: two statements, whatever is found.
 */
export function lastnOperations(parts: GatewayParts): OperationTable {
  return { 'Observation/$lastn': released(parts, lastn(parts)) }
}

function lastn(parts: GatewayParts): AuditedHandler {
  return async (request, trail) => {
    const given = namedValues(request)
    const asked = { ...request, params: given }
    trail.query = queryText(asked)
    requireScope(request.principal, TYPE, 'search-type')
    const own = given.filter(([name]) => name === 'max')
    const criteria = given.filter(([name]) => name !== 'max')
    const most = maximum(own)
    requireCriteria(criteria)
    const { type, clauses, ...results } = parseSearch(TYPE, criteria, handlingOf(request), searchOptions(parts))
    return searchPage(parts, asked, trail, {
      ...results,
      applied: [...own, ...results.applied],
      path: `${TYPE}/$lastn`,
      searched: [{ type, clauses }],
      sort: [{ param: 'date', kind: 'date', descending: true }],
      latest: { group: 'code', date: 'date', most },
    })
  }
}

/** A positiveInt; "if no maximum number is given then only the most recent Observation in each group is returned". */
function maximum([given, ...more]: readonly Parameter[]): number {
  if (given === undefined) return 1
  const max = /^[1-9]\d{0,9}$/.test(given[1]) ? Number(given[1]) : Infinity
  if (more.length === 0 && max < 2 ** 31) return max
  throw new ConsentryError('malformed', 'max must be one whole number from 1.', { code: 'value', expression: ['max'] })
}

/** "A subject using either the `patient` or `subject` search parameter", and "a `category` parameter and/or a search parameter that contains a code element". */
function requireCriteria(criteria: readonly Parameter[]): void {
  const names = criteria.filter(([, value]) => value !== '').map(([name]) => name.split(/[:.]/)[0] ?? '')
  const refuse = (diagnostics: string, code: 'required' | 'not-supported', expression: string): never => {
    throw new ConsentryError('malformed', diagnostics, { code, expression: [expression] })
  }
  if (names.includes('_sort')) {
    refuse('$lastn answers from the most recent to the oldest: it takes no _sort.', 'not-supported', '_sort')
  }
  if (!names.some((name) => name === 'patient' || name === 'subject')) {
    refuse('$lastn needs the search parameter patient or subject.', 'required', 'patient')
  }
  if (!names.some((name) => name === 'category' || name.split('-').includes('code'))) {
    refuse('$lastn needs the search parameter category, code, or another one of a code.', 'required', 'category')
  }
}
