import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RecordStore } from '../../src/records/record-store.js'
import type { Clause, Modifier, DateValue, NumberValue } from '../../src/clauses/clause.js'
import type { IndexValue, SearchQuery } from '../../src/records/search-query.js'
import type { NewVersion, RowFilter } from '../../src/records/types.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { code, EVERYTHING, hex, index, OURS, version } from './versions.js'

const query = (type: string, clauses: readonly Clause[], more: Partial<SearchQuery> = {}): SearchQuery => ({
  type,
  clauses,
  count: 50,
  total: false,
  ...more,
})

describe.each(ENGINES)('search on $name', ({ open }) => {
  let opened: OpenDatabase
  let store: RecordStore
  beforeAll(async () => {
    opened = await open()
    store = new RecordStore(opened.database, index)
  })
  afterAll(() => opened.close())

  /** Names of the records found, in order of name. A type of its own per test keeps tests apart. */
  const made = new Map<string, string>()
  async function put(type: string, name: string, values: readonly IndexValue[], given: Partial<NewVersion> = {}) {
    const one = version({ type, values, ...given })
    made.set(one.id, name)
    await store.commit({ versions: [one] })
    return one
  }
  async function found(type: string, clauses: readonly Clause[], filter: RowFilter = EVERYTHING): Promise<string> {
    const { rows } = await store.search(query(type, clauses), filter)
    return rows
      .map(({ id }) => made.get(id))
      .sort()
      .join('')
  }
  const token = (param: string, ...values: { system?: string | null; code?: string }[]): Clause => ({
    is: 'filter',
    param,
    kind: 'token',
    values,
  })

  it('finds codes with, without and by system', async () => {
    await put('T1', 'a', [code('code', 's', 'x')])
    await put('T1', 'b', [code('code', 't', 'x')])
    await put('T1', 'c', [code('code', undefined, 'x')])
    await put('T1', 'd', [code('code', 's', 'y'), code('status', undefined, 'x')])
    expect(await found('T1', [token('code', { code: 'x' })])).toBe('abc')
    expect(await found('T1', [token('code', { system: 's', code: 'x' })])).toBe('a')
    expect(await found('T1', [token('code', { system: null, code: 'x' })])).toBe('c')
    expect(await found('T1', [token('code', { system: 's' })])).toBe('ad')
    expect(await found('T1', [token('code', { system: 's', code: 'x' }, { system: 't', code: 'x' })])).toBe('ab')
    expect(await found('T1', [token('code', { system: 's' }), token('status', { code: 'x' })])).toBe('d')
    expect(await found('T1', [{ ...token('code', { code: 'x' }), modifier: 'not' } as Clause])).toBe('d')
    expect(await found('T2', [token('code', { code: 'x' })])).toBe('')
  })

  it('finds strings by prefix, and exactly with :exact', async () => {
    const name = (value: string, normal: string, word?: true): IndexValue => ({
      param: 'name',
      kind: 'string',
      value,
      normal,
      ...(word ? { word } : {}),
    })
    await put('S1', 'a', [
      name('Müller-Lüdenscheidt', 'muller ludenscheidt'),
      name('Lüdenscheidt', 'ludenscheidt', true),
    ])
    await put('S1', 'b', [name('Muller', 'muller')])
    const string = (normal: string, value = normal, modifier?: Modifier): Clause => ({
      is: 'filter',
      param: 'name',
      kind: 'string',
      values: [{ normal, value }],
      ...(modifier ? { modifier } : {}),
    })
    expect(await found('S1', [string('mul')])).toBe('ab')
    expect(await found('S1', [string('muller')])).toBe('ab')
    expect(await found('S1', [string('muller l')])).toBe('a')
    expect(await found('S1', [string('luden')])).toBe('a')
    expect(await found('S1', [string('mullers')])).toBe('')
    expect(await found('S1', [string('muller', 'Muller', 'exact')])).toBe('b')
    expect(await found('S1', [string('ludenscheidt', 'Lüdenscheidt', 'exact')])).toBe('')
    expect(await found('S1', [string('ull', 'ull', 'contains')])).toBe('ab')
    expect(await found('S1', [string('er luden', 'er luden', 'contains')])).toBe('a')
    expect(await found('S1', [string('ller ludenscheid', 'ller ludenscheid', 'contains')])).toBe('a')
    expect(await found('S1', [string('ller ludenscheix', 'ller ludenscheix', 'contains')])).toBe('')
    await expect(found('S1', [string('ull', 'ull', 'text')])).rejects.toMatchObject({ kind: 'not-supported' })
  })

  it('finds references by type and id, url, version and identifier', async () => {
    const to = (more: Partial<Extract<IndexValue, { kind: 'reference' }>>): IndexValue => ({
      param: 'subject',
      kind: 'reference',
      ...more,
    })
    await put('R1', 'a', [to({ type: 'Patient', id: '1' })])
    await put('R1', 'b', [to({ type: 'Group', id: '1' })])
    await put('R1', 'c', [to({ url: 'http://x/V', version: '2' })])
    await put('R1', 'd', [to({ identifier: { system: 's', value: '7' } })])
    const ask = (value: object, modifier?: Modifier): Clause => ({
      is: 'filter',
      param: 'subject',
      kind: 'reference',
      values: [value],
      ...(modifier ? { modifier } : {}),
    })
    expect(await found('R1', [ask({ types: ['Patient'], id: '1' })])).toBe('a')
    expect(await found('R1', [ask({ types: ['Patient', 'Group'], id: '1' })])).toBe('ab')
    expect(await found('R1', [ask({ url: 'http://x/V' })])).toBe('c')
    expect(await found('R1', [ask({ url: 'http://x/V', version: '2' })])).toBe('c')
    expect(await found('R1', [ask({ url: 'http://x/V', version: '3' })])).toBe('')
    expect(await found('R1', [ask({ identifier: { system: 's', code: '7' } }, 'identifier')])).toBe('d')
  })

  it('compares dates as the table of prefixes says', async () => {
    const values = { a: [0, 10], b: [5, 15], c: [10, 20], d: [20, 30], e: [12, 14] } as const
    for (const [name, [lo, hi]] of Object.entries(values))
      await put('D1', name, [{ param: 'date', kind: 'date', lo, hi }])
    const ask = (prefix: DateValue['prefix'], lo = 10, hi = 20): Clause => ({
      is: 'filter',
      param: 'date',
      kind: 'date',
      values: [{ prefix, lo, hi }],
    })
    const expected = { eq: 'ce', ne: 'abd', gt: 'd', ge: 'cde', lt: 'ab', le: 'abce', sa: 'd', eb: 'a', ap: 'bce' }
    for (const [prefix, names] of Object.entries(expected)) {
      expect([prefix, await found('D1', [ask(prefix as DateValue['prefix'])])]).toEqual([prefix, names])
    }
    expect(await found('D1', [ask('ge', 12, 14), ask('le', 12, 14)])).toBe('bce')
  })

  it('compares numbers and quantities, and their units', async () => {
    const value = (n: string, more: object = {}): IndexValue => ({
      param: 'q',
      kind: 'quantity',
      value: n,
      lo: n,
      hi: n,
      ...more,
    })
    await put('Q1', 'a', [value('5.4', { system: 'u', code: 'mg', unit: 'milligram' })])
    await put('Q1', 'b', [value('-5', { system: 'u', code: 'g' })])
    await put('Q1', 'c', [{ param: 'q', kind: 'quantity', lo: '6', system: 'u', code: 'mg' }])
    const ask = (prefix: NumberValue['prefix'], n: string, unit: object = {}): Clause => ({
      is: 'filter',
      param: 'q',
      kind: 'quantity',
      values: [{ prefix, value: n, lo: String(Number(n) - 0.05), hi: String(Number(n) + 0.05), ...unit }],
    })
    expect(await found('Q1', [ask('eq', '5.4')])).toBe('a')
    expect(await found('Q1', [ask('eq', '5.4', { system: 'u', code: 'mg' })])).toBe('a')
    expect(await found('Q1', [ask('eq', '5.4', { code: 'milligram' })])).toBe('a')
    expect(await found('Q1', [ask('eq', '5.4', { system: 'u', code: 'g' })])).toBe('')
    expect(await found('Q1', [ask('gt', '5.4')])).toBe('c')
    expect(await found('Q1', [ask('lt', '0')])).toBe('b')
    expect(await found('Q1', [ask('ge', '5.4')])).toBe('ac')
  })

  it('finds by id and by time of change', async () => {
    const a = await put('I1', 'a', [], { lastUpdated: 100 })
    const b = await put('I1', 'b', [], { lastUpdated: 200 })
    await put('I2', 'x', [], { id: a.id })
    expect(await found('I1', [token('_id', { code: a.id }, { code: 'nobody' })])).toBe('x') // a's name is taken by x
    expect((await store.search(query('I1', [token('_id', { code: a.id })]), EVERYTHING)).rows).toHaveLength(1)
    const updated = (prefix: DateValue['prefix'], lo: number, hi: number): Clause => ({
      is: 'filter',
      param: '_lastUpdated',
      kind: 'date',
      values: [{ prefix, lo, hi }],
    })
    const ids = async (clause: Clause) =>
      (await store.search(query('I1', [clause]), EVERYTHING)).rows.map(({ id }) => id)
    expect(await ids(updated('eq', 100, 101))).toEqual([a.id])
    expect(await ids(updated('ge', 200, 201))).toEqual([b.id])
    expect(await ids(updated('lt', 200, 201))).toEqual([a.id])
    expect(await ids(updated('ne', 100, 101))).toEqual([b.id])
  })

  it('follows chains and reverse chains over permitted rows only', async () => {
    const [yes, no] = [hex(), hex()]
    const p = await put('P1', 'p', [code('name', undefined, 'peter')], { patient: yes })
    const secret = await put('P1', 'q', [code('name', undefined, 'peter')], { patient: no })
    const subject = (id: string): IndexValue => ({ param: 'subject', kind: 'reference', type: 'P1', id })
    await put('O1', 'a', [subject(p.id), code('code', undefined, 'x')], { patient: yes })
    await put('O1', 'b', [subject(secret.id), code('code', undefined, 'x')], { patient: yes })
    await put('O1', 'c', [subject(p.id), code('code', undefined, 'z')], { patient: no })
    const permitted: RowFilter = { sql: 'r.patient = $1', params: [Buffer.from(yes.slice(2), 'hex')] }
    const chain: Clause = {
      is: 'chain',
      param: 'subject',
      targets: [{ type: 'P1', clause: token('name', { code: 'peter' }) }],
    }
    expect(await found('O1', [chain])).toBe('abc')
    expect(await found('O1', [chain], permitted)).toBe('a')
    const has = (value: string): Clause => ({
      is: 'has',
      type: 'O1',
      param: 'subject',
      clause: token('code', { code: value }),
    })
    expect(await found('P1', [has('x')])).toBe('pq')
    expect(await found('P1', [has('x')], permitted)).toBe('p')
    expect(await found('P1', [has('z')], permitted)).toBe('')
  })

  it('counts, pages and totals permitted rows only, and never deleted ones', async () => {
    const [mine, other] = [hex(), hex()]
    for (let i = 0; i < 6; i++)
      await put('C1', String(i), [code('code', undefined, 'x')], { patient: i % 2 ? other : mine })
    const gone = await put('C1', 'gone', [code('code', undefined, 'x')], { patient: mine })
    await store.commit({ versions: [version({ ...gone, version: 2, deleted: true, index: null })] })
    const filter: RowFilter = {
      sql: 'r.patient = $1 AND r.labels & $2 = r.labels',
      params: [Buffer.from(mine.slice(2), 'hex'), 1],
    }
    for (const clauses of [[], [token('code', { code: 'x' })]]) {
      const first = await store.search(query('C1', clauses, { count: 2, total: true }), filter)
      expect([first.rows.length, first.total, first.next !== null]).toEqual([2, 3, true])
      const second = await store.search(
        query('C1', clauses, { count: 2, total: true, cursor: first.next as string }),
        filter,
      )
      expect([second.rows.length, second.total, second.next]).toEqual([1, 3, null])
      expect(await store.search(query('C1', clauses, { count: 0, total: true }), filter)).toMatchObject({
        rows: [],
        total: 3,
        next: null,
      })
    }
  })

  it('answers many conditions at once', async () => {
    const codes = Array.from({ length: 230 }, () => randomUUID())
    await store.commit({
      versions: codes.slice(0, 200).map((one) => version({ type: 'M1', values: [code('identifier', 's', one)] })),
    })
    const twice = version({ type: 'M1', values: [code('identifier', 's', codes[0] as string)] })
    await store.commit({ versions: [twice] })
    const { matches, snapshot } = await store.match(
      codes.map((one) => ({ type: 'M1', clauses: [token('identifier', { system: 's', code: one })] })),
      EVERYTHING,
    )
    expect(matches.map((rows) => rows.length)).toEqual([2, ...Array<number>(199).fill(1), ...Array<number>(30).fill(0)])
    expect(snapshot).toMatch(/^\d+:\d+:/)
    expect(matches[1]?.[0]).toMatchObject({ type: 'M1', version: 1, origin: OURS, labels: 1n })
  })

  it('refuses a page link that it did not make', async () => {
    const places = ["1:1:/0/0'--", '9999999999999999999:1:/0/0', '1:1:/0/9999999999999999999']
    for (const cursor of ['', 'x', ...places.map((place) => Buffer.from(place).toString('base64url'))]) {
      await expect(store.search(query('C1', [], { cursor }), EVERYTHING)).rejects.toMatchObject({ kind: 'malformed' })
      await expect(
        store.history({ type: 'C1', id: 'x', count: 1, cursor: `${cursor}x` }, EVERYTHING),
      ).rejects.toMatchObject({
        kind: 'malformed',
      })
    }
  })
})
