import type { Walk } from '../walk.js'
import type { ProfileNode } from './tree.js'

/** How often an element or a slice is there. */
export function count(found: number, { name, slice, min, max }: ProfileNode, walk: Walk): void {
  if (found >= min && found <= max) return
  const what = slice === undefined ? 'the element' : `the slice ${slice}`
  const wanted = found < min ? `at least ${min}` : `at most ${max}`
  walk.enter(name.replace('[x]', ''))
  walk.error(
    found < min ? 'required' : 'structure',
    `${what} must be there ${wanted} time${wanted.endsWith(' 1') ? '' : 's'}, not ${found}.`,
  )
  walk.leave()
}
