import type { Walk } from '../walk.js'
import type { ElementValue } from './match.js'
import type { ProfileNode } from './tree.js'

/** Finds the tree of a profile, laid over those under it; undefined if it is not loaded. */
export type TreeOf = (canonical: string) => ProfileNode | undefined

/** What the judgement of one document by profiles knows besides the value that it looks at. */
export interface Judgement {
  readonly walk: Walk
  readonly treeOf: TreeOf
  /** The resource in the document that a reference of the resource at hand means; undefined if it is not there. */
  resolve(reference: string): object | undefined
  /** Reports what a value breaks of a part of a profile. */
  check(one: ElementValue, node: ProfileNode): void
  /** Whether it breaks anything. */
  conforms(one: ElementValue, node: ProfileNode): boolean
}
