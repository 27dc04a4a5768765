import type { Clause, Filter } from './clause.js'

/** The clause with each filter in it, however deep, replaced by what it becomes. */
export function mapFilters(clause: Clause, change: (filter: Filter) => Clause): Clause {
  switch (clause.is) {
    case 'filter':
      return change(clause)
    case 'missing':
      return clause
    case 'chain':
      return { ...clause, targets: clause.targets.map((to) => ({ ...to, clause: mapFilters(to.clause, change) })) }
    case 'has':
    case 'none':
      return { ...clause, clause: mapFilters(clause.clause, change) }
    case 'all':
    case 'any':
      return { ...clause, clauses: clause.clauses.map((each) => mapFilters(each, change)) }
  }
}

/** Every filter in the clause. */
export function filtersIn(clause: Clause): Filter[] {
  const found: Filter[] = []
  mapFilters(clause, (filter) => {
    found.push(filter)
    return filter
  })
  return found
}
