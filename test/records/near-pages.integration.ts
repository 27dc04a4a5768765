import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/records/database.js'
import { RecordStore } from '../../src/records/record-store.js'
import type { Clause } from '../../src/clauses/clause.js'
import type { SearchQuery } from '../../src/records/search-query.js'
import type { NewVersion, RowFilter } from '../../src/records/types.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { code, EVERYTHING, hex, index, next, version } from './versions.js'

/*
 * A page of what most rows have is looked for among the newest rows first (near.ts). Whether it is found there or not,
 * the answer must be that of a store without statistics, which looks at every row that matches.
 */
const ROWS = 3000

describe.each(ENGINES)('pages of what is common on $name', ({ open }) => {
  let opened: OpenDatabase
  let database: Database
  /** Without statistics; made before there are any. */
  let plain: RecordStore
  let near: RecordStore
  const made: NewVersion[] = []
  const few = hex()

  beforeAll(async () => {
    opened = await open()
    database = opened.database
    plain = new RecordStore(database, index)
    await plain.search({ ...query('all'), count: 1 }, EVERYTHING)
    for (let i = 0; i < ROWS; i++) {
      const parity = i % 2 === 0 ? 'even' : 'odd'
      const values = [code('code', 's', 'all'), code('code', 's', parity)]
      const patient = i < 20 ? few : hex()
      made.push(version({ type: 'Observation', lastUpdated: 1000 + i, patient, values }))
    }
    await plain.commit({ versions: made })
    await database.query('ANALYZE resource')
    near = new RecordStore(database, index)
    await near.search(query('all'), EVERYTHING)
  })
  afterAll(() => opened.close())

  const has = (value: string): Clause => ({
    is: 'filter',
    param: 'code',
    kind: 'token',
    values: [{ system: 's', code: value }],
  })
  function query(...values: string[]): SearchQuery {
    return { type: 'Observation', clauses: values.map(has), count: 5, total: true }
  }

  async function pages(store: RecordStore, asked: SearchQuery, filter: RowFilter, most: number): Promise<unknown[]> {
    const found: unknown[] = []
    let cursor: string | undefined
    for (let page = 0; page < most; page++) {
      const { rows, total, next: following } = await store.search({ ...asked, cursor }, filter)
      found.push([total, ...rows.map(({ id }) => id)])
      if (following === null) break
      cursor = following
    }
    return found
  }

  /** Rows of `resource` that the statements of `work` have read by the index of their order. */
  async function nearReads(work: () => Promise<unknown>): Promise<number> {
    const statements: { text: string; values: readonly unknown[] }[] = []
    const original = database.query.bind(database)
    database.query = (text: string, values: readonly unknown[] = []) => {
      statements.push({ text, values })
      return original(text, values)
    }
    await work().finally(() => Reflect.deleteProperty(database, 'query'))
    let read = 0
    for (const { text, values } of statements) {
      if (!text.includes('near')) continue
      const { rows } = await database.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
        values,
      )
      for (const node of nodes(rows[0]?.['QUERY PLAN'][0].Plan))
        if (node['Index Name'] === 'resource_newest') read += node['Actual Rows'] * node['Actual Loops']
    }
    return read
  }

  interface Node {
    readonly 'Index Name'?: string
    readonly 'Actual Rows': number
    readonly 'Actual Loops': number
    readonly Plans?: readonly Node[]
  }
  function nodes(node: Node | undefined): Node[] {
    return node === undefined ? [] : [node, ...(node.Plans ?? []).flatMap(nodes)]
  }

  it('reads a few rows for a page, not all that match', async () => {
    const read = await nearReads(() => near.search({ ...query('all'), total: false }, EVERYTHING))
    expect(read).toBeGreaterThanOrEqual(6)
    expect(read).toBeLessThan(50)
    expect(await nearReads(() => plain.search(query('all'), EVERYTHING))).toBe(0)
  })

  it.each([
    ['what all have', ['all'], EVERYTHING],
    ['what half have', ['all', 'odd'], EVERYTHING],
    ['common codes that never meet', ['odd', 'even'], EVERYTHING],
    ['what is rare', ['none'], EVERYTHING],
  ])('finds %s', async (_, values, filter) => {
    const [asked, there] = [query(...values), await pages(plain, query(...values), filter, 12)]
    expect(await pages(near, asked, filter, 12)).toEqual(there)
    const oldest = { ...asked, sort: [{ by: 'lastUpdated', param: '', descending: false } as const] }
    expect(await pages(near, oldest, filter, 12)).toEqual(await pages(plain, oldest, filter, 12))
  })

  it('finds the few that are permitted, which are the oldest', async () => {
    const filter: RowFilter = {
      sql: `(r.labels & 4611686018427387904) <> 4611686018427387904 AND r.patient = $1`,
      params: [Buffer.from(few.slice(2), 'hex')],
    }
    const there = await pages(plain, query('all'), filter, 12)
    expect(there).toHaveLength(4)
    expect(await pages(near, query('all'), filter, 12)).toEqual(there)
  })

  it('goes on while rows are changed and made', async () => {
    const first = await near.search(query('all'), EVERYTHING)
    const [moved, gone] = [made.at(-8) as NewVersion, made.at(-9) as NewVersion]
    await near.commit({
      versions: [
        next(moved, { lastUpdated: 9000, values: [code('code', 's', 'all')] }),
        next(gone, { deleted: true, cid: null, lastUpdated: 9001 }),
        version({ lastUpdated: 9002, values: [code('code', 's', 'all')] }),
      ],
    })
    const second = await near.search({ ...query('all'), cursor: first.next as string }, EVERYTHING)
    expect(second.rows.map(({ id }) => id)).toEqual([-6, -7, -8, -10, -11].map((at) => (made.at(at) as NewVersion).id))
    expect(second.total).toBe(ROWS - 1)
  })

  it('tells no total of more than were to be counted', async () => {
    const totals = async (totalUpTo: number, ...values: string[]) =>
      (await near.search({ ...query(...values), totalUpTo }, EVERYTHING)).total
    const half = (await near.search(query('odd'), EVERYTHING)).total as number
    expect(await totals(half - 1, 'odd')).toBeNull()
    expect(await totals(half, 'odd')).toBe(half)
    expect(await totals(half, 'none')).toBe(0)
  })
})
