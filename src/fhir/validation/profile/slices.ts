import { count } from './count.js'
import { belongsTo } from './discriminate.js'
import type { Judgement } from './judgement.js'
import type { ElementValue } from './match.js'
import type { Discriminator, ProfileNode, Slicing } from './tree.js'

/**
 * The slices of an element (https://hl7.org/fhir/R4/profiling.html#slicing): each value is checked by the slices that it
 * belongs to, slices of slices included, and what belongs to none must be allowed by the rules of the slicing. Of
 * values whose slice cannot be told nothing is said.
 *
 * @param element what is said of all values; undefined if a differential names slices of an element that it leaves as it is
 */
export function checkSlices(
  values: readonly ElementValue[],
  element: ProfileNode | undefined,
  slices: readonly ProfileNode[],
  judgement: Judgement,
): void {
  const depth = (element?.slice?.split('/').length ?? 0) + 1
  const own = slices.filter(({ slice = '' }) => slice.split('/').length === depth)
  const slicing: Slicing = element?.slicing ?? {}
  const places: (number | undefined)[] = values.map(() => undefined)
  const doubtful = new Set<number>()
  for (const [order, slice] of own.entries()) {
    const discriminators = slicing.discriminator ?? implied(slice)
    const members = values.filter((value, index) => {
      if (!judgement.walk.spend(1)) return false
      const answer = belongsTo(value, slice, discriminators, judgement)
      if (answer === undefined) doubtful.add(index)
      if (answer === true) places[index] ??= order
      return answer === true
    })
    // a value in doubt may be the one that is missing
    if (members.length >= slice.min || doubtful.size === 0) count(members.length, slice, judgement.walk)
    for (const value of members) judgement.check(value, slice)
    const inner = slices.filter((other) => other.slice?.startsWith(`${slice.slice}/`))
    if (inner.length > 0) checkSlices(members, slice, inner, judgement)
  }
  const settled = values.flatMap((value, index) => (doubtful.has(index) ? [] : [{ value, order: places[index] }]))
  checkRules(settled, slicing, own, judgement)
}

/** Extensions are sliced by their url and choices by their type, whether a profile says so or not. */
function implied({ name }: ProfileNode): readonly Discriminator[] {
  return name.endsWith('[x]') ? [{ type: 'type', path: '$this' }] : [{ type: 'value', path: 'url' }]
}

interface Settled {
  readonly value: ElementValue
  /** Which slice, by its order in the definition. */
  readonly order: number | undefined
}

function checkRules(
  settled: readonly Settled[],
  { rules, ordered }: Slicing,
  slices: readonly ProfileNode[],
  { walk }: Judgement,
): void {
  const names = slices.map(({ slice = '' }) => slice).join(', ')
  const last = settled.findLastIndex(({ order }) => order !== undefined)
  let highest = 0
  for (const [index, { value, order }] of settled.entries()) {
    for (const step of value.steps) walk.enter(step)
    if (order === undefined && rules === 'closed') {
      walk.error('structure', `this fits no slice (${names}), and no others are allowed.`)
    } else if (order === undefined && rules === 'openAtEnd' && index < last) {
      walk.error('structure', `this fits no slice (${names}), and others are allowed only after those.`)
    } else if (order !== undefined && ordered === true && order < highest) {
      walk.error('structure', `the slices must be in the order ${names}.`)
    }
    highest = Math.max(highest, order ?? 0)
    for (const _ of value.steps) walk.leave()
  }
}
