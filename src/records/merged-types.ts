import type { BlindIndex } from './blind-index.js'
import type { Place } from './cursor.js'
import type { Database, Sql } from './database.js'
import { jointNames, type OwnKey, PlainOrder } from './plain-order.js'
import type { SearchQuery, SortKey } from './search-query.js'
import { namesOf, type Ranks } from './token-names.js'

/** A row of a page, or what is known of a search that has none. */
export type TypeRow = {
  readonly snapshot: string
  readonly total: bigint | number | null
  readonly lost: boolean
} & ({ readonly pk: null } | ({ readonly pk: bigint } & Readonly<Record<`k${number}`, OwnKey>>))

/** One statement of one type: its page, begun behind a place. */
export type AskType<Row> = (
  sql: Pick<Sql, 'query'>,
  query: SearchQuery,
  from: Place | undefined,
  ranks: readonly (Ranks | undefined)[],
) => Promise<readonly Row[]>

/**
 * A page of several types in an order that their rows do not show: a statement for each type and one for the names that order, all of which see the same
 * rows. Each gives what could be on the page; they are put in order here. Keys of the rows, and so of places, are plain: see `PlainOrder`.
 *
 * @returns undefined if a place cannot be found any more
 */
export async function mergedTypes<Row extends TypeRow>(
  database: Database,
  index: BlindIndex,
  query: SearchQuery,
  from: Place | undefined,
  ask: AskType<Row>,
): Promise<readonly Row[] | undefined> {
  const { also = [], cursor: _, sort = [], ...rest } = query
  const types = [query, ...also]
  return database.snapshot(async (sql) => {
    const joint = await jointOf(sql, index, types, sort)
    const found: Row[] = []
    const contexts: Row[] = []
    for (const [at, { type, clauses }] of types.entries()) {
      const orders = sort.map((key, i) => new PlainOrder(index, type, key, joint[i]?.names))
      const place = from && ownPlace(from, orders)
      if (place === null) return undefined
      const rows = await ask(
        sql,
        { ...rest, sort, type, clauses },
        place,
        sort.map((_key, i) => joint[i]?.ranks[at]),
      )
      contexts.push(...rows.slice(0, 1))
      found.push(...plainRows(rows, orders))
    }
    found.sort(inOrder(sort, from?.back ?? false))
    return withContext(found.slice(0, query.count + 1), contexts)
  })
}

/** Of the keys that are names, the names of all types. */
async function jointOf(
  sql: Pick<Sql, 'query'>,
  index: BlindIndex,
  types: readonly { readonly type: string }[],
  sort: readonly SortKey[],
): Promise<(ReturnType<typeof jointNames> | undefined)[]> {
  const parameters = sort.map(({ by, param }) =>
    by === 'name' ? types.map(({ type }) => index.sortParameter(type, param)) : undefined,
  )
  const wanted = [...new Set(parameters.flatMap((each) => each ?? []))]
  if (wanted.length === 0) return sort.map(() => undefined)
  const names = await namesOf(sql, index, wanted)
  return parameters.map((each) => each && jointNames(each.map((parameter) => names.get(parameter) ?? new Map())))
}

function ownPlace(from: Place, orders: readonly PlainOrder[]): Place | null {
  const keys = from.keys.map((key, i) => (key === null ? null : orders[i]?.own(key)))
  return keys.includes(undefined) ? null : { ...from, keys: keys as (string | null)[] }
}

function plainRows<Row extends TypeRow>(rows: readonly Row[], orders: readonly PlainOrder[]): Row[] {
  const there = rows.filter((row) => row.pk !== null)
  const columns = orders.map((order, i) => order.plain(there.map((row) => keyOf(row, i))))
  return there.map((row, at) => ({
    ...row,
    ...Object.fromEntries(columns.map((column, i) => [`k${i}`, column[at] ?? null])),
  }))
}

const keyOf = (row: TypeRow, i: number): OwnKey => (row.pk === null ? null : (row[`k${i}`] ?? null))

/** As the statement of a type orders its own rows: those without a value last going on, and first going back. */
function inOrder(sort: readonly SortKey[], back: boolean): (a: TypeRow, b: TypeRow) => number {
  return (a, b) => {
    for (const [i, { descending }] of sort.entries()) {
      const [one, other] = [keyOf(a, i) as string | null, keyOf(b, i) as string | null]
      if (one === other) continue
      if (one === null || other === null) return (one === null) === back ? -1 : 1
      return one < other === (descending === back) ? -1 : 1
    }
    return (a.pk ?? 0n) < (b.pk ?? 0n) === back ? 1 : -1
  }
}

function withContext<Row extends TypeRow>(page: readonly Row[], contexts: readonly Row[]): readonly Row[] {
  const total = contexts.reduce((sum, each) => sum + BigInt(each.total ?? 0), 0n)
  const lost = contexts.some((each) => each.lost)
  const rows = page.length > 0 ? page : contexts.slice(0, 1).map((each) => ({ ...each, pk: null }))
  return rows.map((row) => ({ ...row, total, lost }))
}
