import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { parseSearch } from '../../src/fhir/search-query.js'
import { dateRange } from '../../src/fhir/search/date-range.js'
import { decimalRange } from '../../src/fhir/search/decimal.js'
import { splitEscaped, unescape } from '../../src/fhir/search/escape.js'
import { normaliseString } from '../../src/fhir/search/normalise.js'
import { searchParametersOf } from '../../src/fhir/search-parameters.js'

const types = ['Patient', 'Observation', 'Bundle', 'MolecularSequence', 'Location', 'Nonsense']
const codes = [...new Set(types.flatMap((type) => [...searchParametersOf(type).keys()]))]
const word = fc.oneof(
  fc.constantFrom(
    ...codes,
    '_has',
    '_count',
    '_sort',
    '_include',
    'Patient',
    'Observation',
    'exact',
    'missing',
    'of-type',
  ),
  fc.string({ maxLength: 8 }),
)
const name = fc
  .array(fc.tuple(word, fc.constantFrom('', ':', '.', '-')), { maxLength: 6 })
  .map((parts) => parts.flat().join(''))
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc
    .array(fc.constantFrom('a', '|', ',', '$', '\\', 'gt', '2020', '-02', '5.4', 'Patient/1', 'http://x', 'é', ' '), {
      maxLength: 10,
    })
    .map((parts) => parts.join('')),
)

describe('parseSearch', () => {
  it('answers a query or a ConsentryError, never anything else', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.array(fc.tuple(name, value), { maxLength: 5 }),
        fc.constantFrom('strict' as const, 'lenient' as const),
        (type, params, handling) => {
          try {
            const query = parseSearch(type, params, handling)
            expect(query.clauses.length + query.ignored.length).toBeLessThanOrEqual(params.length)
            for (const pair of query.applied) expect(params).toContainEqual(pair)
          } catch (error) {
            expect(error).toBeInstanceOf(ConsentryError)
            expect(['malformed', 'not-found']).toContain((error as ConsentryError).kind)
          }
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('says in a refusal nothing of the value', () => {
    const secret = 'Zwölf5371'
    fc.assert(
      fc.property(fc.constantFrom(...types), name, value, (type, param, before) => {
        fc.pre(!param.includes(secret))
        try {
          parseSearch(type, [[param, before + secret]])
        } catch (error) {
          expect(JSON.stringify((error as ConsentryError).issues)).not.toContain(secret)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('reads back every token that was escaped', () => {
    const escape = (text: string): string => text.replace(/[\\,$|]/g, '\\$&')
    const text = fc.string({ unit: 'grapheme', minLength: 1 })
    fc.assert(
      fc.property(text, text, (system, code) => {
        const { clauses } = parseSearch('Condition', [['code', `${escape(system)}|${escape(code)}`]])
        expect(clauses).toMatchObject([{ values: [{ system, code }] }])
      }),
    )
    fc.assert(
      fc.property(fc.array(text, { minLength: 1 }), (texts) => {
        expect(splitEscaped(texts.map(escape).join(','), ',').map(unescape)).toEqual(texts)
      }),
    )
  })
})

describe('comparable forms', () => {
  it('a normalised string stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const normal = normaliseString(text)
        expect(normaliseString(normal)).toBe(normal)
        expect(normaliseString(text.toUpperCase())).toBe(normaliseString(text.toUpperCase().toLowerCase()))
      }),
      { numRuns: 2000 },
    )
  })

  it('a date covers the instant that JavaScript reads, to its precision', () => {
    const noInvalidDate = {
      noInvalidDate: true,
      min: new Date('0001-01-01'),
      max: new Date('9999-12-31T23:59:59.999Z'),
    }
    fc.assert(
      fc.property(fc.date(noInvalidDate), fc.constantFrom(4, 7, 10, 19, 23), (date, length) => {
        const text = date.toISOString().slice(0, length) + (length > 10 ? 'Z' : '')
        const range = dateRange(text)
        expect(range?.lo).toBe(Date.parse(text))
        expect(date.getTime()).toBeGreaterThanOrEqual(range?.lo ?? NaN)
        expect(date.getTime()).toBeLessThan(range?.hi ?? NaN)
      }),
      { numRuns: 2000 },
    )
  })

  it('a decimal lies in the middle of its range', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: -8, max: 8 }), (mantissa, exponent) => {
        const range = decimalRange(`${mantissa}e${exponent}`)
        const [value, lo, hi] = [range?.value, range?.lo, range?.hi].map(Number) as [number, number, number]
        expect(value).toBeCloseTo(mantissa * 10 ** exponent, 6)
        expect(hi - value).toBeCloseTo(value - lo, 6)
        expect(hi).toBeGreaterThan(lo)
      }),
      { numRuns: 1000 },
    )
  })
})
