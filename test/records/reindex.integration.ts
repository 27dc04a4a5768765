import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import { type IndexForms, type Outdated, Reindex } from '../../src/records/reindex.js'
import type { Clause } from '../../src/clauses/clause.js'
import type { IndexValue } from '../../src/records/search-query.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { EVERYTHING, index, version } from './versions.js'

const OLD: IndexForms = { Thing: 'old', Other: 'same' }
const NEW: IndexForms = { Thing: 'new', Other: 'same' }
const code = (value: string): IndexValue => ({ param: 'code', kind: 'token', code: value })
const link = (id: string): IndexValue => ({ param: 'link', kind: 'reference', type: 'Other', id })
const day = (lo: number): IndexValue => ({ param: 'date', kind: 'date', lo, hi: lo + 1 })
const asks = (value: string): Clause => ({ is: 'filter', param: 'code', kind: 'token', values: [{ code: value }] })

describe.each(ENGINES)('indexing anew on $name', ({ open }) => {
  let opened: OpenDatabase
  let store: RecordStore
  beforeAll(async () => {
    opened = await open()
  })
  afterAll(() => opened.close())
  beforeEach(async () => {
    await opened.database.query('TRUNCATE resource, resource_version, reference, ordered, index_state, index_waiting')
    store = new RecordStore(opened.database, index)
  })

  const things = (count: number, values: readonly IndexValue[] = [code('before')]) =>
    Array.from({ length: count }, (_, i) => version({ type: 'Thing', id: `t${i}`, values }))
  const found = async (clause: Clause) =>
    (await store.search({ type: 'Thing', clauses: [clause], count: 100, total: false }, EVERYTHING)).rows
      .map(({ id }) => id)
      .sort()
  const anew = (rows: readonly Outdated[], values: readonly IndexValue[] = [code('anew')]) =>
    rows.map(({ pk, version: { version: n, type } }) => ({ pk, version: n, index: index.entries(type, values) }))
  const referencesOf = async (id: string) => {
    const { rows } = await opened.database.query<{ target_id: string }>(
      'SELECT f.target_id FROM reference f JOIN resource r ON r.pk = f.source_pk WHERE r.id = $1 ORDER BY 1',
      [id],
    )
    return rows.map(({ target_id }) => target_id)
  }

  it('has nothing to do on an empty database, nor twice', async () => {
    const reindex = new Reindex(opened.database, index)
    expect(await reindex.begin(OLD, {})).toBe(false)
    await store.commit({ versions: things(3) })
    expect(await reindex.begin(OLD, {})).toBe(false)
    expect(await reindex.next(10)).toBeUndefined()
  })

  it('keeps what policy documents ask and the categories of the version that was opened, and leaves categories that are not told', async () => {
    await store.commit({ versions: things(2) })
    const reindex = new Reindex(opened.database, index)
    await reindex.begin(NEW, {})
    const batch = await reindex.next(10)
    const facts = { facets: [5n, -6n], care: { lo: Buffer.of(1), hi: Buffer.of(2) } }
    const [first, second] = anew(batch?.rows ?? [])
    const told = [
      { ...first, facts, categories: 1n << 63n },
      { ...second, facts: { facets: [], care: null } },
    ]
    await reindex.replace(told as Parameters<typeof reindex.replace>[0], [], batch)
    const refs = ['t0', 't1'].map((id) => ({ type: 'Thing', id, version: 1 }))
    for (const [one, two] of [await store.read(refs), await store.readVersion(refs)]) {
      expect([one?.facts, one?.categories]).toEqual([facts, 1n << 63n])
      expect([two?.facts, two?.categories]).toEqual([{ facets: [], care: null }, 1n])
    }
  })

  it('goes through the types that changed, a batch at a time, and goes on where it was stopped', async () => {
    const others = [version({ type: 'Other', id: 'o', values: [code('before')] })]
    await store.commit({ versions: [...things(5), ...others] })
    expect(await new Reindex(opened.database, index).begin(NEW, { Other: 'same' })).toBe(true)
    const first = await new Reindex(opened.database, index).next(2)
    expect(first?.rows.map(({ version: { id } }) => id)).toEqual(['t0', 't1'])
    await new Reindex(opened.database, index).replace(anew(first?.rows ?? []), [], first)
    expect(await found(asks('anew'))).toEqual(['t0', 't1'])
    expect(await found(asks('before'))).toEqual(['t2', 't3', 't4'])
    // another start of the same program
    const later = new Reindex(opened.database, index)
    expect(await later.begin(NEW, {})).toBe(true)
    for (let batch = await later.next(2); batch !== undefined; batch = await later.next(2)) {
      await later.replace(anew(batch.rows), [], batch)
    }
    expect(await found(asks('anew'))).toHaveLength(5)
    expect(await later.begin(NEW, {})).toBe(false)
  })

  it('writes tokens, references and order in place of those that were there', async () => {
    await store.commit({ versions: things(1, [code('before'), link('a'), link('b'), day(1)]) })
    const reindex = new Reindex(opened.database, index)
    await reindex.begin(NEW, {})
    const batch = await reindex.next(10)
    await reindex.replace(anew(batch?.rows ?? [], [code('anew'), link('c'), day(9)]), [], batch)
    expect(await found(asks('before'))).toEqual([])
    expect(await referencesOf('t0')).toEqual(['c'])
    const on = (lo: number): Clause => ({
      is: 'filter',
      param: 'date',
      kind: 'date',
      values: [{ prefix: 'eq', lo, hi: lo + 1 }],
    })
    expect([await found(on(1)), await found(on(9))]).toEqual([[], ['t0']])
  })

  it('leaves alone what was written, deleted or gone on with meanwhile', async () => {
    const [one, two] = things(2, [code('before'), link('a')])
    await store.commit({ versions: [one, two].filter((each) => each !== undefined) })
    const reindex = new Reindex(opened.database, index)
    await reindex.begin(NEW, {})
    const batch = await reindex.next(10)
    await store.commit({
      versions: [
        version({ type: 'Thing', id: 't0', version: 2, values: [code('written'), link('w')] }),
        version({ type: 'Thing', id: 't1', version: 2, deleted: true, index: null }),
      ],
    })
    await new Reindex(opened.database, index).replace([], [], batch)
    await reindex.replace(anew(batch?.rows ?? []), [], batch)
    expect(await found(asks('anew'))).toEqual([])
    expect(await found(asks('written'))).toEqual(['t0'])
    expect([await referencesOf('t0'), await referencesOf('t1')]).toEqual([['w'], []])
  })

  it('does not mix with a write of the same record', async () => {
    await store.commit({ versions: things(1, [code('before'), link('a')]) })
    for (let n = 1; n < 12; n++) {
      const reindex = new Reindex(opened.database, index)
      await reindex.begin({ Thing: `form ${n}` }, {})
      const batch = await reindex.next(10)
      const written = version({ type: 'Thing', id: 't0', version: n + 1, values: [code(`v${n}`), link(`w${n}`)] })
      await Promise.all([
        reindex.replace(anew(batch?.rows ?? [], [code('anew'), link('a'), link('x')]), [], batch),
        store.commit({ versions: [written] }),
      ])
      expect(await referencesOf('t0')).toEqual([`w${n}`])
      expect([await found(asks('anew')), await found(asks(`v${n}`))]).toEqual([[], ['t0']])
    }
  })

  it('keeps what could not be opened until it can', async () => {
    await store.commit({ versions: things(3) })
    const reindex = new Reindex(opened.database, index)
    await reindex.begin(NEW, {})
    const batch = await reindex.next(10)
    const [closed, ...open] = batch?.rows ?? []
    await reindex.replace(anew(open), closed ? [closed.pk] : [], batch)
    expect(await reindex.begin(NEW, {})).toBe(false)
    const waiting = await reindex.waiting(10, 0n)
    expect(waiting.map(({ version: { id } }) => id)).toEqual(['t0'])
    await reindex.replace(anew(waiting), [])
    expect(await reindex.waiting(10, 0n)).toEqual([])
    expect(await found(asks('anew'))).toHaveLength(3)
  })

  it('begins again when it is to be as before while half is done', async () => {
    const reindex = new Reindex(opened.database, index)
    await reindex.begin(OLD, {})
    await store.commit({ versions: things(4) })
    expect(await reindex.begin(NEW, {})).toBe(true)
    const batch = await reindex.next(2)
    await reindex.replace(anew(batch?.rows ?? []), [], batch)
    expect(await reindex.begin(OLD, {})).toBe(true)
    expect((await reindex.next(10))?.rows).toHaveLength(4)
  })
})
