import { compare } from '../fhirpath/items.js'
import type { Walk } from '../walk.js'
import type { ProfileNode } from './tree.js'

/** `maxLength`, `minValue[x]` and `maxValue[x]` of an ElementDefinition; what cannot be compared is in the range. */
export function checkRange(value: unknown, { maxLength, minValue, maxValue }: ProfileNode, walk: Walk): void {
  if (maxLength !== undefined && typeof value === 'string' && value.length > maxLength) {
    walk.error('too-long', `must have at most ${maxLength} characters.`)
  }
  if (minValue !== undefined && (compare(value, minValue) ?? 0) < 0) {
    walk.error('value', `must be at least ${shown(minValue)}.`)
  }
  if (maxValue !== undefined && (compare(value, maxValue) ?? 0) > 0) {
    walk.error('value', `must be at most ${shown(maxValue)}.`)
  }
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
