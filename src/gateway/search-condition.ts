import { allows, requireScope } from '../auth/allows.js'
import type { Principal } from '../auth/principal.js'
import { ConsentryError } from '../errors.js'
import type { Clause, Filter, Searched } from '../clauses/clause.js'
import { filtersIn, mapFilters } from '../clauses/map-filters.js'
import { withPlaces } from './near.js'
import type { GatewayParts } from './parts.js'
import { scopeClauses } from './scope-filter.js'

/**
 * What a search asks of the rows: its own clauses, with every type that a chain passes held to the scopes of the token
 * as the searched type itself is, and every patient meant under all of its local names. Consent is in the row filter.
 *
 * @throws ConsentryError `forbidden` for a type that the scopes do not reach
 */
export async function searchCondition(
  parts: GatewayParts,
  principal: Principal,
  type: string,
  clauses: readonly Clause[],
): Promise<Clause[]> {
  const [only] = await searchConditions(parts, principal, [{ type, clauses }])
  return [...(only?.clauses ?? [])]
}

/** The same for several types. Patients are looked up once for all of them. */
export async function searchConditions(
  parts: GatewayParts,
  principal: Principal,
  searched: readonly Searched[],
): Promise<Searched[]> {
  const scopes = searched.map(({ type }) => scopeClauses(parts, type, requireScope(principal, type, 'search-type')))
  const reached = searched.map(({ clauses }) => clauses.map((clause) => withinScopes(parts, principal, clause)))
  const placed = await withPlaces(parts, reached, () => parts.access.filter(principal, 'read'))
  const meant = await withLinkedPatients(parts, placed)
  return searched.map(({ type }, i) => ({ type, clauses: [...(meant[i] ?? []), ...(scopes[i] ?? [])] }))
}

function withinScopes(parts: GatewayParts, principal: Principal, clause: Clause): Clause {
  const inside = (type: string, inner: Clause): Clause => {
    const scope = scopeClauses(parts, type, requireScope(principal, type, 'search-type'))
    const reached = withinScopes(parts, principal, inner)
    return scope.length === 0 ? reached : { is: 'all', clauses: [reached, ...scope] }
  }
  switch (clause.is) {
    case 'chain': {
      // a chain without a type goes to those that the token reaches, as it goes to those that have the parameter
      const open = clause.targets.filter(({ type }) => allows(principal, type, 'search-type').allowed)
      const targets = open.length === 0 ? clause.targets : open
      return {
        ...clause,
        targets: targets.map((target) => ({ ...target, clause: inside(target.type, target.clause) })),
      }
    }
    case 'has':
      if (clause.type === 'AuditEvent' && principal.role !== 'auditor') {
        throw new ConsentryError('forbidden', 'The audit trail can be searched by auditors alone.')
      }
      return { ...clause, clause: inside(clause.type, clause.clause) }
    case 'all':
    case 'any':
      return { ...clause, clauses: clause.clauses.map((each) => withinScopes(parts, principal, each)) }
    case 'none':
      return { ...clause, clause: withinScopes(parts, principal, clause.clause) }
    case 'missing':
    case 'filter':
      return clause
  }
}

/**
 * One patient may stand here as several Patient resources (ours and imported ones): a search for one of them is a
 * search for the patient. One query for all of a search.
 */
async function withLinkedPatients(parts: GatewayParts, searched: readonly Clause[][]): Promise<Clause[][]> {
  const asked = new Set(searched.flat().flatMap(filtersIn).flatMap(patientIds))
  if (asked.size === 0) return [...searched]
  const aliases = await parts.patients.aliases([...asked])
  const meant = (filter: Filter): Filter => {
    if (filter.kind !== 'reference') return filter
    const others = patientIds(filter).flatMap((id) => (aliases.get(id) ?? []).filter((alias) => alias !== id))
    return { ...filter, values: [...filter.values, ...others.map((id) => ({ types: ['Patient'], id }))] }
  }
  return searched.map((clauses) => clauses.map((clause) => mapFilters(clause, meant)))
}

function patientIds(filter: Filter): string[] {
  if (filter.kind !== 'reference') return []
  return filter.values.flatMap(({ id, types }) =>
    id !== undefined && (types ?? ['Patient']).includes('Patient') ? [id] : [],
  )
}
