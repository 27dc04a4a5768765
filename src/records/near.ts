import type { ClauseCompiler } from './clauses.js'
import type { CommonTokens } from './common-tokens.js'
import type { SearchQuery } from './search-query.js'

/** Some 20 ms. */
const MOST_NEAR = 10_000

/**
 * How many rows to go through in their order for a page of what is common: three times as many as there should be to find it. `null` where that
 * is no small part of what it saves, which is to look at every row that matches; so it may find too little without harm.
 */
export function near(
  compiler: ClauseCompiler,
  { type, clauses, count, also, latest }: SearchQuery,
  common: CommonTokens | undefined,
): number | null {
  if (common === undefined || also !== undefined || latest !== undefined) return null
  const share = compiler.share(type, clauses, common)
  const rows = Math.ceil((3 * (count + 1)) / share)
  return rows <= MOST_NEAR && rows < (share * common.rows) / 2 ? rows : null
}
