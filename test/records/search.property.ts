import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import type { Clause, Modifier, DateValue, NumberValue, Prefix } from '../../src/clauses/clause.js'
import type { IndexValue } from '../../src/records/search-query.js'
import type { RowFilter } from '../../src/records/types.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { hex, index, INDEX_KEY, version } from './versions.js'
import { BlindIndex } from '../../src/records/blind-index.js'

/*
 * The compiled search against a reading of R4 on plain values: small domains, so that values meet often.
 */
const few = (...values: string[]) => fc.constantFrom(...values)
const system = few('s', 't')
const KNOWN_STRINGS = ['a', 'ab', 'abab', 'b a']
const text = fc.oneof(few(...KNOWN_STRINGS), fc.string({ unit: few('a', 'b', ' '), minLength: 1, maxLength: 4 }))
const range = fc.tuple(fc.nat(6), fc.integer({ min: 1, max: 4 })).map(([lo, length]) => ({ lo, hi: lo + length }))

/** Among the values below, so that a question meets well-known values, others, and rows that are older than the list. */
const wellKnown = new BlindIndex(INDEX_KEY, {
  strings: KNOWN_STRINGS.map((normal) => ({ value: normal.toUpperCase(), normal })),
  codes: [
    { system: 's', code: 'x' },
    { system: 't', code: 'x' },
    { system: 's', code: 'y' },
  ],
})

const value: fc.Arbitrary<IndexValue> = fc.oneof(
  fc.record({ param: fc.constant('code'), kind: fc.constant('token' as const), code: few('x', 'y'), system }),
  fc.record({ param: fc.constant('code'), kind: fc.constant('token' as const), code: few('x', 'y') }),
  fc.tuple(text, fc.nat(3)).map(([normal, n]): IndexValue => ({
    param: 'name',
    kind: 'string',
    value: normal.toUpperCase(),
    normal,
    ...(n === 0 ? { word: true } : {}),
  })),
  fc.record({
    param: fc.constant('subject'),
    kind: fc.constant('reference' as const),
    identifier: fc.oneof(fc.record({ value: few('x', 'y') }), fc.record({ value: few('x', 'y'), system })),
  }),
  fc.record({
    param: fc.constant('subject'),
    kind: fc.constant('reference' as const),
    type: few('P', 'Q'),
    id: few('1', '2'),
  }),
  range.map(({ lo, hi }): IndexValue => ({ param: 'date', kind: 'date', lo, hi })),
  fc
    .tuple(fc.integer({ min: -3, max: 3 }), few('u', 'v'))
    .map(([n, unit]): IndexValue => ({ param: 'amount', kind: 'quantity', value: String(n), code: unit })),
  fc
    .tuple(few('x', 'y'), fc.option(system, { nil: undefined }), fc.integer({ min: -3, max: 3 }))
    .map(([code, of, n]): IndexValue => ({
      param: 'pair',
      kind: 'composite',
      parts: [
        [{ param: 'pair-code', kind: 'token', code, ...(of === undefined ? {} : { system: of }) }],
        [{ param: 'pair-amount', kind: 'quantity', value: String(n) }],
      ],
    })),
)

