import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import type { Clause } from '../../src/clauses/clause.js'
import type { Include, IndexValue, SearchQuery, SortKey } from '../../src/records/search-query.js'
import type { NewVersion, RowFilter } from '../../src/records/types.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { hex, index, version } from './versions.js'

/*
 * What a caller may not see must not show in anything that a search answers: rows, their order, totals, page links, what
 * chains and _has reach, and what is included. Two worlds are searched alike, one with hidden resources among and between
 * those that are seen, one without any; a search that answers differently in them has told of the hidden ones.
 */
interface Thing {
  readonly hidden: boolean
  readonly kind: 'P' | 'O'
  readonly code: string
  readonly name: string
  readonly at: number
  /** Of groups. */
  readonly members: readonly string[]
  /** Places of things that it refers to. */
  readonly refers: readonly number[]
}

const thing: fc.Arbitrary<Thing> = fc.record({
  hidden: fc.boolean(),
  kind: fc.constantFrom('P' as const, 'O' as const),
  code: fc.constantFrom('x', 'y'),
  name: fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 }),
  at: fc.nat(3),
  members: fc.subarray(['m', 'n', 'o'], { minLength: 1, maxLength: 2 }),
  refers: fc.array(fc.nat(9), { maxLength: 2 }),
})

/** A clause for each kind; the types of a world are put in when it is asked. */
type Ask = (types: Record<'P' | 'O', string>) => Clause
const code = (value: string): Clause => ({ is: 'filter', param: 'code', kind: 'token', values: [{ code: value }] })
const plain: fc.Arbitrary<Ask> = fc.oneof(
  fc.constantFrom('x', 'y').map((value) => () => code(value)),
  fc.constantFrom('a', 'b', 'ab').map((normal) => (): Clause => ({
    is: 'filter',
    param: 'name',
    kind: 'string',
    modifier: 'contains',
    values: [{ normal, value: normal }],
  })),
  fc.boolean().map((missing) => (): Clause => ({ is: 'missing', param: 'link', kind: 'reference', missing })),
  fc.nat(3).map((lo) => (): Clause => ({
    is: 'filter',
    param: 'date',
    kind: 'date',
    values: [{ prefix: 'ge', lo, hi: lo + 1 }],
  })),
)
const through: fc.Arbitrary<Ask> = fc.letrec<{ ask: Ask }>((tie) => ({
  ask: fc.oneof(
    { maxDepth: 2 },
    plain,
    fc
      .tuple(fc.subarray(['P', 'O'] as const, { minLength: 1 }), tie('ask'))
      .map(([targets, ask]) => (types: Record<'P' | 'O', string>): Clause => ({
        is: 'chain',
        param: 'link',
        targets: targets.map((kind) => ({ type: types[kind], clause: ask(types) })),
      })),
    fc
      .tuple(fc.constantFrom('P' as const, 'O' as const), tie('ask'))
      .map(([kind, ask]) => (types: Record<'P' | 'O', string>): Clause => ({
        is: 'has',
        type: types[kind],
        param: 'link',
        clause: ask(types),
      })),
    tie('ask').map((ask) => (types: Record<'P' | 'O', string>): Clause => ({ is: 'none', clause: ask(types) })),
  ),
})).ask

const sortKey: fc.Arbitrary<SortKey> = fc.record({
  by: fc.constantFrom('text' as const, 'ordered' as const, 'lastUpdated' as const),
  param: fc.constant(''),
  descending: fc.boolean(),
})
/** The latest of each group alone. */
const latest = fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined })
const include = fc.record({
  reverse: fc.boolean(),
  iterate: fc.boolean(),
  any: fc.boolean(),
})

