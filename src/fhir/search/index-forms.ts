import { createHash } from 'node:crypto'
import { groupedBy } from './grouping.js'
import { resourceTypes, searchParametersOf } from './table.js'

/**
 * By type, a text of all that its search parameters find, for telling whether records from before are still indexed by the same.
 *
 * @param form how values of a type are written into the index
 */
export function indexForms(form: (type: string) => number): Record<string, string> {
  return Object.fromEntries(
    resourceTypes().map((type) => {
      const parameters = Array.from(
        searchParametersOf(type).values(),
        ({ code, kind, paths, targets, components, groups }) =>
          JSON.stringify([code, kind, paths, targets, components, groups]),
      )
      const group = groupedBy(type)
      const text = JSON.stringify([form(type), ...parameters.sort(), ...(group === undefined ? [] : ['group', group])])
      return [type, createHash('sha256').update(text).digest('base64url').slice(0, 22)]
    }),
  )
}
