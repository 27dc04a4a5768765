import { ConsentryError } from '../errors.js'
import { int8Array } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import type { Sql } from './database.js'
import type { Parameters } from './parameters.js'
import type { Latest, SearchQuery } from './search-query.js'

/** Of members that stand together somewhere, the one that stands for their group. */
export interface Linked {
  readonly members: readonly bigint[]
  readonly groups: readonly bigint[]
}

/** Sets of members that one search may join: some milliseconds of the main thread. */
const MOST_SETS = 20_000

/**
 * Which members are one group, because some match has them both, or a chain of matches does. Members of which all matches have no other are
 * groups anyway and not told.
 *
 * @param condition on `r` with the consent in it: what may not be seen joins nothing
 */
export async function linkedGroups(
  sql: Pick<Sql, 'query'>,
  index: BlindIndex,
  { type, latest }: SearchQuery,
  parameters: Parameters,
  condition: string,
): Promise<Linked> {
  const parameter = parameters.bind(index.groupParameter(type, (latest as Latest).group))
  const { rows } = await sql.query<{ unit: bigint[] }>(
    `SELECT DISTINCT g.unit FROM resource r JOIN ordered g ON g.resource_pk = r.pk AND g.parameter = ${parameter}
     WHERE ${condition} AND cardinality(g.unit) > 1 LIMIT ${MOST_SETS + 1}`,
    parameters.values,
  )
  if (rows.length > MOST_SETS) {
    throw new ConsentryError('too-large', 'There are too many codes to group by; ask for some of them.', {
      code: 'too-costly',
    })
  }
  return joined(rows.map(({ unit }) => unit))
}

/** The rows of `resource` that are latest in their groups, by key. */
export function latestRows(
  index: BlindIndex,
  { type, latest }: SearchQuery,
  parameters: Parameters,
  condition: string,
  { members, groups }: Linked,
): string {
  const { group, date, most } = latest as Latest
  const bigints = (values: readonly bigint[]): string => `${parameters.bind(int8Array(values))}::bigint[]`
  return `SELECT pk FROM (
    SELECT r.pk, rank() OVER (
      PARTITION BY coalesce(m.one, g.unit[1]), CASE WHEN g.unit[1] IS NULL THEN r.pk END
      ORDER BY d.at DESC NULLS LAST, CASE WHEN d.at IS NULL THEN r.last_updated END DESC
    ) AS place
    FROM resource r
    LEFT JOIN ordered g ON g.resource_pk = r.pk AND g.parameter = ${parameters.bind(index.groupParameter(type, group))}
    LEFT JOIN unnest(${bigints(members)}, ${bigints(groups)}) AS m(member, one) ON m.member = g.unit[1]
    LEFT JOIN LATERAL (
      SELECT o.hi AS at FROM ordered o
      WHERE o.resource_pk = r.pk AND o.parameter = ${parameters.bind(index.parameter(type, date))} ORDER BY o.hi DESC LIMIT 1
    ) d ON true
    WHERE ${condition}
  ) ranked WHERE place <= ${parameters.bind(most)}::bigint`
}

function joined(sets: readonly (readonly bigint[])[]): Linked {
  const above = new Map<bigint, bigint>()
  const top = (member: bigint): bigint => {
    let at = member
    for (let next = above.get(at); next !== undefined && next !== at; next = above.get(at)) {
      above.set(at, above.get(next) ?? next)
      at = next
    }
    return at
  }
  for (const [first, ...others] of sets) {
    if (first === undefined) continue
    if (!above.has(first)) above.set(first, first)
    for (const other of others) {
      if (!above.has(other)) above.set(other, other)
      above.set(top(other), top(first))
    }
  }
  const members = [...above.keys()]
  return { members, groups: members.map(top) }
}
