import { describe, expect, it } from 'vitest'
import { BlindIndex } from '../../src/records/blind-index.js'
import type { IndexValue } from '../../src/records/search-query.js'

const index = new BlindIndex(new Uint8Array(32).fill(1))
const entries = (...values: IndexValue[]) => index.entries('Observation', values)
const codes = (param: string, count: number): IndexValue[] =>
  Array.from({ length: count }, (_, i) => ({ param, kind: 'token', system: 's', code: `${param}${i}` }))
const refused = expect.objectContaining({
  kind: 'too-large',
  issues: [expect.objectContaining({ code: 'too-costly' })],
})

describe('what one resource may be indexed by', () => {
  it('is enough for a composite of many codings and for long lists of codes', () => {
    // by code, by code and system, and by the one system
    expect(entries({ param: 'c', kind: 'composite', parts: [codes('a', 30), codes('b', 30)] }).tokens).toHaveLength(
      1 + 61 * 61,
    )
    // that there is one, the system, and of each its code alone and with the system
    expect(entries(...codes('code', 10_000)).tokens).toHaveLength(2 + 2 * 10_000)
  })

  it('does not grow with the product of what stands in one element, which is refused before it is made', () => {
    const parts = [codes('a', 2_000), codes('b', 2_000)]
    expect(() => entries({ param: 'c', kind: 'composite', parts })).toThrow(refused)
    const quantities = Array.from({ length: 500 }, (): IndexValue => ({
      param: 'q',
      kind: 'number',
      value: '1',
      lo: '0',
      hi: '2',
    }))
    expect(() => entries({ param: 'c', kind: 'composite', parts: [codes('a', 500), quantities, quantities] })).toThrow(
      refused,
    )
  })

  it('does not grow with the square of a URL', () => {
    const value = `http://a${'/a'.repeat(20_000)}`
    const within = Array.from({ length: 20_000 }, (_, i) => value.slice(0, 8 + 2 * i))
    expect(() => entries({ param: 'url', kind: 'uri', value, within })).toThrow(refused)
  })

  it('is refused for too many texts', () => {
    const texts = Array.from({ length: 1_000 }, (_, i): IndexValue => {
      const value = `${i} `.repeat(200)
      return { param: 'name', kind: 'string', value, normal: value }
    })
    expect(() => entries(...texts)).toThrow(refused)
  })
})
