import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { ExactNumber, isNumber, numberText, parseJson, stringify, type JsonValue } from '../../src/fhir/json.js'

const decimalText = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(fc.constant('0'), fc.stringMatching(/^[1-9][0-9]{0,24}$/)),
    fc.oneof(fc.constant(''), fc.stringMatching(/^\.[0-9]{1,24}$/)),
    fc.oneof(fc.constant(''), fc.stringMatching(/^[eE][+-]?[0-9]{1,2}$/)),
  )
  .map((parts) => parts.join(''))

const key = fc
  .oneof(fc.string({ unit: 'binary' }), fc.constantFrom('0', '7', '42', '1x'))
  .filter((k) => k !== '__proto__')

/** A JSON text and what it means, built together, so that the parser is not its own judge. */
const { document } = fc.letrec<{ document: { text: string; value: JsonValue } }>((tie) => ({
  document: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom(...[true, false, null].map((value) => ({ text: String(value), value }))),
    fc.string({ unit: 'binary' }).map((value) => ({ text: JSON.stringify(value), value })),
    decimalText.map((text) => ({ text, value: String(Number(text)) === text ? Number(text) : new ExactNumber(text) })),
    fc.array(tie('document')).map((items) => ({
      text: `[ ${items.map((item) => item.text).join(' ,')}\n]`,
      value: items.map((item) => item.value),
    })),
    fc.uniqueArray(fc.tuple(key, tie('document')), { selector: ([name]) => name }).map((entries) => ({
      text: `{${entries.map(([name, item]) => `${JSON.stringify(name)} :${item.text}`).join(',\t')} }`,
      value: Object.fromEntries(entries.map(([name, item]) => [name, item.value])),
    })),
  ),
}))

describe('parseJson and stringify', () => {
  it('read what a text means, and write it so that it reads equal', () => {
    fc.assert(
      fc.property(document, ({ text, value }) => {
        const parsed = parseJson(text)
        expect(parsed).toEqual(value)
        expect(parseJson(stringify(parsed))).toEqual(value)
        expect(parseJson(new TextEncoder().encode(stringify(parsed, 2)))).toEqual(value)
      }),
      { numRuns: 300 },
    )
  })

  it('give every number back in its own digits', () => {
    fc.assert(
      fc.property(decimalText, (text) => {
        const parsed = parseJson(text)
        if (!isNumber(parsed)) throw new Error('not a number')
        expect(numberText(parsed)).toBe(text)
        expect(stringify({ a: [parsed] })).toBe(`{"a":[${text}]}`)
      }),
      { numRuns: 500 },
    )
  })

  it('accept a damaged text only where the native parser does, and refuse with a reason otherwise', () => {
    const damage = fc.tuple(document, fc.nat(), fc.nat(3), fc.string({ maxLength: 3 }))
    fc.assert(
      fc.property(damage, ([{ text }, at, removed, inserted]) => {
        const index = at % (text.length + 1)
        const damaged = text.slice(0, index) + inserted + text.slice(index + removed)
        let native: unknown
        try {
          native = JSON.parse(damaged)
        } catch {
          native = undefined
        }
        try {
          const parsed = parseJson(damaged)
          expect(JSON.parse(stringify(parsed))).toEqual(native)
        } catch (error) {
          if (!(error instanceof ConsentryError)) throw error
          expect(error.kind).toBe('malformed')
          if (native === undefined) expect(error.message).not.toContain('the document was refused')
        }
      }),
      { numRuns: 500 },
    )
  })

  it('refuse arbitrary bytes or read them, and never fail otherwise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (input) => {
        try {
          parseJson(input)
        } catch (error) {
          expect(error).toBeInstanceOf(ConsentryError)
        }
      }),
      { numRuns: 500 },
    )
  })
})
