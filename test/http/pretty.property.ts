import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { indentJson } from '../../src/http/pretty.js'

describe('indentation of JSON text', () => {
  it('is what JSON.stringify would do, for every value', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(indentJson(text)).toBe(JSON.stringify(JSON.parse(text, noNegativeZero), null, 2))
      }),
    )
  })

  it('keeps every number as it was written', () => {
    expect(indentJson('{"a":1.50,"b":[1e400,-0.0,0.10E-2]}')).toBe(
      '{\n  "a": 1.50,\n  "b": [\n    1e400,\n    -0.0,\n    0.10E-2\n  ]\n}',
    )
  })
})

/** fc.json writes -0 as 0 already, but 1e-7 and the like are written as JSON.stringify writes them. */
function noNegativeZero(_key: string, value: unknown): unknown {
  return Object.is(value, -0) ? 0 : value
}
