import type { BlindIndex } from './blind-index.js'
import { ClauseCompiler } from './clauses.js'
import type { Database } from './database.js'
import { Parameters } from './parameters.js'
import type { Clause } from '../clauses/clause.js'
import { ROW_COLUMNS, resourceRow, type SqlRow } from './stored-version.js'
import type { ResourceRow, RowFilter } from './types.js'

/** What a conditional reference, create, update or delete looks for. */
export interface Criteria {
  readonly type: string
  readonly clauses: readonly Clause[]
}

export interface Matches {
  /** For each of the criteria none, one, or the first two of several. */
  readonly matches: ResourceRow[][]
  /** What the search could see, for a Claim. */
  readonly snapshot: string
}

/** Criteria in one statement; more would make the planner slow. */
const AT_ONCE = 100

/** Permitted resources that meet the criteria; one statement for a hundred of them. */
export async function match(
  database: Database,
  index: BlindIndex,
  criteria: readonly Criteria[],
  filter: RowFilter,
): Promise<Matches> {
  const matches = criteria.map((): ResourceRow[] => [])
  let snapshot: string | undefined
  for (let first = 0; first < criteria.length; first += AT_ONCE) {
    const parameters = new Parameters()
    const compiler = new ClauseCompiler(index, parameters, parameters.filter(filter))
    const parts = criteria
      .slice(first, first + AT_ONCE)
      .map(
        ({ type, clauses }, i) =>
          `(SELECT ${first + i} AS n, ${ROW_COLUMNS} FROM resource r WHERE ${compiler.condition(type, clauses)} ORDER BY r.pk LIMIT 2)`,
      )
    const { rows } = await database.query<SqlRow & { n: number | null; snapshot: string }>(
      `SELECT c.snapshot, p.* FROM (SELECT pg_current_snapshot()::text AS snapshot) c
       LEFT JOIN (${parts.join(' UNION ALL ')}) p ON true`,
      parameters.values,
    )
    // the first statement has seen the least
    snapshot ??= rows[0]?.snapshot
    for (const row of rows) if (row.n !== null) matches[row.n]?.push(resourceRow(row))
  }
  return { matches, snapshot: snapshot ?? '' }
}
