import { ExactNumber, isNumber, numberText } from '../../json.js'

type JsonMap = Readonly<Record<string, unknown>>

export const isMap = (value: unknown): value is JsonMap =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)

/** One value of an element, with the step that leads to it and, for a choice, its type. */
export interface ElementValue {
  /** Undefined for a primitive that has only extensions. */
  readonly value: unknown
  /** The id and the extensions of a primitive, from the property with an underscore. */
  readonly beside: JsonMap | undefined
  readonly steps: readonly (string | number)[]
  readonly type: string | undefined
}

/** A value that stands for itself, such as a resource. */
export const alone = (value: unknown): ElementValue => ({ value, beside: undefined, steps: [], type: undefined })

const NONE: readonly ElementValue[] = []

/** The values of an element in its parent; those of `value[x]` are under the property that carries the type. */
export function valuesOf(parent: ElementValue, name: string): readonly ElementValue[] {
  const { value, beside } = parent
  const holder = isMap(value) ? value : beside
  // the value of a primitive, which XML has as an attribute
  if (!isMap(value) && name === 'value') return value === undefined ? NONE : [{ ...alone(value), steps: ['value'] }]
  if (holder === undefined) return NONE
  if (!name.endsWith('[x]')) return listed(holder, name, name, undefined)
  const base = name.slice(0, -3)
  const properties = new Set<string>()
  for (const key in holder) {
    const property = key.startsWith('_') ? key.slice(1) : key
    if (property.startsWith(base) && /^[A-Z]/.test(property.slice(base.length))) properties.add(property)
  }
  return [...properties].flatMap((property) => {
    const type = typeOf(property.slice(base.length))
    return listed(holder, property, `${base}.ofType(${type})`, type)
  })
}

const PRIMITIVE =
  /^(?:Base64Binary|Boolean|Canonical|Code|Date|DateTime|Decimal|Id|Instant|Integer|Markdown|Oid|PositiveInt|String|Time|UnsignedInt|Uri|Url|Uuid)$/

const typeOf = (suffix: string): string =>
  PRIMITIVE.test(suffix) ? suffix.charAt(0).toLowerCase() + suffix.slice(1) : suffix

function listed(holder: JsonMap, property: string, step: string, type: string | undefined): readonly ElementValue[] {
  const value = holder[property]
  const beside = holder[`_${property}`]
  if (value === undefined && beside === undefined) return NONE
  if (!Array.isArray(value) && !Array.isArray(beside)) {
    return [{ value, beside: isMap(beside) ? beside : undefined, steps: [step], type }]
  }
  const values = Array.isArray(value) ? (value as unknown[]) : []
  const besides = Array.isArray(beside) ? (beside as unknown[]) : []
  return Array.from({ length: Math.max(values.length, besides.length) }, (_, index) => {
    const extra = besides[index]
    return { value: values[index] ?? undefined, beside: isMap(extra) ? extra : undefined, steps: [step, index], type }
  })
}

/** `fixed[x]`: the same value, nothing more. */
export function isFixed(value: unknown, fixed: unknown): boolean {
  if (isNumber(value) && isNumber(fixed)) return numberText(value) === numberText(fixed)
  if (Array.isArray(value)) {
    return Array.isArray(fixed) && value.length === fixed.length && value.every((item, i) => isFixed(item, fixed[i]))
  }
  if (!isMap(value) || !isMap(fixed)) return value === fixed
  const keys = Object.keys(value)
  return keys.length === Object.keys(fixed).length && keys.every((key) => isFixed(value[key], fixed[key]))
}

/** `pattern[x]`: at least what the pattern says; each item of its arrays must be somewhere among the values. */
export function fitsPattern(value: unknown, pattern: unknown): boolean {
  if (Array.isArray(pattern)) {
    return Array.isArray(value) && pattern.every((wanted) => value.some((item) => fitsPattern(item, wanted)))
  }
  if (!isMap(pattern)) return isFixed(value, pattern)
  return isMap(value) && Object.keys(pattern).every((key) => fitsPattern(value[key], pattern[key]))
}
