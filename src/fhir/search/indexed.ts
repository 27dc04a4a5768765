import { READERS } from './readers.js'
import type { SearchParameter } from './table.js'

/** Columns of a record rather than entries of its index. */
const COLUMNS: ReadonlySet<string> = new Set(['_id', '_lastUpdated'])

/** True for a parameter that `indexValues` fills. `_query` has no expression to fill it by, `_text` and `_content` only where the site wants them. */
export function isIndexed({ kind, code, paths, groups }: SearchParameter): boolean {
  if (kind === 'composite') return groups.length > 0
  return READERS[kind] !== undefined && paths.length > 0 && !COLUMNS.has(code)
}
