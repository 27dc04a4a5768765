import { ConsentryError } from '../errors.js'
import type { BlindIndex } from './blind-index.js'
import { ClauseCompiler } from './clauses.js'
import type { CommonTokens } from './common-tokens.js'
import type { Place } from './cursor.js'
import type { Database, Sql } from './database.js'
import { latestRows, type Linked, linkedGroups } from './latest.js'
import { mergedTypes } from './merged-types.js'
import { near } from './near.js'
import { pagingFor } from './paging.js'
import { Parameters } from './parameters.js'
import type { SearchQuery, SortKey } from './search-query.js'
import { type SqlVersion, storedVersion, VERSION_COLUMNS } from './stored-version.js'
import { namesOf, type Ranks, ranksOf } from './token-names.js'
import type { RowFilter, StoredVersion } from './types.js'
import { Visible } from './visible.js'

export interface SearchResult {
  readonly rows: StoredVersion[]
  /** Of all pages, as permitted now; `null` where it was not asked for, or there are more than were to be counted. */
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

/** What is known beside the query when it is compiled. */
interface Known {
  readonly linked?: Linked | undefined
  readonly common?: CommonTokens | undefined
  /** Of the keys of the order that are names. */
  readonly ranks?: readonly (Ranks | undefined)[]
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
  common?: CommonTokens,
): Promise<SearchResult> {
  const sort = query.sort ?? []
  // columns are ordered alike whatever the types
  const context = JSON.stringify([
    query.also === undefined ? query.type : '*',
    ...sort,
    ...(query.latest ? [query.latest] : []),
  ])
  const from = query.cursor === undefined ? undefined : index.cursors.open(query.cursor, context)
  const named = sort.some(({ by }) => by === 'name')
  const merged = query.also !== undefined && query.count > 0 && !sort.every(isColumn)
  const { rows, ranks } = merged
    ? { rows: await ofTypes(database, index, query, filter, from), ranks: [] }
    : query.latest
      ? { rows: await latest(database, index, query, filter, from), ranks: [] }
      : named && query.count > 0
        ? await byNames(database, index, query, filter, from)
        : { rows: await run(database, compileSearch(index, query, filter, from, { common })), ranks: [] }
  if (rows[0]?.lost) throw lostOrder()
  const seen = rows[0]?.snapshot ?? ''
  const found = rows.filter((row): row is Context & Found => row.pk !== null)
  const more = found.length > query.count
  const page = found.slice(0, query.count)
  if (from?.back) page.reverse()
  const snapshot = from?.snapshot ?? seen
  const at = (row: Found | undefined, back: boolean): string | null =>
    row === undefined ? null : index.cursors.seal(placeOf(row, sort, snapshot, back, ranks), context)
  // a page that was reached from another has that one behind it, whatever is left of it
  const [hasNext, hasPrevious] = from?.back ? [true, more] : [more, from !== undefined]
  return {
    rows: page.map(storedVersion),
    total: query.total ? counted(Number(rows[0]?.total ?? 0), query.totalUpTo) : null,
    next: hasNext ? at(page.at(-1), false) : null,
    previous: hasPrevious ? at(page[0], true) : null,
    snapshot: seen,
  }
}

/** Several types in an order of what is in their records. @throws ConsentryError `conflict` for a place that is not there any more */
async function ofTypes(
  database: Database,
  index: BlindIndex,
  query: SearchQuery,
  filter: RowFilter,
  from: Place | undefined,
): Promise<readonly Row[]> {
  const rows = await mergedTypes<Row>(database, index, query, from, (sql, of, at, ranks) =>
    run(sql, compileSearch(index, of, filter, at, { ranks })),
  )
  if (rows === undefined) throw lostOrder()
  return rows
}

async function run(sql: Pick<Sql, 'query'>, { text, values }: CompiledSearch): Promise<readonly Row[]> {
  return (await sql.query<Row>(text, values)).rows
}

/** Two statements that see the same rows: what the tokens stand for that order them, then the page. */
function byNames(
  database: Database,
  index: BlindIndex,
  query: SearchQuery,
  filter: RowFilter,
  from: Place | undefined,
): Promise<{ rows: readonly Row[]; ranks: readonly (Ranks | undefined)[] }> {
  const keys = (query.sort ?? []).map(({ by, param }) =>
    by === 'name' ? index.sortParameter(query.type, param) : undefined,
  )
  return database.snapshot(async (sql) => {
    const names = await namesOf(sql, index, [...new Set(keys.filter((key) => key !== undefined))])
    const ranks = keys.map((key) => (key === undefined ? undefined : ranksOf(names.get(key) ?? new Map())))
    const at = from && { ...from, keys: from.keys.map((key, i) => ranked(key, ranks[i])) }
    return { rows: await run(sql, compileSearch(index, query, filter, at, { ranks })), ranks }
  })
}

/** A page link has the token of a value, since more values may have come between others since. */
function ranked(key: string | null, ranks: Ranks | undefined): string | null {
  if (key === null || ranks === undefined) return key
  const rank = ranks.get(BigInt(key))
  if (rank === undefined) throw lostOrder()
  return String(rank)
}

/** Two statements that see the same rows: what is one group, then the page. */
function latest(
  database: Database,
  index: BlindIndex,
  query: SearchQuery,
  filter: RowFilter,
  from: Place | undefined,
): Promise<readonly Row[]> {
  return database.snapshot(async (sql) => {
    const parameters = new Parameters()
    const condition = new ClauseCompiler(index, parameters, parameters.filter(filter)).condition(
      query.type,
      query.clauses,
    )
    const linked = await linkedGroups(sql, index, query, parameters, seenBy(from, parameters, condition))
    return run(sql, compileSearch(index, query, filter, from, { linked }))
  })
}

/** On a later page what the first one's snapshot could see. */
function seenBy(from: Place | undefined, parameters: Parameters, condition: string): string {
  return from === undefined ? condition : `${condition} AND ${new Visible(parameters, from.snapshot).ended('r.xid')}`
}

/** One statement: the page with one row more, the snapshot, and the total where it is asked for. */
export function compileSearch(
  index: BlindIndex,
  query: SearchQuery,
  filter: RowFilter,
  from?: Place,
  { linked, common, ranks }: Known = {},
): CompiledSearch {
  const parameters = new Parameters()
  const compiler = new ClauseCompiler(index, parameters, parameters.filter(filter))
  const matching = compiler.conditionOfSeveral([query, ...(query.also ?? [])])
  const chosen = linked && latestRows(index, query, parameters, seenBy(from, parameters, matching), linked)
  const [prefix, condition] =
    chosen === undefined
      ? ['', matching]
      : [`WITH latest AS MATERIALIZED (${chosen}) `, 'r.pk IN (SELECT pk FROM latest)']
  const counting = (of: string): string =>
    query.total ? totalOf(`${condition}${of}`, query, parameters) : 'NULL::bigint'
  if (query.count === 0) {
    // without rows there is no order, and nothing may be bound for one
    const then = from ? ` AND ${new Visible(parameters, from.snapshot).existedThen()}` : ''
    const told = (total: string): string =>
      `SELECT pg_current_snapshot()::text AS snapshot, ${total} AS total, false AS lost, NULL AS pk`
    // PostgreSQL refuses a bound value that the text does not use
    if (!query.total) return { text: told('NULL::bigint'), values: [] }
    return { text: prefix + told(counting(then)), values: parameters.values }
  }
  requireColumns(query)
  const paging = pagingFor(index, parameters, query.type, query.sort ?? [], from, near(compiler, query, common), ranks)
  const context = `SELECT pg_current_snapshot()::text AS snapshot, ${counting(paging.counted)} AS total,
    ${paging.lost(matching)} AS lost`
  const limit = parameters.bind(query.count + 1)
  const keys = Array.from({ length: Math.max(query.sort?.length ?? 0, 1) }, (_, i) => `r.k${i}`)
  return {
    text: `${prefix}SELECT c.snapshot, c.total, c.lost, p.* FROM (${context}) c LEFT JOIN LATERAL (
      SELECT ${VERSION_COLUMNS}, ${keys.join(', ')} FROM (${paging.rows(condition, limit)}) r
      JOIN resource_version v ON v.resource_pk = r.pk AND v.version = r.version
    ) p ON true ORDER BY ${paging.order}`,
    values: parameters.values,
  }
}

function totalOf(condition: string, { totalUpTo }: SearchQuery, parameters: Parameters): string {
  if (totalUpTo === undefined) return `(SELECT count(*) FROM resource r WHERE ${condition})`
  return `(SELECT count(*) FROM (SELECT FROM resource r WHERE ${condition} LIMIT ${parameters.bind(totalUpTo + 1)}) m)`
}

const counted = (total: number, upTo = Infinity): number | null => (total > upTo ? null : total)

function placeOf(
  row: Found,
  sort: readonly SortKey[],
  snapshot: string,
  back: boolean,
  ranks: readonly (Ranks | undefined)[],
): Place {
  const tokens = ranks.map((of) => of && [...of.keys()])
  const keys = Array.from({ length: Math.max(sort.length, 1) }, (_, i) => {
    const found = row[`k${i}`] ?? null
    const key = found === null ? null : (tokens[i]?.[Number(found)] ?? found)
    return Buffer.isBuffer(key) ? key.toString('hex') : key === null ? null : String(key)
  })
  return { snapshot, back, keys, pk: row.pk }
}

const isColumn = ({ by }: SortKey): boolean => by === 'lastUpdated' || by === 'id'

/** Bytes of order are comparable within one parameter of one type: one statement of several types cannot go by them. */
function requireColumns({ also, sort = [] }: SearchQuery): void {
  if (also === undefined || sort.every(isColumn)) return
  throw new ConsentryError('internal', 'One statement of several types is sorted by columns alone.')
}

function lostOrder(): ConsentryError {
  return new ConsentryError(
    'conflict',
    'What this search finds was changed since its first page, so its order cannot be gone on with; start it again.',
    { code: 'expired', expression: ['_cursor'] },
  )
}
