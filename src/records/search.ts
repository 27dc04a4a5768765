import { int8Array } from './array-parameter.js'
import type { BlindIndex } from './blind-index.js'
import { ClauseCompiler } from './clauses.js'
import { decodePlace, encodePlace, parseSnapshot, type Place } from './cursor.js'
import type { Database } from './database.js'
import { Parameters } from './parameters.js'
import type { SearchQuery } from './search-query.js'
import { ROW_COLUMNS, type SqlVersion, storedVersion, VERSION_COLUMNS } from './stored-version.js'
import type { RowFilter, StoredVersion } from './types.js'

export interface SearchResult {
  readonly rows: StoredVersion[]
  /** Of all pages, as permitted now; `null` where it was not asked for. */
  readonly total: number | null
  /** `cursor` of the next page; `null`: this is the last. */
  readonly next: string | null
  /** What the search could see, for a Claim. */
  readonly snapshot: string
}

export interface CompiledSearch {
  readonly text: string
  readonly values: readonly unknown[]
}

type Row = { snapshot: string; total: bigint | null; place: bigint | null } & (SqlVersion | { pk: null })

export async function search(
  database: Database,
  index: BlindIndex,
  query: SearchQuery,
  filter: RowFilter,
): Promise<SearchResult> {
  const from = query.cursor === undefined ? undefined : decodePlace(query.cursor)
  const { text, values } = compileSearch(index, query, filter, from)
  const { rows } = await database.query<Row>(text, values)
  const seen = rows[0]?.snapshot ?? ''
  const found = rows.filter((row): row is Row & SqlVersion => row.pk !== null)
  const page = found.slice(0, query.count)
  const last = page.at(-1)
  const snapshot = from?.snapshot ?? seen
  return {
    rows: page.map(storedVersion),
    total: query.total ? Number(rows[0]?.total ?? 0) : null,
    next:
      last && found.length > query.count
        ? encodePlace({ snapshot, lastUpdated: last.place as bigint, pk: last.pk })
        : null,
    snapshot: seen,
  }
}

/** One statement: the page with one row more, the snapshot, and the total where it is asked for. */
export function compileSearch(index: BlindIndex, query: SearchQuery, filter: RowFilter, from?: Place): CompiledSearch {
  const parameters = new Parameters()
  const condition = new ClauseCompiler(index, parameters, parameters.filter(filter)).condition(
    query.type,
    query.clauses,
  )
  const paging = new Paging(parameters, from, query.sort === 'lastUpdated')
  const total = query.total
    ? `(SELECT count(*) FROM resource r WHERE ${condition}${paging.existedThen()})`
    : 'NULL::bigint'
  const context = `SELECT pg_current_snapshot()::text AS snapshot, ${total} AS total`
  if (query.count === 0) return { text: `${context}, NULL AS pk`, values: parameters.values }
  const limit = parameters.bind(query.count + 1)
  return {
    text: `SELECT c.snapshot, c.total, p.* FROM (${context}) c LEFT JOIN LATERAL (
      SELECT ${VERSION_COLUMNS}, r.place FROM (${paging.rows(condition, limit)}) r
      JOIN resource_version v ON v.resource_pk = r.pk AND v.version = r.version
    ) p ON true ORDER BY p.place ${paging.direction}, p.pk ${paging.direction}`,
    values: parameters.values,
  }
}

/**
 * Pages by (last change, key) over what the first page's snapshot could see, so that concurrent writes neither repeat
 * nor hide a row. A row that was changed since has moved in the order; it is shown, as it is now, at the place that it had
 * in the snapshot. Rows made since are left out; rows deleted or revoked since are gone.
 */
class Paging {
  readonly direction: 'ASC' | 'DESC'
  readonly #beyond: '<' | '>'
  readonly #visible: ((xid: string) => string) | undefined
  readonly #from: { place: string; pk: string } | undefined
  readonly #xmin: string = ''

  constructor(parameters: Parameters, from: Place | undefined, ascending: boolean) {
    this.direction = ascending ? 'ASC' : 'DESC'
    this.#beyond = ascending ? '>' : '<'
    if (from === undefined) return
    const { xmin, xmax, running } = parseSnapshot(from.snapshot)
    const bound = {
      xmin: parameters.bind(xmin),
      xmax: parameters.bind(xmax),
      running: parameters.bind(int8Array(running)),
    }
    this.#xmin = bound.xmin
    this.#visible = (xid) =>
      `(${xid} < ${bound.xmin}::bigint OR (${xid} < ${bound.xmax}::bigint AND ${xid} <> ALL (${bound.running}::bigint[])))`
    this.#from = { place: parameters.bind(from.lastUpdated), pk: parameters.bind(from.pk) }
  }

  rows(condition: string, limit: string): string {
    const order = (place: string): string => `ORDER BY ${place} ${this.direction}, pk ${this.direction} LIMIT ${limit}`
    if (this.#visible === undefined || this.#from === undefined) {
      return `SELECT ${ROW_COLUMNS}, r.last_updated AS place FROM resource r WHERE ${condition} ${order('last_updated')}`
    }
    const beyond = (place: string): string =>
      `(${place}, r.pk) ${this.#beyond} (${this.#from?.place}::bigint, ${this.#from?.pk}::bigint)`
    return `(SELECT ${ROW_COLUMNS}, r.last_updated AS place FROM resource r
        WHERE ${condition} AND ${this.#visible('r.xid')} AND ${beyond('r.last_updated')} ${order('last_updated')})
      UNION ALL
      (SELECT ${ROW_COLUMNS}, old.last_updated AS place FROM resource r CROSS JOIN LATERAL (
          SELECT v.last_updated, v.deleted FROM resource_version v
          WHERE v.resource_pk = r.pk AND ${this.#visible('v.xid')} ORDER BY v.version DESC LIMIT 1) old
        WHERE ${condition} AND r.xid >= ${this.#xmin}::bigint AND NOT ${this.#visible('r.xid')}
          AND NOT old.deleted AND ${beyond('old.last_updated')} ${order('place')})
      ${order('place')}`
  }

  /** For the total of a later page. */
  existedThen(): string {
    if (this.#visible === undefined) return ''
    return ` AND (${this.#visible('r.xid')} OR EXISTS (SELECT 1 FROM resource_version v
      WHERE v.resource_pk = r.pk AND ${this.#visible('v.xid')} AND NOT v.deleted))`
  }
}
