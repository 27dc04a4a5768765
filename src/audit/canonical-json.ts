import canonicalize from 'canonicalize'

/**
 * The canonical form of JSON, RFC 8785: keys in the order of their UTF-16 code units, numbers and strings as ECMAScript
 * writes them. The native writer does all but the order, so it is given a sorted copy, in a fifth of the time; what such
 * a copy cannot show goes to the general implementation.
 * @throws Error for what has no canonical form, such as a lone surrogate
 */
export function canonicalJson(value: unknown): string {
  const sorted = sortedCopy(value)
  const text = sorted === UNUSUAL ? undefined : JSON.stringify(sorted)
  return text === undefined || LONE_SURROGATE.test(text) ? (canonicalize(value) as string) : text
}

/** A key of an object with the canonical form of its value, `"key":value`. */
export interface CanonicalMember {
  readonly key: string
  readonly text: string
}

/** The members of an object in their order, to be written together with those of others. */
export function canonicalMembers(object: Readonly<Record<string, unknown>>): CanonicalMember[] {
  return Object.keys(object)
    .filter((key) => object[key] !== undefined)
    .sort()
    .map((key) => ({ key, text: `${canonicalJson(key)}:${canonicalJson(object[key])}` }))
}

/** The canonical form of an object that has the members of both, each of which is in its order; no key is in both. */
export function canonicalObject(a: readonly CanonicalMember[], b: readonly CanonicalMember[]): string {
  const members = [...a, ...b].sort((x, y) => (x.key < y.key ? -1 : 1))
  return `{${members.map(({ text }) => text).join(',')}}`
}

/** As the native writer escapes it; in an escaped backslash it is not one, and the general implementation knows. */
const LONE_SURROGATE = /\\ud/
const UNUSUAL = Symbol('has no sorted copy')
/** Objects list such keys first, whatever the order they came in; `__proto__` is no key of a copy. */
const MOVES = /^(?:\d|__proto__$)/

function sortedCopy(value: unknown): unknown {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : UNUSUAL
  if (Array.isArray(value)) {
    const copy: unknown[] = []
    for (const element of value as readonly unknown[]) {
      const sorted = sortedCopy(element)
      if (sorted === UNUSUAL) return UNUSUAL
      copy.push(sorted)
    }
    return copy
  }
  if (typeof value !== 'object' || 'toJSON' in value) return UNUSUAL
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value).sort()) {
    if (MOVES.test(key)) return UNUSUAL
    const element = (value as Readonly<Record<string, unknown>>)[key]
    if (element === undefined) continue
    const sorted = sortedCopy(element)
    if (sorted === UNUSUAL) return UNUSUAL
    copy[key] = sorted
  }
  return copy
}
