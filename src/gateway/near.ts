import type { Clause, Filter, NearValue } from '../clauses/clause.js'
import { boundsOf, distanceBetween } from '../fhir/search/position.js'
import type { RowFilter } from '../records/types.js'
import type { GatewayParts } from './parts.js'

type Near = Extract<Filter, { kind: 'special' }>

/**
 * `near` as the ids of what lies within the distance, measured here: the index knows cells of the globe alone, and the positions in the rows are sealed. What
 * may not be seen is not looked at, so a page, its total and a chain are exact. One statement for each place that is named.
 */
export async function withPlaces(
  parts: Pick<GatewayParts, 'records'>,
  searched: readonly (readonly Clause[])[],
  filter: () => Promise<RowFilter>,
): Promise<Clause[][]> {
  const asked = new Map<Near, { readonly type: string; ids: readonly string[] }>()
  for (const clause of searched.flat()) eachNear(clause, (near) => asked.set(near, { type: 'Location', ids: [] }))
  if (asked.size === 0) return searched.map((clauses) => [...clauses])
  const permitted = await filter()
  await Promise.all(
    Array.from(asked, async ([near, place]) => {
      const found = near.values.map((value) => idsNear(parts, place.type, near.param, value, permitted))
      place.ids = (await Promise.all(found)).flat()
    }),
  )
  const idsOf = (near: Near): Clause => ({
    is: 'filter',
    param: '_id',
    kind: 'token',
    values: (asked.get(near)?.ids ?? []).map((code) => ({ code })),
  })
  return searched.map((clauses) => clauses.map((clause) => replaced(clause, idsOf)))
}

async function idsNear(
  { records }: Pick<GatewayParts, 'records'>,
  type: string,
  param: string,
  value: NearValue,
  filter: RowFilter,
): Promise<string[]> {
  const placed = await records.positions({ type, param, bounds: boundsOf(value) }, filter)
  return placed.filter((place) => distanceBetween(place, value) <= value.metres).map(({ id }) => id)
}

function eachNear(clause: Clause, use: (near: Near) => void): void {
  switch (clause.is) {
    case 'filter':
      if (clause.kind === 'special') use(clause)
      break
    case 'missing':
      break
    case 'chain':
      for (const { clause: inner } of clause.targets) eachNear(inner, use)
      break
    case 'has':
    case 'none':
      eachNear(clause.clause, use)
      break
    case 'all':
    case 'any':
      for (const each of clause.clauses) eachNear(each, use)
  }
}

function replaced(clause: Clause, by: (near: Near) => Clause): Clause {
  switch (clause.is) {
    case 'filter':
      return clause.kind === 'special' ? by(clause) : clause
    case 'missing':
      return clause
    case 'chain':
      return { ...clause, targets: clause.targets.map((to) => ({ ...to, clause: replaced(to.clause, by) })) }
    case 'has':
    case 'none':
      return { ...clause, clause: replaced(clause.clause, by) }
    case 'all':
    case 'any':
      return { ...clause, clauses: clause.clauses.map((each) => replaced(each, by)) }
  }
}
