import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { canonicalJson, canonicalMembers, canonicalObject } from '../../src/audit/canonical-json.js'

const key = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom('10', '9', '1', '__proto__', 'constructor', 'toJSON', 'é', 'a', 'A', 'ﬁ', '\u{1f600}'),
)
const anyJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'binary' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, fc.oneof(tie('value'), fc.constant(undefined)), { maxKeys: 6, noNullPrototype: true }),
  ),
})).value

const told = (make: () => unknown): unknown => {
  try {
    return make()
  } catch {
    return 'refused'
  }
}

it('is what the general implementation of RFC 8785 writes or refuses', () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      expect(told(() => canonicalJson(value))).toBe(told(() => canonicalize(value)))
    }),
    { numRuns: 1000 },
  )
})

it.each([
  ['a lone surrogate', { a: '\ud800' }],
  ['an escaped backslash before ud', { a: '\\ud' }],
  ['keys that are numbers', { b: 1, 10: 1, 9: 1 }],
  ['own notion of JSON', { a: new Date(0) }],
  ['not a number', { a: [NaN] }],
])('is the same for %s', (_, value) => {
  expect(told(() => canonicalJson(value))).toBe(told(() => canonicalize(value)))
})

it('puts an object together from the members of its parts', () => {
  const elements = fc.dictionary(fc.string({ minLength: 1, maxLength: 6 }), fc.jsonValue(), { noNullPrototype: true })
  fc.assert(
    fc.property(elements, fc.func(fc.boolean()), (object, isFirst) => {
      const half = (wanted: boolean) =>
        canonicalMembers(Object.fromEntries(Object.entries(object).filter(([key]) => isFirst(key) === wanted)))
      expect(canonicalObject(half(true), half(false))).toBe(canonicalize(object))
    }),
  )
})