describe.each(ENGINES)('what is hidden on $name', ({ name, open }) => {
  let opened: OpenDatabase
  beforeAll(async () => {
    opened = await open()
  })
  afterAll(() => opened.close())

  it('shows in no row, order, total, page, chain or include', async () => {
    let run = 0
    let told = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(thing, { minLength: 4, maxLength: 10, size: 'max' }),
        fc.array(fc.tuple(through, fc.array(sortKey, { maxLength: 2 }), fc.array(include, { maxLength: 2 }), latest), {
          minLength: 4,
          maxLength: 6,
          size: 'max',
        }),
        async (things, asks) => {
          const store = new RecordStore(opened.database, index)
          const [seen, unseen] = [hex(), hex()]
          const filter: RowFilter = { sql: 'r.patient = $1', params: [Buffer.from(seen.slice(2), 'hex')] }
          const worlds = [true, false].map((withHidden) => {
            const mark = `${withHidden ? 'H' : 'V'}${run}`
            const types = { P: `P${mark}`, O: `O${mark}` }
            const ids = things.map(() => randomUUID())
            const versions = things.map(({ hidden, kind, ...values }, i): NewVersion | undefined =>
              hidden && !withHidden
                ? undefined
                : version({
                    type: types[kind],
                    id: ids[i] as string,
                    patient: hidden ? unseen : seen,
                    lastUpdated: 1000 + values.at,
                    values: valuesOf(values, things, types, ids),
                  }),
            )
            return { types, ids, versions: versions.filter((one) => one !== undefined) }
          })
          run++
          for (const { versions } of worlds) await store.commit({ versions })
          for (const [ask, sort, includes, most] of asks) {
            const [withHidden, without] = await Promise.all(
              worlds.map(({ types, ids }) => answers(store, filter, types, ids, ask(types), sort, includes, most)),
            )
            expect(withHidden).toEqual(without)
            told += (withHidden as string[]).length
          }
        },
      ),
      { numRuns: name === 'PGlite' ? 15 : 30, endOnFailure: true },
    )
    // most searches found something that could have told
    expect(told).toBeGreaterThan(60)
  })
})

function valuesOf(
  { code: value, name, at, members, refers }: Omit<Thing, 'hidden' | 'kind'>,
  things: readonly Thing[],
  types: Record<'P' | 'O', string>,
  ids: readonly string[],
): IndexValue[] {
  return [
    { param: 'code', kind: 'token', code: value },
    { param: 'name', kind: 'string', value: name, normal: name },
    { param: 'date', kind: 'date', lo: at, hi: at + 1 },
    { param: 'code', kind: 'group', members },
    ...refers.flatMap((place): IndexValue[] => {
      const to = things[place]
      return to === undefined
        ? []
        : [{ param: 'link', kind: 'reference', type: types[to.kind], id: ids[place] as string }]
    }),
  ]
}

/** All that the pages of a search say, with names in place of ids. */
async function answers(
  store: RecordStore,
  filter: RowFilter,
  types: Record<'P' | 'O', string>,
  ids: readonly string[],
  clause: Clause,
  sort: readonly SortKey[],
  includes: readonly { reverse: boolean; iterate: boolean; any: boolean }[],
  most: number | undefined,
): Promise<string[]> {
  const said: string[] = []
  const query: SearchQuery = {
    type: types.O,
    clauses: [clause],
    sort: sort.map((key) => ({ ...key, param: key.by === 'text' ? 'name' : key.by === 'ordered' ? 'date' : '' })),
    ...(most === undefined ? {} : { latest: { group: 'code', date: 'date', most } }),
    count: 4,
    total: true,
  }
  let cursor: string | undefined
  do {
    const page = await store.search({ ...query, cursor }, filter)
    const besides = await store.include(
      {
        from: page.rows,
        includes: includes.map(({ any, ...each }): Include => ({
          ...each,
          parameters: any ? null : [`${types.O}.link`],
        })),
        types: [types.P, types.O],
        within: [],
        rounds: 3,
        most: 20,
      },
      filter,
    )
    const names = (rows: readonly { id: string }[]): number[] => rows.map(({ id }) => ids.indexOf(id))
    said.push(`${page.total}: ${names(page.rows).join()} + ${names(besides.rows).toSorted().join()}`)
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
  return said
}
