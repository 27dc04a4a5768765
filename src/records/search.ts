import { ConsentryError } from '../errors.js'
import type { BlindIndex } from './blind-index.js'
import { ClauseCompiler } from './clauses.js'
import type { Place } from './cursor.js'
import type { Database } from './database.js'
import { pagingFor } from './paging.js'
import { Parameters } from './parameters.js'
import type { SearchQuery, SortKey } from './search-query.js'
import { type SqlVersion, storedVersion, VERSION_COLUMNS } from './stored-version.js'
import type { RowFilter, StoredVersion } from './types.js'

export interface SearchResult {
  readonly rows: StoredVersion[]
  /** Of all pages, as permitted now; `null` where it was not asked for. */
  readonly total: number | null
  /** `cursor` of the next page; `null`: this is the last. */
  readonly next: string | null
  /** `cursor` of the page before; `null`: this is the first. */
  readonly previous: string | null
  /** What the search could see, for a Claim. */
  readonly snapshot: string
}

export interface CompiledSearch {
  readonly text: string
  readonly values: readonly unknown[]
}

type Context = { snapshot: string; total: bigint | null; lost: boolean }
type Found = SqlVersion & Readonly<Record<`k${number}`, bigint | Buffer | string | null>>
type Row = Context & (Found | { pk: null })

/**
 * @throws ConsentryError `malformed` for a cursor of another search; `conflict` if the order of a later page is lost
 * because rows were changed since the first (never in the order of last change)
 */
export async function search(
  database: Database,
  index: BlindIndex,
  query: SearchQuery,
  filter: RowFilter,
): Promise<SearchResult> {
  const sort = query.sort ?? []
  // columns are ordered alike whatever the types
  const context = JSON.stringify([query.also === undefined ? query.type : '*', ...sort])
  const from = query.cursor === undefined ? undefined : index.cursors.open(query.cursor, context)
  const { text, values } = compileSearch(index, query, filter, from)
  const { rows } = await database.query<Row>(text, values)
  if (rows[0]?.lost) throw lostOrder()
  const seen = rows[0]?.snapshot ?? ''
  const found = rows.filter((row): row is Context & Found => row.pk !== null)
  const more = found.length > query.count
  const page = found.slice(0, query.count)
  if (from?.back) page.reverse()
  const snapshot = from?.snapshot ?? seen
  const at = (row: Found | undefined, back: boolean): string | null =>
    row === undefined ? null : index.cursors.seal(placeOf(row, sort, snapshot, back), context)
  // a page that was reached from another has that one behind it, whatever is left of it
  const [hasNext, hasPrevious] = from?.back ? [true, more] : [more, from !== undefined]
  return {
    rows: page.map(storedVersion),
    total: query.total ? Number(rows[0]?.total ?? 0) : null,
    next: hasNext ? at(page.at(-1), false) : null,
    previous: hasPrevious ? at(page[0], true) : null,
    snapshot: seen,
  }
}

/** One statement: the page with one row more, the snapshot, and the total where it is asked for. */
export function compileSearch(index: BlindIndex, query: SearchQuery, filter: RowFilter, from?: Place): CompiledSearch {
  const parameters = new Parameters()
  const compiler = new ClauseCompiler(index, parameters, parameters.filter(filter))
  const condition = compiler.conditionOfSeveral([query, ...(query.also ?? [])])
  requireSortOfSeveral(query)
  const paging = pagingFor(index, parameters, query.type, query.sort ?? [], from)
  const total = query.total ? `(SELECT count(*) FROM resource r WHERE ${condition}${paging.counted})` : 'NULL::bigint'
  const context = `SELECT pg_current_snapshot()::text AS snapshot, ${total} AS total, ${paging.lost(condition)} AS lost`
  if (query.count === 0) return { text: `${context}, NULL AS pk`, values: parameters.values }
  const limit = parameters.bind(query.count + 1)
  const keys = Array.from({ length: Math.max(query.sort?.length ?? 0, 1) }, (_, i) => `r.k${i}`)
  return {
    text: `SELECT c.snapshot, c.total, c.lost, p.* FROM (${context}) c LEFT JOIN LATERAL (
      SELECT ${VERSION_COLUMNS}, ${keys.join(', ')} FROM (${paging.rows(condition, limit)}) r
      JOIN resource_version v ON v.resource_pk = r.pk AND v.version = r.version
    ) p ON true ORDER BY ${paging.order}`,
    values: parameters.values,
  }
}

function placeOf(row: Found, sort: readonly SortKey[], snapshot: string, back: boolean): Place {
  const keys = Array.from({ length: Math.max(sort.length, 1) }, (_, i) => {
    const key = row[`k${i}`] ?? null
    return Buffer.isBuffer(key) ? key.toString('hex') : key === null ? null : String(key)
  })
  return { snapshot, back, keys, pk: row.pk }
}

/** Bytes of order are comparable within one parameter of one type. */
function requireSortOfSeveral({ also, sort = [] }: SearchQuery): void {
  if (also === undefined || sort.every(({ by }) => by === 'lastUpdated' || by === 'id')) return
  throw new ConsentryError('not-supported', 'A search of several types is sorted by columns alone.', {
    expression: ['_sort'],
  })
}

function lostOrder(): ConsentryError {
  return new ConsentryError(
    'conflict',
    'What this search finds was changed since its first page, so its order cannot be gone on with; start it again.',
    { code: 'expired', expression: ['_cursor'] },
  )
}