const prefix = fc.constantFrom<Prefix>('eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap')
const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 3 })
const plain: fc.Arbitrary<Clause> = fc.oneof(
  fc
    .tuple(
      some(
        fc.oneof(
          fc.record({ code: few('x', 'y', 'z') }),
          fc.record({ code: few('x', 'y'), system: fc.oneof(system, fc.constant(null)) }),
          fc.record({ system }),
        ),
      ),
      fc.boolean(),
    )
    .map(([values, not]): Clause => ({
      is: 'filter',
      param: 'code',
      kind: 'token',
      values,
      ...(not ? { modifier: 'not' } : {}),
    })),
  fc
    .tuple(some(text), fc.constantFrom<Modifier | ''>('', 'exact', 'contains', 'whole'))
    .map(([texts, modifier]): Clause => ({
      is: 'filter',
      param: 'name',
      kind: 'string',
      values: texts.map((normal) => ({ normal, value: normal.toUpperCase() })),
      ...(modifier === '' ? {} : { modifier }),
    })),
  fc
    .tuple(few('code', 'name', 'subject', 'date', 'amount', 'pair', '_id'), fc.boolean())
    .map(([param, missing]): Clause => ({ is: 'missing', param, kind: 'token', missing })),
  some(fc.tuple(prefix, fc.integer({ min: -3, max: 3 }), few('', 'u', 'v'))).map((values): Clause => ({
    is: 'filter',
    param: 'amount',
    kind: 'quantity',
    values: values.map(([p, n, unit]) => ({ ...amount(p, n), ...(unit === '' ? {} : { code: unit }) })),
  })),
  fc
    .tuple(few('x', 'y', 'z'), fc.option(system, { nil: undefined }), prefix, fc.integer({ min: -3, max: 3 }))
    .map(([of, from, p, n]): Clause => ({
      is: 'filter',
      param: 'pair',
      kind: 'composite',
      values: [
        {
          parts: [
            {
              is: 'filter',
              param: 'pair-code',
              kind: 'token',
              values: [from === undefined ? { code: of } : { code: of, system: from }],
            },
            { is: 'filter', param: 'pair-amount', kind: 'quantity', values: [amount(p, n)] },
          ],
        },
      ],
    })),
  some(fc.record({ types: fc.subarray(['P', 'Q'], { minLength: 1 }), id: few('1', '2', '3') })).map(
    (values): Clause => ({ is: 'filter', param: 'subject', kind: 'reference', values }),
  ),
  some(
    fc.oneof(fc.record({ code: few('x', 'y') }), fc.record({ code: few('x', 'y'), system }), fc.record({ system })),
  ).map((codes): Clause => ({
    is: 'filter',
    param: 'subject',
    kind: 'reference',
    modifier: 'identifier',
    values: codes.map((identifier) => ({ identifier })),
  })),
  some(fc.tuple(prefix, range)).map((values): Clause => ({
    is: 'filter',
    param: 'date',
    kind: 'date',
    values: values.map(([p, r]) => ({ prefix: p, ...r })),
  })),
)

const clause: fc.Arbitrary<Clause> = fc.oneof(
  { weight: 5, arbitrary: plain },
  fc
    .tuple(few('all', 'any'), fc.array(plain, { maxLength: 3 }))
    .map(([is, clauses]): Clause => ({ is: is as 'all' | 'any', clauses })),
  plain.map((one): Clause => ({ is: 'none', clause: one })),
)

function amount(p: Prefix, n: number): NumberValue {
  return { prefix: p, value: String(n), lo: String(n - 0.5), hi: String(n + 0.5) }
}

/** R4's table of prefixes for a number, which is a point. */
function numberMatches(value: number, { prefix: p, ...asked }: NumberValue): boolean {
  const [at, lo, hi] = [Number(asked.value), Number(asked.lo), Number(asked.hi)]
  const inside = value >= lo && value < hi
  const near = Math.abs(value - at) <= Math.abs(at) / 10
  return {
    eq: inside,
    ne: !inside,
    gt: value > at,
    ge: value >= at,
    lt: value < at,
    le: value <= at,
    sa: value > at,
    eb: value < at,
    ap: near,
  }[p]
}

/** R4's table of prefixes, https://hl7.org/fhir/R4/search.html#prefix */
function dateMatches(target: { lo: number; hi: number }, asked: DateValue): boolean {
  const contains = asked.lo <= target.lo && target.hi <= asked.hi
  const above = target.hi > asked.hi
  const below = target.lo < asked.lo
  switch (asked.prefix) {
    case 'eq':
      return contains
    case 'ne':
      return !contains
    case 'gt':
      return above
    case 'ge':
      return above || contains
    case 'lt':
      return below
    case 'le':
      return below || contains
    case 'sa':
      return target.lo >= asked.hi
    case 'eb':
      return target.hi <= asked.lo
    case 'ap':
      return target.lo < asked.hi && asked.lo < target.hi
  }
}

