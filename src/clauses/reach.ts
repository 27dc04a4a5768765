import type { Chain, Clause, Filter, Missing, ReverseChain } from './clause.js'

/** Parameters that are columns of a record rather than entries of its index. */
export const COLUMNS: ReadonlySet<string> = new Set(['_id', '_lastUpdated'])

/** True for what asks columns of a record alone, which is the same for every type. */
export function asksColumns(clause: Clause): boolean {
  return !asks(clause, (part) => part.is === 'chain' || part.is === 'has' || !COLUMNS.has(part.param))
}

/** True for what cannot be told of one resource alone. */
export function asksOthers(clause: Clause): boolean {
  return asks(clause, ({ is }) => is === 'chain' || is === 'has')
}

/** Whether any part of the clause is such a one, however deep in alternatives and negations. A chain is one part. */
export function asks(clause: Clause, such: (part: Filter | Missing | Chain | ReverseChain) => boolean): boolean {
  switch (clause.is) {
    case 'all':
    case 'any':
      return clause.clauses.some((each) => asks(each, such))
    case 'none':
      return asks(clause.clause, such)
    default:
      return such(clause)
  }
}
