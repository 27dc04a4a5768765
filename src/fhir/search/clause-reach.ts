import type { Clause } from './query.js'

const COLUMNS: ReadonlySet<string> = new Set(['_id', '_lastUpdated'])

/** True for what asks columns of a record alone, which is the same for every type. */
export function asksColumns(clause: Clause): boolean {
  switch (clause.is) {
    case 'filter':
    case 'missing':
      return COLUMNS.has(clause.param)
    case 'all':
    case 'any':
      return clause.clauses.every(asksColumns)
    case 'none':
      return asksColumns(clause.clause)
    case 'chain':
    case 'has':
      return false
  }
}

/** True for what cannot be told of one resource alone. */
export function asksOthers(clause: Clause): boolean {
  switch (clause.is) {
    case 'chain':
    case 'has':
      return true
    case 'all':
    case 'any':
      return clause.clauses.some(asksOthers)
    case 'none':
      return asksOthers(clause.clause)
    case 'filter':
    case 'missing':
      return false
  }
}
