import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import type { IndexValue, SearchQuery, SortKey } from '../../src/records/search-query.js'
import type { RowFilter } from '../../src/records/types.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { EVERYTHING, index, version } from './versions.js'

/** What may not be seen has another label. */
const PERMITTED: RowFilter = { sql: 'r.labels = 1', params: [] }

/** A value and the text that it is sorted by; `by` as the query says it. */
interface Sorted {
  readonly param: string
  readonly by: SortKey['by']
  readonly value: IndexValue
  readonly order: string
}

const few = <T>(...values: T[]) => fc.constantFrom(...values)
const coding = fc
  .tuple(few('a', 'B', 'b', 'é', '10', '9'), few(undefined, 'http://s.example/1', 'http://s.example/2'))
  .map(([code, system]): Sorted => {
    const of = system === undefined ? {} : { system }
    const value: IndexValue = { param: 'code', kind: 'token', code, sort: 'name', ...of }
    return { param: 'code', by: 'name', value, order: `${code}\u0000${system ?? ''}` }
  })
const profile = few('http://p.example/x', 'http://p.example/y', 'urn:a').map((value): Sorted => {
  return { param: '_profile', by: 'name', value: { param: '_profile', kind: 'uri', value, sort: 'name' }, order: value }
})
const identifier = few('1', '12', '2', 'A-1').map((code): Sorted => {
  const value: IndexValue = { param: 'identifier', kind: 'token', system: 'urn:s', code, sort: 'text' }
  return { param: 'identifier', by: 'text', value, order: code }
})
const here = fc.tuple(few('Patient', 'Group'), few('a', 'b', 'B', '1')).map(([type, id]): Sorted => {
  return {
    param: 'subject',
    by: 'reference',
    value: { param: 'subject', kind: 'reference', type, id },
    order: `0${type}/${id}`,
  }
})
const elsewhere = few('http://x.example/1', 'http://a.ex/P/2').map((url): Sorted => {
  return { param: 'subject', by: 'reference', value: { param: 'subject', kind: 'reference', url }, order: `1${url}` }
})
const row = fc.record({
  values: fc.array(fc.oneof(coding, profile, identifier, here, elsewhere), { maxLength: 6 }),
  hidden: fc.boolean(),
})
const KEYS: Record<string, SortKey['by']> = {
  code: 'name',
  _profile: 'name',
  identifier: 'text',
  subject: 'reference',
}
const keys = fc
  .uniqueArray(fc.constantFrom(...Object.keys(KEYS)), { minLength: 1, maxLength: 4 })
  .chain((params) =>
    fc.tuple(
      ...params.map((param) =>
        fc.boolean().map((descending): SortKey => ({ by: KEYS[param] as SortKey['by'], param, descending })),
      ),
    ),
  )

