import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJson, stringify } from '../../src/fhir/json.js'
import { planOf } from '../../src/gateway/json-plan.js'
import { parseInTurns } from '../../src/gateway/parse-in-turns.js'

const number = fc.oneof(
  fc.integer().map(String),
  fc.constantFrom('1.50', '-0', '1e3', '0.12345678901234567890', '1.0E-2'),
)
const blank = fc.constantFrom('', ' ', '\n\t', '\r\n  ')
const text = fc.string({ unit: fc.constantFrom('a', '"', '\\', 'é', '😀', '{', ']', ',', ':', '\n', '\u0001') })
const { json } = fc.letrec<{ json: string; list: string; object: string }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    number,
    text.map((value) => JSON.stringify(value)),
    fc.constantFrom('true', 'false', 'null', '"\\u00e9\\"\\\\"', '[]', '{}'),
    tie('list'),
    tie('object'),
  ),
  list: fc
    .tuple(fc.array(tie('json'), { maxLength: 6 }), blank)
    .map(([items, b]) => `[${b}${items.join(`${b},${b}`)}${b}]`),
  object: fc
    .tuple(fc.uniqueArray(fc.tuple(text, tie('json')), { maxLength: 5, selector: ([key]) => key }), blank)
    .map(
      ([pairs, b]) =>
        `{${b}${pairs.map(([key, v]) => `${JSON.stringify(`k${key}`)}${b}:${b}${v}`).join(`${b},${b}`)}${b}}`,
    ),
}))

describe('a JSON text parsed in pieces', () => {
  it('is what it is parsed at once, digits and order of keys included, whatever the size of pieces', async () => {
    await fc.assert(
      fc.asyncProperty(json, blank, fc.constantFrom(1, 8, 40, 10_000), fc.boolean(), async (inner, b, piece, mark) => {
        const bytes = Buffer.from(`${mark ? '\ufeff' : ''}${b}${inner}${b}`)
        const value = await parseInTurns(bytes, planOf(bytes, piece), async () => undefined)
        const expected = parseJson(bytes)
        expect(value).toEqual(expected)
        expect(stringify(value)).toBe(stringify(expected))
      }),
      { numRuns: 1_500 },
    )
  })

  it('has its pauses', async () => {
    const bytes = Buffer.from(
      JSON.stringify({ item: Array.from({ length: 200_000 }, (_, i) => ({ linkId: String(i) })) }),
    )
    let pauses = 0
    await parseInTurns(bytes, planOf(bytes), async () => pauses++)
    expect(pauses).toBeGreaterThan(2)
  })
})
