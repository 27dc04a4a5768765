import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import type { RowFilter } from '../../src/records/types.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { EVERYTHING, hex, index, next, version } from './versions.js'

describe.each(ENGINES)('history on $name', ({ open }) => {
  let opened: OpenDatabase
  let store: RecordStore
  beforeAll(async () => {
    opened = await open()
    store = new RecordStore(opened.database, index)
  })
  afterAll(() => opened.close())

  const names = (rows: readonly { type: string; id: string; version: number }[]) =>
    rows.map(({ type, id, version: v }) => `${type}/${id}/${v}`)

  it('runs through a type and through everything, newest first, page by page', async () => {
    const made = Array.from({ length: 5 }, (_, i) =>
      version({ type: i % 2 === 0 ? 'H1' : 'H2', id: `h${i}`, lastUpdated: 1000 + i }),
    )
    await store.commit({ versions: made })
    await store.commit({ versions: [next(made[0] as never, { lastUpdated: 2000 })] })
    const all: string[] = []
    let cursor: string | undefined
    do {
      const page = await store.history(
        { types: ['H1', 'H2'], count: 2, ...(cursor === undefined ? {} : { cursor }) },
        EVERYTHING,
      )
      all.push(...names(page.rows))
      cursor = page.next ?? undefined
      expect(page.total).toBeNull()
    } while (cursor !== undefined)
    expect(all).toEqual(['H1/h0/2', 'H1/h4/1', 'H2/h3/1', 'H1/h2/1', 'H2/h1/1', 'H1/h0/1'])
    expect(names((await store.history({ type: 'H2', count: 9 }, EVERYTHING)).rows)).toEqual(['H2/h3/1', 'H2/h1/1'])
  })

  it('gives places that nobody else can make up, of one length, whatever the keys of rows, which count what others wrote', async () => {
    await store.commit({ versions: [1, 2, 3].map((i) => version({ type: 'H9', id: `s${i}`, lastUpdated: i })) })
    const { rows } = await opened.database.query<{ pk: bigint }>("SELECT pk FROM resource WHERE type = 'H9'")
    const page = await store.history({ type: 'H9', count: 1 }, EVERYTHING)
    const compartment = { patient: hex(), types: ['H9'], related: 0, count: 1 }
    await store.commit({
      versions: [4, 5].map((i) => version({ type: 'H9', id: `s${i}`, patient: compartment.patient })),
    })
    const inside = await store.compartment(compartment, EVERYTHING)
    expect((page.next as string).length).toBe((inside.next as string).length)
    const forged = [Buffer.from(`1.${rows[0]?.pk}.1`), Buffer.from(String(rows[0]?.pk))].map((b) =>
      b.toString('base64url'),
    )
    for (const cursor of [...forged, inside.next as string]) {
      await expect(store.history({ type: 'H9', count: 1, cursor }, EVERYTHING)).rejects.toThrow(/start again/)
    }
    for (const cursor of [...forged, page.next as string]) {
      await expect(store.compartment({ ...compartment, cursor }, EVERYTHING)).rejects.toThrow(/start again/)
    }
    const next = await store.compartment({ ...compartment, cursor: inside.next as string }, EVERYTHING)
    expect(names(next.rows)).toEqual(['H9/s5/1'])
  })

  it('since a time, and as it was at a time', async () => {
    const first = version({ type: 'H3', id: 'x', lastUpdated: 100 })
    await store.commit({ versions: [first] })
    const second = next(first, { lastUpdated: 200 })
    await store.commit({ versions: [second] })
    await store.commit({ versions: [next(second, { lastUpdated: 300, deleted: true, cid: null })] })
    const versions = async (query: object) =>
      (await store.history({ type: 'H3', id: 'x', count: 9, ...query }, EVERYTHING)).rows.map((row) => row.version)
    expect(await versions({ since: 200 })).toEqual([3, 2])
    expect(await versions({ at: { lo: 150, hi: 151 } })).toEqual([1])
    expect(await versions({ at: { lo: 150, hi: 250 } })).toEqual([2, 1])
    expect(await versions({ at: { lo: 200, hi: 201 } })).toEqual([2])
    expect(await versions({ at: { lo: 0, hi: 50 } })).toEqual([])
  })

  it('shows nothing, and counts nothing, that the condition does not permit for the version and for the resource now', async () => {
    const [mine, other] = [hex(), hex()]
    const first = version({ type: 'H4', id: 'a', labels: 1n, patient: mine, lastUpdated: 1 })
    await store.commit({ versions: [first] })
    const second = next(first, { labels: 3n, lastUpdated: 2 })
    await store.commit({ versions: [second] })
    await store.commit({ versions: [next(second, { labels: 1n, lastUpdated: 3 })] })
    await store.commit({ versions: [version({ type: 'H4', id: 'b', labels: 1n, patient: other, lastUpdated: 4 })] })
    const permitted: RowFilter = {
      sql: 'r.patient = $1 AND r.labels & $2 = r.labels',
      params: [Buffer.from(mine.slice(2), 'hex'), 1n],
    }
    expect(names((await store.history({ type: 'H4', count: 9 }, permitted)).rows)).toEqual(['H4/a/3', 'H4/a/1'])
    const instance = await store.history({ type: 'H4', id: 'a', count: 1 }, permitted)
    expect([instance.total, names(instance.rows)]).toEqual([2, ['H4/a/3']])
    // What is sensitive now hides its harmless past.
    const now = version({ type: 'H4', id: 'c', labels: 1n, patient: mine, lastUpdated: 5 })
    await store.commit({ versions: [now] })
    await store.commit({ versions: [next(now, { labels: 3n, lastUpdated: 6 })] })
    expect((await store.history({ type: 'H4', id: 'c', count: 9 }, permitted)).rows).toEqual([])
    // What moved to another patient is neither's to show whole.
    const moved = version({ type: 'H4', id: 'd', labels: 1n, patient: mine, lastUpdated: 7 })
    await store.commit({ versions: [moved] })
    await store.commit({ versions: [next(moved, { patient: other, lastUpdated: 8 })] })
    expect((await store.history({ type: 'H4', id: 'd', count: 9 }, permitted)).rows).toEqual([])
  })

  it('links pages so that nobody reads keys of rows in it, makes one up or carries it elsewhere', async () => {
    await store.commit({ versions: ['a', 'b'].map((id) => version({ type: 'H5', id, lastUpdated: 1000 })) })
    const { next: cursor } = await store.history({ type: 'H5', count: 1 }, EVERYTHING)
    expect(Buffer.from(cursor as string, 'base64url').toString('latin1')).not.toMatch(/1000\.\d/)
    const ask = (query: object) =>
      store.history({ type: 'H5', count: 1, cursor: cursor as string, ...query }, EVERYTHING)
    expect((await ask({})).rows.map(({ id }) => id)).toEqual(['a'])
    for (const elsewhere of [{ type: 'H1' }, { id: 'a' }]) {
      await expect(ask(elsewhere)).rejects.toMatchObject({ kind: 'malformed' })
    }
  })

  it('refuses a page link that it did not make', async () => {
    for (const cursor of [
      '',
      'x',
      Buffer.from('1.2').toString('base64url'),
      Buffer.from('1.2.3.4').toString('base64url'),
    ]) {
      await expect(store.history({ count: 1, cursor }, EVERYTHING)).rejects.toMatchObject({ kind: 'malformed' })
    }
  })
})
