import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { OrderPreserving } from '../../src/records/order-preserving.js'

const key = (n: number): Uint8Array => createHash('sha256').update(String(n)).digest()
const order = new OrderPreserving(key(1))
const P = 0x1234_5678_9abc_de00n
const compare = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b)

const DATE_MIN = -62_135_596_800_000
const DATE_MAX = 253_402_300_800_000
const date = fc.integer({ min: DATE_MIN, max: DATE_MAX })
/** Dates that lie close together as well as far apart. */
const dates = fc.oneof(
  fc.tuple(date, date),
  fc
    .tuple(date, fc.integer({ min: -1000, max: 1000 }))
    .map(([a, d]): [number, number] => [a, Math.min(Math.max(a + d, DATE_MIN), DATE_MAX)]),
)
const number = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer().map((n) => n / 100),
)

describe('order-preserving encryption', () => {
  it('keeps the order of dates, and equality', () => {
    fc.assert(
      fc.property(dates, ([a, b]) => {
        expect(Math.sign(compare(order.date(P, a), order.date(P, b)))).toBe(Math.sign(a - b))
        expect(order.dates(P, a, b)).toEqual([order.date(P, a), order.date(P, b)])
      }),
      { numRuns: 2000 },
    )
  })

  it('is read by whoever has the key, whatever parameters the values are of', () => {
    const parameter = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(parameter, date), { maxLength: 6 }),
        fc.tuple(parameter, number, number),
        (some, [p, a, b]) => {
          const sealed = some.map(([of, at]) => ({ parameter: of, bytes: order.date(of, at) }))
          const plain = order.plain(sealed)
          expect(plain.map((text, i) => order.words(some[i]?.[0] ?? 0n, text))).toEqual(
            sealed.map(({ bytes }) => bytes),
          )
          for (const [i, [, at]] of some.entries()) {
            for (const [j, [, other]] of some.entries()) {
              const [one = '', two = ''] = [plain[i], plain[j]]
              expect(Math.sign(at - other)).toBe(one < two ? -1 : one > two ? 1 : 0)
            }
          }
          const [x = '', y = ''] = order.plain([a, b].map((n) => ({ parameter: p, bytes: order.number(p, String(n)) })))
          expect(x < y).toBe(a < b)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('keeps the order of numbers, and equality', () => {
    fc.assert(
      fc.property(number, number, (a, b) => {
        const wanted = a < b ? -1 : a > b ? 1 : 0
        expect(Math.sign(compare(order.number(P, String(a)), order.number(P, String(b))))).toBe(wanted)
      }),
      { numRuns: 2000 },
    )
    expect(order.number(P, '-0')).toEqual(order.number(P, '0'))
    expect(order.number(P, '1.50')).toEqual(order.number(P, '1.5'))
    expect(compare(order.number(P, '-Infinity'), order.number(P, '-1e308'))).toBe(-1)
    expect(compare(order.number(P, 'Infinity'), order.number(P, '1e308'))).toBe(1)
  })

  it('counts what is beyond the calendar as its end', () => {
    expect(order.date(P, DATE_MIN - 1)).toEqual(order.date(P, DATE_MIN))
    expect(compare(order.date(P, 1e300), order.date(P, DATE_MAX))).toBe(1)
    expect(order.date(P, 1e300)).toEqual(order.date(P, 1e301))
  })

  it('is the same under one key and parameter, and unrelated under others', () => {
    fc.assert(
      fc.property(date, (at) => {
        const bytes = order.date(P, at)
        expect(new OrderPreserving(key(1)).date(P, at)).toEqual(bytes)
        expect(new OrderPreserving(key(2)).date(P, at)).not.toEqual(bytes)
        expect(order.date(P + 256n, at)).not.toEqual(bytes)
      }),
    )
  })

  it('is the scheme of the paper, bit by bit: F(prefix) + bit', () => {
    fc.assert(
      fc.property(dates, ([a, b]) => {
        const [x, y] = [order.date(P, a), order.date(P, b)]
        const bits = (at: number): string => (BigInt(at) - BigInt(DATE_MIN)).toString(2).padStart(49, '0')
        const first = [...bits(a)].findIndex((bit, i) => bit !== bits(b)[i])
        // one prefix, one pad: equal up to the first different bit, and there apart by that bit
        const common = first === -1 ? 49 : first
        expect(x.subarray(0, common)).toEqual(y.subarray(0, common))
        if (first !== -1) expect((y[first] as number) - (x[first] as number)).toBe(Math.sign(b - a))
      }),
    )
  })

  /*
   * What the rows show to someone without the key: the order, and for each pair the first different bit. Nothing else,
   * measured: a single byte does not tell its bit, and what follows the first difference is unrelated.
   */
  it('shows the order and the first difference, and hides the bits', () => {
    const values = Array.from({ length: 4000 }, (_, i) => order.date(P, 1_500_000_000_000 + i * 86_400_007))
    const plain = values.map((_, i) => BigInt(1_500_000_000_000 + i * 86_400_007 - DATE_MIN))
    // guess a bit from one bit of its byte: as good as tossing a coin, whichever one looks at
    for (let look = 0; look < 8; look++) {
      let right = 0
      let tried = 0
      for (let bit = 20; bit < 49; bit++) {
        values.forEach((bytes, i) => {
          const truth = Number(((plain[i] as bigint) >> BigInt(48 - bit)) & 1n)
          right += Number((((bytes[bit] as number) >> look) & 1) === truth)
          tried++
        })
      }
      expect(Math.abs(right / tried - 0.5)).toBeLessThan(0.02)
    }
    // bytes behind the first difference agree as often as random ones do: 1 in 255
    let same = 0
    let behind = 0
    for (let i = 1; i < values.length; i++) {
      const [a, b] = [values[i - 1] as Uint8Array, values[i] as Uint8Array]
      const first = a.findIndex((byte, at) => byte !== b[at])
      for (let at = first + 1; at < a.length; at++, behind++) same += Number(a[at] === b[at])
    }
    expect(same / behind).toBeLessThan(2 / 255)
    // and the order is all there
    for (let i = 1; i < values.length; i++)
      expect(compare(values[i - 1] as Uint8Array, values[i] as Uint8Array)).toBe(-1)
  })
})
