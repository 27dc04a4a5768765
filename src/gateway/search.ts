import { allows, requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { structures } from '../fhir/definitions/structures.js'
import { parseSearch, parseSystemSearch, typesAsked } from '../fhir/search-query.js'
import { type Compartment, compartmentClause, typesInCompartment } from '../fhir/search/compartment-clause.js'
import type { Clause } from '../clauses/clause.js'
import type { SystemQuery } from '../fhir/search/query.js'
import { audited } from './audited.js'
import type { Handler, InteractionRequest } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { released } from './release.js'
import { handlingOf } from './represent.js'
import { searchOptions } from './scope-filter.js'
import { type Asked, queryText, searchPage } from './search-page.js'

/**
 * search of a type, https://hl7.org/fhir/R4/search.html. The consent decision is a condition inside the SQL, so the
 * total, the page, its order and what is included are those of permitted rows; the rows are decided once more for the
 * permit that opens them. The number of statements does not depend on what is found.
 */
export function searchType(parts: GatewayParts): Handler {
  return searching(parts, (request) => {
    const type = request.type as string
    requireSearchable(request, type)
    const { clauses, ...results } = parseSearch(type, request.params, handlingOf(request), searchOptions(parts))
    return { ...results, path: type, searched: [{ type, clauses }] }
  })
}

/** search of the system: of the types of `_type`, or of all that the token reaches. */
export function searchSystem(parts: GatewayParts): Handler {
  return searching(parts, (request) => {
    const asked = typesAsked(request.params)
    for (const type of asked ?? []) requireSearchable(request, type)
    return { ...ofSeveral(parts, request, asked ?? searchable(request, structures().resources)), path: '' }
  })
}

/**
 * search of a compartment, https://hl7.org/fhir/R4/http.html#vsearch: of one type in it, or of all (`*`) that the token reaches. The parameters of
 * its definition are asked like any others, so a patient is meant under all of its names here.
 */
export function searchCompartment(parts: GatewayParts): Handler {
  return searching(parts, (request) => {
    const owner = request.compartment as Compartment
    const at = `${owner.type}/${owner.id}`
    const { type } = request
    if (type !== undefined) {
      requireSearchable(request, type)
      const inside = compartmentClause(owner, type)
      const { clauses, ...results } = parseSearch(type, request.params, handlingOf(request), searchOptions(parts))
      return { ...results, path: `${at}/${type}`, searched: [{ type, clauses: [inside, ...clauses] }] }
    }
    const asked = typesAsked(request.params)
    for (const each of asked ?? []) requireSearchable(request, each)
    const types = asked ?? searchable(request, typesInCompartment(owner.type))
    const inside = new Map(types.map((each) => [each, compartmentClause(owner, each)]))
    const query = ofSeveral(parts, request, types)
    const searched = query.searched.map(({ type: of, clauses }) => ({
      type: of,
      clauses: [inside.get(of) as Clause, ...clauses],
    }))
    return { ...query, path: `${at}/*`, searched }
  })
}

function searching(parts: GatewayParts, read: (request: InteractionRequest) => Asked): Handler {
  return audited(
    parts,
    released(parts, async (request, trail) => {
      trail.query = queryText(request)
      return searchPage(parts, request, trail, read(request))
    }),
  )
}

/** @throws ConsentryError `forbidden` */
function requireSearchable({ principal }: InteractionRequest, type: string): void {
  requireScope(principal, type, 'search-type')
  if (type === 'AuditEvent' && principal.role !== 'auditor') {
    throw new ConsentryError('forbidden', 'The audit trail can be searched by auditors alone.')
  }
}

/** Those of the types that the token reaches. @throws ConsentryError `forbidden` when it reaches none */
function searchable(request: InteractionRequest, types: readonly string[]): string[] {
  const { principal } = request
  const open = types.filter(
    (type) => allows(principal, type, 'search-type').allowed && (type !== 'AuditEvent' || principal.role === 'auditor'),
  )
  if (open.length === 0) requireSearchable(request, types[0] as string)
  return open
}

function ofSeveral(parts: GatewayParts, request: InteractionRequest, types: readonly string[]): SystemQuery {
  const isType = ([name]: readonly [string, string]): boolean => name === '_type'
  const params = request.params.filter((param) => !isType(param))
  const query = parseSystemSearch(types, params, handlingOf(request), searchOptions(parts))
  const named = request.params.filter((param) => isType(param) && param[1] !== '')
  return { ...query, applied: [...named, ...query.applied] }
}