function fulfils(values: readonly IndexValue[], asked: Clause): boolean {
  switch (asked.is) {
    case 'missing':
      return (asked.param !== '_id' && !values.some(({ param }) => param === asked.param)) === asked.missing
    case 'all':
      return asked.clauses.every((one) => fulfils(values, one))
    case 'any':
      return asked.clauses.some((one) => fulfils(values, one))
    case 'none':
      return !fulfils(values, asked.clause)
    case 'filter':
      break
    default:
      throw new Error('not generated')
  }
  const any = (kind: IndexValue['kind'], test: (one: never) => boolean): boolean =>
    values.some((one) => one.kind === kind && one.param === asked.param && test(one as never))
  switch (asked.kind) {
    case 'token': {
      const found = any('token', (one: { system?: string; code: string }) =>
        asked.values.some(
          (v) =>
            (v.code === undefined || v.code === one.code) &&
            (v.system === undefined || (v.system ?? undefined) === one.system),
        ),
      )
      return asked.modifier === 'not' ? !found : found
    }
    case 'string':
      return any('string', (one: { value: string; normal: string; word?: true }) =>
        asked.values.some((v) => {
          if (asked.modifier === 'whole') return !one.word && one.normal === v.normal
          if (asked.modifier === 'exact') return !one.word && one.value === v.value
          return asked.modifier === 'contains'
            ? !one.word && one.normal.includes(v.normal)
            : one.normal.startsWith(v.normal)
        }),
      )
    case 'reference':
      return any('reference', (one: { type?: string; id?: string; identifier?: { system?: string; value: string } }) =>
        asked.values.some(({ id, types, identifier }) =>
          identifier === undefined
            ? one.id !== undefined && id === one.id && (types ?? []).includes(one.type ?? '')
            : one.identifier !== undefined &&
              (identifier.code ?? one.identifier.value) === one.identifier.value &&
              (identifier.system === undefined || identifier.system === one.identifier.system),
        ),
      )
    case 'date':
      return any('date', (one: { lo: number; hi: number }) => asked.values.some((v) => dateMatches(one, v)))
    case 'quantity':
      return any('quantity', (one: { value: string; code: string }) =>
        asked.values.some((v) => (v.code === undefined || v.code === one.code) && numberMatches(Number(one.value), v)),
      )
    case 'composite':
      return any('composite', ({ parts }: { parts: readonly (readonly IndexValue[])[] }) =>
        asked.values.some((v) => v.parts.every((part, i) => fulfils(parts[i] ?? [], part))),
      )
    default:
      throw new Error('not generated')
  }
}

describe.each(ENGINES)('search on $name', ({ name, open }) => {
  let opened: OpenDatabase
  beforeAll(async () => {
    opened = await open()
  })
  afterAll(() => opened.close())

  it('finds, counts and permits what R4 says of the plain values', async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            values: fc.array(value, { maxLength: 5 }),
            permitted: fc.nat(3).map((n) => n > 0),
            by: fc.constantFrom(index, wellKnown),
          }),
          { maxLength: 8, size: 'max' },
        ),
        fc.array(fc.oneof({ weight: 3, arbitrary: clause.map((one) => [one]) }, fc.array(clause, { maxLength: 3 })), {
          minLength: 6,
          maxLength: 12,
          size: 'max',
        }),
        async (resources, queries) => {
          const type = `Search${run++}`
          const store = new RecordStore(opened.database, wellKnown)
          const [yes, no] = [hex(), hex()]
          const versions = resources.map(({ values, permitted, by }) =>
            version({ type, index: by.entries(type, values), patient: permitted ? yes : no }),
          )
          // another type with the same values must never be found
          const decoys = resources.map(({ values }) => version({ type: `${type}x`, values, patient: yes }))
          await store.commit({ versions: [...versions, ...decoys] })
          const filter: RowFilter = { sql: 'r.patient = $1', params: [Buffer.from(yes.slice(2), 'hex')] }
          for (const clauses of queries) {
            const expected = versions
              .filter(
                (_, i) => resources[i]?.permitted && clauses.every((one) => fulfils(resources[i]?.values ?? [], one)),
              )
              .map(({ id }) => id)
            const { rows, total } = await store.search({ type, clauses, count: 50, total: true }, filter)
            expect(rows.map(({ id }) => id).sort()).toEqual(expected.sort())
            expect(total).toBe(expected.length)
            // several types at once find what each of them finds
            const alike = decoys.filter((_, i) => clauses.every((one) => fulfils(resources[i]?.values ?? [], one)))
            const both = await store.search(
              { type, clauses, also: [{ type: `${type}x`, clauses }], count: 50, total: true },
              filter,
            )
            const names = [...expected, ...alike.map(({ id }) => id)].sort()
            expect(both.rows.map(({ id }) => id).sort()).toEqual(names)
            expect(both.total).toBe(names.length)
          }
        },
      ),
      { numRuns: name === 'PGlite' ? 60 : 40 },
    )
  })
})
