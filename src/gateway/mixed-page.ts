import type { SearchQuery } from '../records/search-query.js'

/** A page of a search whose first matches are not in rows: which of them are on it, and what the rows are asked. */
export interface MixedPage<T> {
  readonly first: readonly T[]
  readonly asked: SearchQuery
  /** @param rows matches in rows, of all pages @returns the cursor of the next page; `null`: the rows have it */
  readonly next: (rows: number | null) => string | null
}

/** A page link of ours: how many of the first were shown. Those of rows are sealed and have no dot. */
const FORM = /^first\.(\d{1,4})$/

/** @param all that come before the rows, whatever the order of these is */
export function mixedPage<T>(all: readonly T[], query: SearchQuery): MixedPage<T> {
  const { cursor, ...begun } = query
  const before = cursor === undefined ? 0 : Number(FORM.exec(cursor)?.[1] ?? all.length)
  const ours = cursor === undefined || FORM.test(cursor)
  const first = ours ? all.slice(before, before + query.count) : []
  if (first.length === 0) return { first, asked: ours ? begun : query, next: () => null }
  const shown = before + first.length
  const full = first.length === query.count
  return {
    first,
    // A full page still has to know whether rows come after it.
    asked: { ...begun, count: query.count - first.length, total: query.total || full },
    next: (rows) => (full && (shown < all.length || rows !== 0) ? `first.${shown}` : null),
  }
}
