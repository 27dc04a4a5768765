import type { Filter } from '../clauses/clause.js'
import { ConsentryError } from '../errors.js'

/** @throws ConsentryError `not-supported` for a modifier that is not among those served */
export function refuse(filter: Filter, served: readonly string[]): void {
  if (filter.modifier !== undefined && !served.includes(filter.modifier)) {
    throw unsupported(`${filter.param}:${filter.modifier}`)
  }
}

export function unsupported(parameter: string): ConsentryError {
  return new ConsentryError('not-supported', `The search parameter '${parameter}' is not served.`, {
    expression: [parameter],
  })
}
