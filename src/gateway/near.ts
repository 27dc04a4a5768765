import type { Clause, Filter, NearValue } from '../clauses/clause.js'
import { filtersIn, mapFilters } from '../clauses/map-filters.js'
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
  const asked = new Set(searched.flat().flatMap(filtersIn).filter(isNear))
  if (asked.size === 0) return searched.map((clauses) => [...clauses])
  const permitted = await filter()
  const ids = new Map(
    await Promise.all(
      Array.from(asked, async (near) => {
        const found = near.values.map((value) => idsNear(parts, near.param, value, permitted))
        return [near, (await Promise.all(found)).flat()] as const
      }),
    ),
  )
  const idsOf = (near: Near): Clause => ({
    is: 'filter',
    param: '_id',
    kind: 'token',
    values: (ids.get(near) ?? []).map((code) => ({ code })),
  })
  const meant = (filter: Filter): Clause => (isNear(filter) ? idsOf(filter) : filter)
  return searched.map((clauses) => clauses.map((clause) => mapFilters(clause, meant)))
}

const isNear = (filter: Filter): filter is Near => filter.kind === 'special'

async function idsNear(
  { records }: Pick<GatewayParts, 'records'>,
  param: string,
  value: NearValue,
  filter: RowFilter,
): Promise<string[]> {
  const placed = await records.positions({ type: 'Location', param, bounds: boundsOf(value) }, filter)
  return placed.filter((place) => distanceBetween(place, value) <= value.metres).map(({ id }) => id)
}
