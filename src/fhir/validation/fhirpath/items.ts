import { ExactNumber, isNumber, numberValue } from '../../json.js'
import { dateRange } from '../../search/date-range.js'

/**
 * A collection of FHIRPath: JSON values. A primitive that has only extensions is `WITHOUT_VALUE`, or the null that
 * holds its place in an array.
 */
export type Items = readonly unknown[]

export const NOTHING: Items = []
export const WITHOUT_VALUE = Object.freeze({ primitive: 'without value' })

/** What one evaluation may look at and spend. */
export interface Environment {
  /** The focus of the whole constraint (`%context`). */
  readonly context: unknown
  /** The resource that holds the focus (`%resource`) and the one that contains that (`%rootResource`). */
  readonly resource: unknown
  readonly rootResource: unknown
  /** The id and the extensions of the focus, if that is a primitive. */
  readonly beside?: object | undefined
  /** Counts down; a hostile document cannot make an invariant run for long. */
  readonly spend: (steps: number) => void
  /** Absent while the structure of R4 alone is checked. */
  readonly surroundings?: Surroundings | undefined
}

/** What an expression may ask of more than the value at hand. */
export interface Surroundings {
  /** The resource in the document that a reference of the focused resource means. */
  resolve(reference: string, from: object): object | undefined
  /** Undefined if nobody here knows. */
  memberOf(value: unknown, valueSet: string): boolean | undefined
  conformsTo(resource: object, profile: string): boolean | undefined
}

type JsonMap = Readonly<Record<string, unknown>>

export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)
}

/** Equality of values, `=`: numbers by value, objects by their properties in any order. */
export function equal(a: unknown, b: unknown, env: Environment): boolean {
  env.spend(1)
  if (a === b) return true
  if (isNumber(a) && isNumber(b)) return numberValue(a) === numberValue(b)
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => equal(item, b[index], env))
  }
  if (!isMap(a) || !isMap(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key], env))
}

/** A string that is the same for equal primitives; objects only if they are written in the same order. */
export function identity(value: unknown): string {
  if (isNumber(value)) return `n${numberValue(value)}`
  return typeof value === 'string' ? `s${value}` : JSON.stringify(value)
}

/**
 * −1, 0 or 1, or undefined where precision (`2015` and `2015-03`), unit or type leave it open.
 */
export function compare(a: unknown, b: unknown): number | undefined {
  if (isNumber(a) && isNumber(b)) return Math.sign(numberValue(a) - numberValue(b))
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b)
  if (!isMap(a) || !isMap(b)) return undefined
  return a['code'] === b['code'] && a['system'] === b['system'] && a['unit'] === b['unit']
    ? compare(a['value'], b['value'])
    : undefined
}

function compareTexts(a: string, b: string): number | undefined {
  if (a === b) return 0
  const left = dateRange(a)
  const right = dateRange(b)
  if (left === undefined || right === undefined) return a < b ? -1 : 1
  // dates of one precision are ordered; overlapping ones of different precision are not
  if (left.hi <= right.lo) return -1
  if (right.hi <= left.lo) return 1
  return left.lo === right.lo && left.hi === right.hi ? 0 : undefined
}
