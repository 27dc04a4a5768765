import { ExactNumber, isNumber, numberText } from '../../json.js'
import type { ProfileNode, Slicing } from './tree.js'

type JsonMap = Readonly<Record<string, unknown>>

export const isMap = (value: unknown): value is JsonMap =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)

/** One value of an element, with the step that leads to it and, for a choice, its type. */
export interface ElementValue {
  readonly value: unknown
  readonly steps: readonly (string | number)[]
  readonly type: string | undefined
}

/** The values of an element in its parent; those of `value[x]` are under the property that carries the type. */
export function valuesOf(parent: unknown, name: string): ElementValue[] {
  if (!isMap(parent)) return []
  if (!name.endsWith('[x]')) return listed(parent[name], name, undefined)
  const base = name.slice(0, -3)
  const property = Object.keys(parent).find((key) => key.startsWith(base) && /^[A-Z]/.test(key.slice(base.length)))
  if (property === undefined) return []
  const suffix = property.slice(base.length)
  const type =
    /^(?:Base64|Boolean|Canonical|Code$|Date|Decimal|Id$|Instant|Integer|Markdown|Oid|Positive|String|Time$|Unsigned|Ur|Uuid)/.test(
      suffix,
    )
      ? suffix.charAt(0).toLowerCase() + suffix.slice(1)
      : suffix
  return listed(parent[property], `${base}.ofType(${type})`, type)
}

function listed(value: unknown, step: string, type: string | undefined): ElementValue[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) return [{ value, steps: [step], type }]
  return value.map((item: unknown, index) => ({ value: item, steps: [step, index], type }))
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

/**
 * Whether a value belongs to a slice, by all discriminators
 * (https://hl7.org/fhir/R4/profiling.html#discriminator); undefined where a discriminator cannot be told from the
 * differential alone, so that nothing is said of such slices.
 */
export function belongsTo(value: ElementValue, slice: ProfileNode, slicing: Slicing | undefined): boolean | undefined {
  const discriminators = slicing?.discriminator ?? [{ type: 'value', path: 'url' }]
  let belongs = true
  for (const { type, path } of discriminators) {
    const answer = discriminate(value, slice, type, path)
    if (answer === undefined) return undefined
    belongs &&= answer
  }
  return belongs
}

function discriminate(value: ElementValue, slice: ProfileNode, type: string, path: string): boolean | undefined {
  const profile = slice.types[0]?.profile?.[0]
  if (path === 'url' && profile !== undefined) return isMap(value.value) && value.value['url'] === profile
  if (type === 'type' && path === '$this' && value.type !== undefined) {
    return slice.types.some(({ code }) => code === value.type)
  }
  if (type !== 'value' && type !== 'pattern' && type !== 'exists') return undefined
  const steps = path === '$this' ? [] : path.split('.')
  let node: ProfileNode | undefined = slice
  let values: unknown[] = [value.value]
  for (const step of steps) {
    node = node?.children.find((child) => child.name.replace('[x]', '') === step)
    values = values.flatMap((at) => valuesOf(at, node?.name ?? step).map((found) => found.value))
  }
  if (node === undefined) return undefined
  if (type === 'exists') return node.max === 0 ? values.length === 0 : values.length > 0
  const { fixed, pattern } = node
  if (fixed !== undefined) return values.some((at) => isFixed(at, fixed))
  return pattern === undefined ? undefined : values.some((at) => fitsPattern(at, pattern))
}
