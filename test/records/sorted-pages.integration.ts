import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import type { IndexValue, SearchQuery, SortKey } from '../../src/records/search-query.js'
import type { NewVersion } from '../../src/records/types.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { EVERYTHING, index, next, version } from './versions.js'

const text = (value: string): IndexValue => ({ param: 'family', kind: 'string', value, normal: value.toLowerCase() })
const born = (lo: number): IndexValue => ({ param: 'birthdate', kind: 'date', lo, hi: lo + 1 })
const by = (param: string, descending = false): SortKey => ({
  by: param === 'birthdate' ? 'ordered' : param === 'id' ? 'id' : 'text',
  param: param === 'id' ? '' : param,
  descending,
})

describe.each(ENGINES)('pages in an order of keys on $name', ({ open }) => {
  let opened: OpenDatabase
  let store: RecordStore
  beforeAll(async () => {
    opened = await open()
    store = new RecordStore(opened.database, index)
  })
  afterAll(() => opened.close())

  async function people(type: string, rows: Record<string, IndexValue[]>): Promise<Map<string, NewVersion>> {
    const versions = new Map(
      Object.entries(rows).map(([id, values]) => [id, version({ type, id: `${type}-${id}`, values })]),
    )
    await store.commit({ versions: [...versions.values()] })
    return versions
  }

  /** Names by page, going on by `next` and then all the way back by `previous`. */
  async function walk(query: SearchQuery): Promise<{ there: string[]; back: string[] }> {
    const name = (rows: readonly { id: string }[]): string => rows.map(({ id }) => id.split('-')[1]).join('')
    const there: string[] = []
    const back: string[] = []
    let page = await store.search(query, EVERYTHING)
    for (; ; page = await store.search({ ...query, cursor: page.next }, EVERYTHING)) {
      there.push(name(page.rows))
      if (page.next === null) break
    }
    while (page.previous !== null) {
      page = await store.search({ ...query, cursor: page.previous }, EVERYTHING)
      back.unshift(name(page.rows))
    }
    return { there, back }
  }

  const MIXED = {
    a: [text('Fernandez'), born(3)],
    b: [text('Fernandes'), born(1)],
    c: [text('Adams'), born(2)],
    d: [text('Adams'), born(4)],
    e: [born(9)],
    f: [text('Zhou')],
    g: [text('Müller'.normalize('NFD')), text('Aaron'), born(0)],
  }

  it.each([
    ['S0', [by('family')], ['gc', 'db', 'af', 'e']],
    ['S1', [by('family', true)], ['fg', 'ab', 'cd', 'e']],
    ['S2', [by('family'), by('birthdate', true)], ['gd', 'cb', 'af', 'e']],
    ['S3', [by('birthdate')], ['gb', 'ca', 'de', 'f']],
    ['S4', [by('birthdate', true), by('id')], ['ed', 'ac', 'bg', 'f']],
    ['S5', [by('id', true)], ['gf', 'ed', 'cb', 'a']],
  ])('are in order, each once, there and back: %s', async (type, sort, pages) => {
    await people(type, MIXED)
    const { there, back } = await walk({ type, clauses: [], sort, count: 2, total: true })
    expect(there).toEqual(pages)
    // going back pages are cut from the other end
    expect(back.join('')).toBe(pages.slice(0, -1).join(''))
  })

  it('go back in the order of last change too', async () => {
    await people('S6', MIXED)
    const { there, back } = await walk({ type: 'S6', clauses: [], count: 3, total: false })
    expect(there.join('')).toHaveLength(7)
    expect(back).toEqual(there.slice(0, -1))
  })

  it('are counted alone, whatever the order and the page', async () => {
    await people('S9', { a: [text('A'), born(1)], b: [text('B')] })
    for (const sort of [[by('family'), by('birthdate', true)], [by('id')], []]) {
      const query: SearchQuery = { type: 'S9', clauses: [], sort, count: 1, total: true }
      const { next: cursor } = await store.search(query, EVERYTHING)
      for (const asked of [query, { ...query, cursor }]) {
        const counted = await store.search({ ...asked, count: 0 } as SearchQuery, EVERYTHING)
        expect([counted.total, counted.rows]).toEqual([2, []])
      }
    }
  })

  it('neither repeat nor miss a row: new ones stay out, and a change ends the order', async () => {
    const versions = await people('S7', { a: [text('A')], b: [text('B')], c: [text('C')], d: [text('D')] })
    const query: SearchQuery = { type: 'S7', clauses: [], sort: [by('family')], count: 2, total: true }
    const first = await store.search(query, EVERYTHING)
    await people('S7', { z: [text('Bb')] })
    const second = await store.search({ ...query, cursor: first.next as string }, EVERYTHING)
    expect([second.rows.map(({ id }) => id), second.total]).toEqual([['S7-c', 'S7-d'], 4])
    // deleted rows are gone at once
    const gone = versions.get('d') as NewVersion
    await store.commit({ versions: [next(gone, { deleted: true })] })
    const third = await store.search({ ...query, cursor: first.next as string }, EVERYTHING)
    expect([third.rows.map(({ id }) => id), third.total]).toEqual([['S7-c'], 3])
    const moved = versions.get('a') as NewVersion
    await store.commit({ versions: [next(moved, { values: [text('Zz')] })] })
    await expect(store.search({ ...query, cursor: first.next as string }, EVERYTHING)).rejects.toMatchObject({
      kind: 'conflict',
    })
  })

  it('are counted without being made, from a later page too', async () => {
    await people('S10', MIXED)
    const query: SearchQuery = {
      type: 'S10',
      clauses: [],
      sort: [by('family'), by('birthdate')],
      count: 2,
      total: true,
    }
    const counted = { rows: [], total: 7, next: null, previous: null }
    expect(await store.search({ ...query, count: 0 }, EVERYTHING)).toMatchObject(counted)
    const { next: cursor } = await store.search(query, EVERYTHING)
    await people('S10', { z: [text('Later')] })
    expect((await store.search({ ...query, count: 0, cursor: cursor as string }, EVERYTHING)).total).toBe(7)
    expect(await store.search({ ...query, count: 0, total: false }, EVERYTHING)).toMatchObject({
      rows: [],
      total: null,
    })
    const plain: SearchQuery = { type: 'S10', clauses: [], count: 2, total: true }
    const { next: after } = await store.search(plain, EVERYTHING)
    expect((await store.search({ ...plain, count: 0, cursor: after as string }, EVERYTHING)).total).toBe(8)
  })

  it('are linked by cursors that nobody can read, make up or carry to another order', async () => {
    await people('S8', { a: [text('A')], b: [text('B')], c: [text('C')] })
    const query: SearchQuery = { type: 'S8', clauses: [], sort: [by('family')], count: 1, total: false }
    const { next: cursor } = await store.search(query, EVERYTHING)
    expect(Buffer.from(cursor as string, 'base64url').toString('latin1')).not.toMatch(/\d+:\d+:/)
    const refused = { kind: 'malformed' }
    const ask = (over: Partial<SearchQuery>) =>
      store.search({ ...query, cursor: cursor as string, ...over }, EVERYTHING)
    await expect(ask({ sort: [by('family', true)] })).rejects.toMatchObject(refused)
    await expect(ask({ type: 'S7' })).rejects.toMatchObject(refused)
    const bytes = Buffer.from(cursor as string, 'base64url')
    for (const at of [0, 12, bytes.length - 1]) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] as number) ^ 1
      await expect(ask({ cursor: changed.toString('base64url') })).rejects.toMatchObject(refused)
    }
    for (const made of ['', 'x', 'AAAA'.repeat(20)]) await expect(ask({ cursor: made })).rejects.toMatchObject(refused)
  })
})
