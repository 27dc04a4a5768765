import { elementsOf } from '../definitions/elements.js'
import type { SearchParameter } from './table.js'

/** Data types that make one token each. */
const PLAIN: ReadonlySet<string> = new Set(['boolean', 'code', 'id', 'uri', 'string', 'url', 'canonical', 'Reference'])

/** True for a parameter that finds one value in a resource at most, by the cardinality of the elements on its path. */
export function isSingle(type: string, { paths }: Pick<SearchParameter, 'paths'>): boolean {
  const [path, ...more] = paths
  if (path === undefined || more.length > 0 || !PLAIN.has(path[1])) return false
  let at = type
  for (const step of path[0].split('.')) {
    const element = elementsOf(at)?.get(step)
    if (element === undefined || element.many) return false
    at = element.type
  }
  return true
}
