import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import type { IndexValue, SearchQuery } from '../../src/records/search-query.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { EVERYTHING, hex, index, next, version } from './versions.js'

/** `a b 3`: of the groups a and b, of the third day; without a day it has no date. */
function values(text: string): IndexValue[] {
  const members = text.split(' ').filter((word) => !/^\d+$/.test(word))
  const day = Number(/\d+/.exec(text)?.[0] ?? NaN)
  return [
    ...(members.length === 0 ? [] : [{ param: 'code', kind: 'group' as const, members }]),
    ...(Number.isNaN(day) ? [] : [{ param: 'date', kind: 'date' as const, lo: day, hi: day + 1 }]),
  ]
}

describe.each(ENGINES)('the latest of each group on $name', ({ open }) => {
  let opened: OpenDatabase
  let store: RecordStore
  let types = 0
  beforeAll(async () => {
    opened = await open()
    store = new RecordStore(opened.database, index)
  })
  afterAll(() => opened.close())

  /** Rows of a type of their own, each changed later than the one before, named by what they are. */
  async function rows(...texts: string[]) {
    const type = `T${types++}`
    const versions = texts.map((text, i) =>
      version({ type, id: `${type}-${text.replaceAll(' ', '.')}-${i}`, lastUpdated: 1000 + i, values: values(text) }),
    )
    await store.commit({ versions })
    return { type, versions }
  }

  const query = (type: string, most: number): SearchQuery => ({
    type,
    clauses: [],
    latest: { group: 'code', date: 'date', most },
    sort: [{ by: 'ordered', param: 'date', descending: true }],
    count: 100,
    total: true,
  })

  const names = (found: readonly { id: string }[]): string[] =>
    found.map(({ id }) => (id.split('-')[1] as string).replaceAll('.', ' '))

  async function latest(most: number, ...texts: string[]): Promise<string[]> {
    const { type } = await rows(...texts)
    const page = await store.search(query(type, most), EVERYTHING)
    expect(page.total).toBe(page.rows.length)
    return names(page.rows)
  }

  it('is the most recent, from the most recent to the oldest', async () => {
    expect(await latest(1, 'a 1', 'a 3', 'a 2', 'b 5', 'b 4', 'c 2')).toEqual(['b 5', 'a 3', 'c 2'])
    expect(await latest(2, 'a 1', 'a 3', 'a 2', 'b 5', 'b 4', 'b 1')).toEqual(['b 5', 'b 4', 'a 3', 'a 2'])
  })

  // the table of https://hl7.org/fhir/R4/observation-operation-lastn.html, then chains of more
  it.each([
    [['a 1', 'b 2', 'c 3'], 3],
    [['a 1', 'b 2', 'a c 3'], 2],
    [['a 1', 'b 2', 'a b 3'], 1],
    [['textM 1', 'Text 2', 't-e-x-t 3'], 3],
    [['a b 1', 'b c 2', 'c d 3', 'd e 4'], 1],
    [['a b 1', 'c d 2', 'e 3', 'd a 4', 'f g 5'], 3],
  ])('groups %j as %i by what is equal to what is equal', async (texts, groups) => {
    expect(await latest(1, ...texts)).toHaveLength(groups)
  })

  it('has all of the same time as the last of them', async () => {
    expect((await latest(2, 'a 1', 'a 2', 'a 2', 'a 2', 'a 3')).toSorted()).toEqual(['a 2', 'a 2', 'a 2', 'a 3'])
  })

  it('has what has no date after what has one, the last change first, and never as equally old', async () => {
    expect(await latest(2, 'a', 'a', 'a 1')).toHaveLength(2)
    expect(await latest(1, 'a', 'a', 'a')).toHaveLength(1)
    const { type, versions } = await rows('a', 'a')
    const page = await store.search(query(type, 1), EVERYTHING)
    expect(page.rows[0]?.id).toBe(versions[1]?.id)
  })

  it('takes what has no members each for itself', async () => {
    expect(await latest(1, '1', '2', 'a 1', 'a 2')).toEqual(['2', 'a 2', '1'])
  })

  it('is of what is permitted alone: what is hidden joins no groups and counts as nobody’s latest', async () => {
    const [seen, type] = [hex(), `T${types++}`]
    const row = (text: string, patient: typeof seen) =>
      version({ type, id: `${type}-${text.replaceAll(' ', '.')}`, patient, values: values(text) })
    await store.commit({
      versions: [row('a 1', seen), row('b 2', seen), row('a b 3', hex()), row('a 4', hex()), row('c 5', hex())],
    })
    const filter = { sql: 'r.patient = $1', params: [Buffer.from(seen.slice(2), 'hex')] }
    const page = await store.search(query(type, 1), filter)
    expect([page.total, names(page.rows)]).toEqual([2, ['b 2', 'a 1']])
  })

  it('comes in pages on one snapshot: what is newer is not in it, and a change ends it', async () => {
    const { type, versions } = await rows('a 1', 'b 2', 'c 3', 'd 4', 'd 1')
    const asked = { ...query(type, 1), count: 2 }
    const first = await store.search(asked, EVERYTHING)
    expect([first.total, names(first.rows)]).toEqual([4, ['d 4', 'c 3']])
    await store.commit({ versions: [version({ type, id: `${type}-new`, values: values('a b 9') })] })
    const second = await store.search({ ...asked, cursor: first.next as string }, EVERYTHING)
    expect([second.total, names(second.rows), second.next]).toEqual([4, ['b 2', 'a 1'], null])
    const again = await store.search({ ...asked, cursor: second.previous as string }, EVERYTHING)
    expect(names(again.rows)).toEqual(['d 4', 'c 3'])
    const plain = { ...asked, latest: undefined, cursor: first.next as string } as unknown as SearchQuery // a link of another search
    await expect(store.search(plain, EVERYTHING)).rejects.toMatchObject({ kind: 'malformed' })
    const [changed] = versions
    await store.commit({ versions: [next(changed as NonNullable<typeof changed>, { values: values('a 2') })] })
    const lost = store.search({ ...asked, cursor: first.next as string }, EVERYTHING)
    await expect(lost).rejects.toMatchObject({ kind: 'conflict' })
  })

  it('counts without rows', async () => {
    const { type } = await rows('a 1', 'a 2', 'b 1')
    expect(await store.search({ ...query(type, 1), count: 0 }, EVERYTHING)).toMatchObject({ total: 2, rows: [] })
  })
})