interface Row {
  readonly id: string
  readonly values: readonly Sorted[]
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** The readable order: the least value going up, the greatest going down, nothing last; equal ones as they were made. */
function ordered(rows: readonly Row[], sort: readonly SortKey[]): string[] {
  const place = (row: Row, { param, descending }: SortKey): string | undefined => {
    const orders = row.values.filter((each) => each.param === param).map(({ order }) => order)
    orders.sort(byBytes)
    return descending ? orders.at(-1) : orders[0]
  }
  return [...rows]
    .sort((a, b) => {
      for (const key of sort) {
        const [first, second] = [place(a, key), place(b, key)]
        if (first === second) continue
        if (first === undefined) return 1
        if (second === undefined) return -1
        return byBytes(first, second) * (key.descending ? -1 : 1)
      }
      return 0
    })
    .map(({ id }) => id)
}

describe.each(ENGINES)('an order by codes, identifiers, URLs and references on $name', ({ open }) => {
  let opened: OpenDatabase
  let store: RecordStore
  let world = 0
  beforeAll(async () => {
    opened = await open()
    store = new RecordStore(opened.database, index)
  })
  afterAll(() => opened.close())

  async function walk(query: SearchQuery, filter: RowFilter): Promise<string[]> {
    const ids: string[] = []
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await store.search(cursor === undefined ? query : { ...query, cursor }, filter)
      ids.push(...page.rows.map(({ id }) => id))
      cursor = page.next
    }
    return ids
  }

  it('is that of the values themselves, over what is permitted, each once', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 12 }),
        keys,
        fc.integer({ min: 1, max: 5 }),
        async (of, sort, count) => {
          const type = `Sorted${world++}`
          const rows = of.map(({ values, hidden }, i) => ({ id: `${type}-${i}`, values, hidden }))
          const versions = rows.map(({ id, values, hidden }) =>
            version({ type, id, labels: hidden ? 2n : 1n, values: values.map(({ value }) => value) }),
          )
          if (versions.length > 0) await store.commit({ versions })
          const query: SearchQuery = { type, clauses: [], sort, count, total: false }
          expect(await walk(query, EVERYTHING)).toEqual(ordered(rows, sort))
          expect(await walk(query, PERMITTED)).toEqual(
            ordered(
              rows.filter(({ hidden }) => !hidden),
              sort,
            ),
          )
        },
      ),
      { numRuns: 60 },
    )
  })

  it('is one of several types too, by dates and numbers as well, there and back', { timeout: 120_000 }, async () => {
    const when = fc.integer({ min: -3, max: 3 }).map((n): Sorted => {
      const lo = n * 86_400_000
      const order = String(n + 5)
      return { param: 'date', by: 'ordered', value: { param: 'date', kind: 'date', lo, hi: lo + 86_400_000 }, order }
    })
    const AMOUNTS = [-2, -0.5, 0, 1, 1e9]
    const amount = fc.nat(AMOUNTS.length - 1).map((rank): Sorted => {
      const n = String(AMOUNTS[rank])
      return {
        param: 'amount',
        by: 'ordered',
        value: { param: 'amount', kind: 'number', value: n, lo: n, hi: n },
        order: String(rank),
      }
    })
    const any = fc.record({
      values: fc.array(fc.oneof(coding, profile, identifier, here, elsewhere, when, amount), { maxLength: 6 }),
      hidden: fc.boolean(),
      type: fc.nat(2),
    })
    const by = { ...KEYS, date: 'ordered', amount: 'ordered', '': 'id' } as Record<string, SortKey['by']>
    const chosen = fc
      .uniqueArray(fc.constantFrom(...Object.keys(by)), { minLength: 1, maxLength: 3 })
      .chain((params) =>
        fc.tuple(
          ...params.map((param) =>
            fc.boolean().map((descending) => ({ by: by[param] as SortKey['by'], param, descending })),
          ),
        ),
      )
    await fc.assert(
      fc.asyncProperty(
        fc.array(any, { maxLength: 14 }),
        chosen,
        fc.integer({ min: 1, max: 5 }),
        async (of, sort, count) => {
          const name = `Merged${world++}`
          const rows = of.map(({ values, hidden, type }, i) => {
            const id = `${name}-${String(i).padStart(2, '0')}`
            const own: Sorted = { param: '', by: 'id', value: { param: 'none', kind: 'token', code: id }, order: id }
            return { id, values: [...values, own], hidden, type: `${name}${type}` }
          })
          const versions = rows.map(({ id, values, hidden, type }) =>
            version({
              type,
              id,
              labels: hidden ? 2n : 1n,
              values: values.flatMap(({ by: form, value }) => (form === 'id' ? [] : [value])),
            }),
          )
          if (versions.length > 0) await store.commit({ versions })
          const [type, ...also] = [0, 1, 2].map((n) => ({ type: `${name}${n}`, clauses: [] }))
          const query: SearchQuery = { type: type?.type ?? '', clauses: [], also, sort, count, total: true }
          const wanted = ordered(
            rows.filter(({ hidden }) => !hidden),
            sort,
          )
          expect(await walk(query, EVERYTHING)).toEqual(ordered(rows, sort))
          expect(await walk(query, PERMITTED)).toEqual(wanted)
          let page = await store.search(query, PERMITTED)
          expect(page.total).toBe(wanted.length)
          while (page.next !== null) page = await store.search({ ...query, cursor: page.next }, PERMITTED)
          const back = page.rows.map(({ id }) => id)
          while (page.previous !== null) {
            page = await store.search({ ...query, cursor: page.previous }, PERMITTED)
            back.unshift(...page.rows.map(({ id }) => id))
          }
          expect(back).toEqual(wanted)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('goes on where it was although codes have come between others, and back', async () => {
    const coded = (id: string, code: string) =>
      version({ type: 'Later', id, values: [{ param: 'code', kind: 'token', code, sort: 'name' }] })
    await store.commit({ versions: [coded('b', 'b'), coded('d', 'd'), coded('f', 'f')] })
    const sort: SortKey[] = [{ by: 'name', param: 'code', descending: false }]
    const query: SearchQuery = { type: 'Later', clauses: [], sort, count: 1, total: true }
    const first = await store.search(query, EVERYTHING)
    await store.commit({ versions: [coded('a', 'a'), coded('c', 'c'), coded('e', 'e')] })
    const second = await store.search({ ...query, cursor: first.next as string }, EVERYTHING)
    const third = await store.search({ ...query, cursor: second.next as string }, EVERYTHING)
    const back = await store.search({ ...query, cursor: third.previous as string }, EVERYTHING)
    expect([first, second, third, back].map(({ rows }) => rows.map(({ id }) => id))).toEqual([
      ['b'],
      ['d'],
      ['f'],
      ['d'],
    ])
    expect((await store.search({ ...query, count: 0 }, EVERYTHING)).total).toBe(6)
    // a link shows nothing of a code, and is of no use in another order
    expect(Buffer.from(first.next as string, 'base64url').toString('latin1')).not.toContain('"b"')
  })

  it('keeps each name once, sealed', async () => {
    const values: IndexValue[] = [
      { param: 'code', kind: 'token', system: 'http://names.example', code: 'known-code-77', sort: 'name' },
    ]
    const other = new RecordStore(opened.database, index)
    for (const each of [store, store, other]) await each.commit({ versions: [version({ type: 'Named', values })] })
    const parameter = index.sortParameter('Named', 'code')
    const { rows } = await opened.database.query<{ sealed: Buffer; token: bigint }>(
      'SELECT token, sealed FROM token_name WHERE parameter = $1',
      [parameter],
    )
    expect(rows).toHaveLength(1)
    const [{ token, sealed } = { token: 0n, sealed: Buffer.alloc(0) }] = rows
    expect(sealed.toString('latin1')).not.toMatch(/known|names/)
    expect(index.name(token, sealed)).toEqual({ system: 'http://names.example', code: 'known-code-77' })
    expect(() => index.name(token + 1n, sealed)).toThrow()
  })
})
