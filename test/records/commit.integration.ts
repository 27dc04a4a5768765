import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/records/database.js'
import { RecordStore } from '../../src/records/record-store.js'
import type { Change, Committed, NewVersion } from '../../src/records/types.js'
import { eventually } from '../ledger/support/eventually.js'
import { ENGINES, type OpenDatabase } from './open.js'
import { auditRecord, code, EVERYTHING, hex, index, next, OURS, version } from './versions.js'

describe.each(ENGINES)('commit on $name', ({ open }) => {
  let opened: OpenDatabase
  let database: Database
  let store: RecordStore
  beforeAll(async () => {
    opened = await open()
    database = opened.database
    store = new RecordStore(database, index)
  })
  afterAll(() => opened.close())

  const committed: Committed = { committed: true }

  async function rowsOf(table: string, column: string, pk: bigint): Promise<number> {
    const { rows } = await database.query<{ count: bigint }>(`SELECT count(*) FROM ${table} WHERE ${column} = $1`, [pk])
    return Number(rows[0]?.count)
  }

  async function keyOf(id: string): Promise<bigint> {
    const { rows } = await database.query<{ pk: bigint }>('SELECT pk FROM resource WHERE id = $1', [id])
    return rows[0]?.pk as bigint
  }

  it('gives back every field of what was committed', async () => {
    const patient = hex()
    const made = version({
      patient,
      labels: 5n,
      categories: (1n << 64n) - 1n,
      salt: randomBytes(16),
      body: randomBytes(9000),
      source: 'urn:feed:a',
      others: [hex(), hex()],
      facts: { facets: [-3n, 5n], care: { lo: Buffer.of(1, 2), hi: Buffer.of(1, 3) } },
    })
    expect(await store.commit({ versions: [made] })).toEqual(committed)
    const [read, missing] = await store.read([made, { type: 'Observation', id: 'nobody' }])
    expect(missing).toBeNull()
    const { index: _index, leaf: _leaf, ...wanted } = made
    expect(read).toEqual(wanted)
  })

  it('replaces what found the version before', async () => {
    const target = { type: 'Patient', id: randomUUID() }
    const reference = (id: string) => ({ param: 'subject', kind: 'reference' as const, type: 'Patient', id })
    const date = { param: 'date', kind: 'date' as const, lo: 0, hi: 1 }
    const first = version({ values: [code('code', 's', 'a'), reference(target.id), reference('other'), date] })
    await store.commit({ versions: [first] })
    const pk = await keyOf(first.id)
    expect([await rowsOf('reference', 'source_pk', pk), await rowsOf('ordered', 'resource_pk', pk)]).toEqual([2, 1])

    const second = next(first, { values: [reference(target.id)] })
    expect(await store.commit({ versions: [second] })).toEqual(committed)
    expect([await rowsOf('reference', 'source_pk', pk), await rowsOf('ordered', 'resource_pk', pk)]).toEqual([1, 0])
    expect(await keyOf(first.id)).toBe(pk)

    expect(await store.commit({ versions: [next(second, { deleted: true, cid: null })] })).toEqual(committed)
    expect([await rowsOf('reference', 'source_pk', pk), await rowsOf('ordered', 'resource_pk', pk)]).toEqual([0, 0])
    expect((await store.read([first]))[0]).toMatchObject({ version: 3, deleted: true, cid: null })
    expect(await store.readVersion([first])).toMatchObject([{ version: 1, cid: first.cid }])
    const { type, id } = first
    const history = await store.history({ type, id, count: 2 }, EVERYTHING)
    expect(history).toMatchObject({ rows: [{ version: 3 }, { version: 2 }], total: 3 })
    const rest = await store.history({ type, id, count: 2, cursor: history.next as string }, EVERYTHING)
    expect(rest).toMatchObject({ rows: [{ version: 1 }], total: 3, next: null })
  })

  it('shows an old version under the labels of both it and the current one', async () => {
    const first = version({ labels: 2n })
    await store.commit({ versions: [first] })
    await store.commit({ versions: [next(first, { labels: 4n })] })
    expect((await store.read([first]))[0]?.labels).toBe(4n)
    expect((await store.readVersion([first]))[0]?.labels).toBe(6n)
  })

  it('takes any later version of an imported record', async () => {
    const third = version({ source: 'urn:b', version: 3, origin: hex() })
    expect(await store.commit({ versions: [third, version()] })).toEqual(committed)
    expect(await store.commit({ versions: [{ ...third, version: 7, cid: 'seven' }] })).toEqual(committed)
    expect(await store.commit({ versions: [{ ...third, version: 7 }] })).toMatchObject({ committed: false })
    expect(await store.commit({ versions: [{ ...third, version: 5 }] })).toMatchObject({ committed: false })
    expect(await store.history({ type: third.type, id: third.id, count: 5 }, EVERYTHING)).toMatchObject({
      rows: [{ version: 7 }, { version: 3 }],
      total: 2,
    })
  })

  it('writes nothing of a change with one stale version, and says which', async () => {
    const first = version()
    await store.commit({ versions: [first] })
    const fresh = version()
    const stale = version({ ...first, version: 3 })
    const change: Change = {
      versions: [fresh, stale],
      audit: [auditRecord()],
      outbox: [{ kind: 'test', key: fresh.id, payload: null }],
    }
    expect(await store.commit(change)).toEqual({
      committed: false,
      conflicts: [
        { kind: 'version', type: 'Observation', id: first.id, expected: 2, current: { version: 1, deleted: false } },
      ],
    })
    expect(await store.read([fresh, change.audit?.[0] ?? fresh])).toEqual([null, null])
    const { rows } = await database.query('SELECT 1 FROM outbox WHERE key = $1', [fresh.id])
    expect(rows).toEqual([])
  })

  it('does not create what exists', async () => {
    const first = version()
    await store.commit({ versions: [first] })
    expect(await store.commit({ versions: [version(), version({ id: first.id })] })).toMatchObject({
      committed: false,
      conflicts: [{ kind: 'version', id: first.id, expected: 0, current: { version: 1 } }],
    })
  })

  it('lets one of many concurrent writers of one version win, and keeps the others whole', async () => {
    const first = version()
    await store.commit({ versions: [first] })
    const rivals = Array.from({ length: 20 }, () => [next(first), version()] as const)
    const verdicts = await Promise.all(rivals.map(([rival, own]) => store.commit({ versions: [rival, own] })))
    expect(verdicts.filter((verdict) => verdict.committed)).toHaveLength(1)
    const read = await store.read(rivals.map(([, own]) => own))
    expect(read.map((row) => row !== null)).toEqual(verdicts.map((verdict) => verdict.committed))
  })

  it('keeps the verdict of each caller in a group', async () => {
    const taken = version()
    await store.commit({ versions: [taken] })
    const good = Array.from({ length: 10 }, () => version())
    const verdicts = await Promise.all([
      ...good.slice(0, 5).map((made) => store.commit({ versions: [made] })),
      store.commit({ versions: [version({ id: taken.id })] }),
      ...good.slice(5).map((made) => store.commit({ versions: [made] })),
    ])
    expect(verdicts.map((verdict) => verdict.committed)).toEqual([
      ...Array<boolean>(5).fill(true),
      false,
      ...Array<boolean>(5).fill(true),
    ])
    expect((await store.read(good)).every((row) => row !== null)).toBe(true)
  })

  it('does not fail a group for a member that the database refuses', async () => {
    const good = version()
    const [first, bad] = await Promise.allSettled([
      store.commit({ versions: [good] }),
      store.commit({ versions: [version({ id: 'a\0b' })] }),
    ])
    expect(first).toEqual({ status: 'fulfilled', value: committed })
    expect(bad).toMatchObject({ status: 'rejected', reason: { kind: 'internal' } })
  })

  it('is one transaction across several stores that write the same resources in any order', async () => {
    const stores = [store, new RecordStore(database, index), new RecordStore(database, index)]
    const resources = Array.from({ length: 6 }, () => version())
    await store.commit({ versions: resources })
    const current = new Map(resources.map((made) => [made.id, made]))
    let wins = 0
    for (let round = 0; round < 5; round++) {
      const verdicts = await Promise.all(
        stores.map((one, i) => {
          const order = i % 2 === 0 ? resources : [...resources].reverse()
          return one.commit({ versions: order.map(({ id }) => next(current.get(id) as (typeof resources)[0])) })
        }),
      )
      expect(verdicts.filter((verdict) => verdict.committed)).toHaveLength(1)
      wins++
      for (const [id, made] of current) current.set(id, next(made))
    }
    expect((await store.read(resources)).map((row) => row?.version)).toEqual(resources.map(() => 1 + wins))
  })

  it('makes one of two concurrent conditional creates, and again after a deletion', async () => {
    const criteria = {
      type: 'Patient',
      clauses: [
        {
          is: 'filter' as const,
          param: 'identifier',
          kind: 'token' as const,
          values: [{ system: 's', code: randomUUID() }],
        },
      ],
    }
    const value = criteria.clauses[0]?.values[0]?.code as string
    const key = index.claim('Patient', JSON.stringify(criteria))
    const create = async (): Promise<Committed> => {
      const { matches, snapshot } = await store.match([criteria], EVERYTHING)
      if ((matches[0]?.length ?? 0) > 0) return { committed: false, conflicts: [] }
      const made = version({ type: 'Patient', values: [code('identifier', 's', value)] })
      return store.commit({ versions: [made], claims: [{ key, snapshot }] })
    }
    const verdicts = await Promise.all(Array.from({ length: 8 }, create))
    expect(verdicts.filter((verdict) => verdict.committed)).toHaveLength(1)
    expect(
      verdicts.filter((verdict) => !verdict.committed && verdict.conflicts[0]?.kind === 'claim').length,
    ).toBeGreaterThan(0)
    expect((await create()).committed).toBe(false)

    const [found] = (await store.match([criteria], EVERYTHING)).matches[0] ?? []
    const [stored] = await store.read([found ?? (criteria as never)])
    await store.commit({
      versions: [version({ ...(stored as object), index: null, leaf: null, version: 2, deleted: true })],
    })
    expect((await create()).committed).toBe(true)
  })

  describe('what speaks of a Patient', () => {
    const patient = () => version({ type: 'Patient' })
    const about = (...patients: readonly NewVersion[]): Change & { readonly versions: readonly NewVersion[] } => ({
      versions: [version()],
      present: patients.map(({ id }) => id),
    })
    const deletion = (of: NewVersion): Change => ({ versions: [next(of, { deleted: true, cid: null })] })
    const absent = (...patients: readonly NewVersion[]): Committed => ({
      committed: false,
      conflicts: [{ kind: 'absent', localIds: patients.map(({ id }) => id) }],
    })

    it('is written while the Patient is there, and of one who is deleted or never was nothing is, nor of what comes with it', async () => {
      const [here, gone] = [patient(), patient()]
      await store.commit({ versions: [here, gone] })
      await store.commit(deletion(gone))
      const never = patient()
      const key = randomUUID()
      const fresh = about(here, gone, never)
      const withOthers = { ...fresh, audit: [auditRecord()], outbox: [{ kind: 'test', key, payload: null }] }
      const own = about(here)
      const verdicts = await Promise.all([store.commit(own), store.commit(withOthers)])
      expect(verdicts).toEqual([committed, absent(gone, never)])
      expect(
        (await store.read([...own.versions, ...fresh.versions, ...withOthers.audit])).map((row) => row !== null),
      ).toEqual([true, false, false])
      expect((await database.query('SELECT 1 FROM outbox WHERE key = $1', [key])).rows).toEqual([])
      // A later version goes another way.
      const [before] = own.versions as [NewVersion]
      expect(await store.commit({ versions: [next(before)], present: [gone.id] })).toEqual(absent(gone))
      expect(await store.commit({ versions: [next(before)], present: [here.id] })).toEqual(committed)
    })

    it('comes before a deletion that is handed in after it, and not after one that was handed in before', async () => {
      const [first, second] = [patient(), patient()]
      await store.commit({ versions: [first, second] })
      const lane = new RecordStore(database, index, { lanes: 1 })
      const verdicts = await Promise.all([
        lane.commit(about(first)),
        lane.commit(deletion(first)),
        lane.commit(deletion(second)),
        lane.commit(about(second)),
      ])
      expect(verdicts).toEqual([committed, committed, committed, absent(second)])
    })

    it('waits for a deletion that another session has begun, and for no other Patient’s', async (context) => {
      if (database.sessions === 1) return context.skip('PGlite is one session')
      for (const [ending, expected] of [
        ['COMMIT', 'absent'],
        ['ROLLBACK', 'committed'],
      ] as const) {
        const [dying, other] = [patient(), patient()]
        await store.commit({ versions: [dying, other] })
        const rival = await rivalSession()
        await rival.query('BEGIN')
        await rival.query('UPDATE resource SET deleted = true WHERE id = $1', [dying.id])
        const inFlight = store.commit(about(dying))
        await rival.waiting(1)
        expect(await new RecordStore(database, index).commit(about(other))).toEqual(committed)
        await rival.query(ending)
        expect(await inFlight).toEqual(expected === 'absent' ? absent(dying) : committed)
        await rival.end()
      }
    })

    it('lets a deletion wait until it is written, and others write of the same Patient meanwhile', async (context) => {
      if (database.sessions === 1) return context.skip('PGlite is one session')
      const made = patient()
      await store.commit({ versions: [made] })
      const rival = await rivalSession()
      const outbox = { kind: 'test', key: randomUUID(), payload: null }
      await rival.query('BEGIN')
      await rival.query(`INSERT INTO outbox (kind, key, payload, due) VALUES ('test', $1, 'null', 0)`, [outbox.key])
      // It has the Patient and waits for whoever writes the same piece of work.
      const inFlight = store.commit({ ...about(made), outbox: [outbox] })
      await rival.waiting(1)
      const stores = [new RecordStore(database, index), new RecordStore(database, index)] as const
      expect(await stores[0].commit(about(made))).toEqual(committed)
      let deleted = false
      const deleting = stores[1].commit(deletion(made)).finally(() => (deleted = true))
      await rival.waiting(2)
      expect(deleted).toBe(false)
      await rival.query('ROLLBACK')
      expect(await Promise.all([inFlight, deleting])).toEqual([committed, committed])
      expect(await store.commit(about(made))).toEqual(absent(made))
      await rival.end()
    })
  })

  /** Another session, which sees how many wait for locks. */
  async function rivalSession() {
    const runner = database.dataSource.createQueryRunner()
    await runner.connect()
    const query = (text: string, values: unknown[] = []) => runner.query(text, values) as Promise<{ n: bigint }[]>
    const waiting = async (count: number): Promise<void> => {
      const WAITING = `SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'
        AND pg_backend_pid() = ANY (pg_blocking_pids(pid)) OR pid IN (SELECT b.pid FROM pg_stat_activity a,
          unnest(pg_blocking_pids(a.pid)) WITH ORDINALITY AS w(blocker, n), pg_stat_activity b
          WHERE b.pid = a.pid AND pg_backend_pid() = ANY (pg_blocking_pids(w.blocker)))`
      await eventually(async () => Number((await query(WAITING))[0]?.n)).toBe(count)
    }
    return { query, waiting, end: () => runner.release() }
  }

  it('drops a second piece of work of the same name', async () => {
    const key = randomUUID()
    await store.commit({
      outbox: [
        { kind: 'test', key, payload: { n: 1 } },
        { kind: 'test', key, payload: { n: 2 } },
      ],
    })
    await store.commit({ outbox: [{ kind: 'test', key, payload: { n: 3 } }] })
    const { rows } = await database.query<{ payload: unknown }>('SELECT payload FROM outbox WHERE key = $1', [key])
    expect(rows).toEqual([{ payload: { n: 1 } }])
  })

  it('sends the same number of statements for one row and for hundreds', async () => {
    const change = (count: number): Change => ({
      versions: Array.from({ length: count }, () => version({ values: [code('code', 's', 'x')] })),
      audit: Array.from({ length: count }, () => auditRecord()),
      outbox: Array.from({ length: count }, () => ({ kind: 'test', key: randomUUID(), payload: {} })),
    })
    const one = change(1)
    const many = change(300)
    const later = (made: Change): Change => ({ versions: (made.versions ?? []).map((v) => next(v)) })
    const store = new RecordStore(database, index)
    await store.commit(change(1)) // takes a thousand keys
    const counted = new Counted(database)
    expect([
      await counted.statements(() => store.commit(one)),
      await counted.statements(() => store.commit(many)),
    ]).toEqual([1, 1])
    expect([
      await counted.statements(() => store.commit(later(one))),
      await counted.statements(() => store.commit(later(many))),
    ]).toEqual([5, 5]) // BEGIN, lock, delete index rows, write, COMMIT

    const refs = (many.versions ?? []).slice(0, 100)
    const query = { type: 'Observation', clauses: [], count: 50, total: true }
    await store.search(query, EVERYTHING) // the first one asks for the statistics of tokens besides
    const criteria = refs.map(({ type, id }) => ({
      type,
      clauses: [{ is: 'filter' as const, param: '_id', kind: 'token' as const, values: [{ code: id }] }],
    }))
    const include = { reverse: false, iterate: true, parameters: null }
    const including = { includes: [include, { ...include, reverse: true }], types: [], within: [], rounds: 4, most: 10 }
    for (const work of [
      () => store.read(refs),
      () => store.readVersion(refs),
      () => store.resolve(refs),
      () => store.search(query, EVERYTHING),
      () => store.search({ ...query, sort: [{ by: 'text', param: 'code', descending: false }] }, EVERYTHING),
      () => store.include({ ...including, from: refs.slice(0, 1) }, EVERYTHING),
      () => store.include({ ...including, from: refs }, EVERYTHING),
      () => store.match(criteria, EVERYTHING),
      () => store.purge({ patient: hex() }),
    ]) {
      expect(await counted.statements(work)).toBe(1)
    }
  })

  it('purges imported records of a patient and nothing else', async () => {
    const [patient, origin] = [hex(), hex()]
    const theirs = version({ patient, origin, source: 'urn:b', labels: 1n, values: [code('code', 's', 'x')] })
    const sensitive = version({ patient, origin, source: 'urn:b', labels: 16n })
    const elsewhere = version({ patient, origin: hex(), source: 'urn:c' })
    const ours = version({ patient })
    await store.commit({ versions: [theirs, sensitive, elsewhere, ours] })
    await store.commit({ versions: [next(theirs, { cid: 'second' })] })
    expect(await store.purge({ patient, origin, labels: 16n })).toEqual({ cids: [sensitive.cid], removed: 1 })
    const { cids, removed } = await store.purge({ patient, origin })
    expect([cids.sort(), removed]).toEqual([[theirs.cid, 'second'].sort(), 1])
    expect((await store.resolve([theirs, sensitive, elsewhere, ours])).map((row) => row !== null)).toEqual([
      false,
      false,
      true,
      true,
    ])
    for (const table of ['resource_version', 'reference', 'ordered']) {
      const column = table === 'reference' ? 'source_pk' : 'resource_pk'
      const { rows } = await database.query(
        `SELECT 1 FROM ${table} t WHERE NOT EXISTS (SELECT 1 FROM resource r WHERE r.pk = t.${column})`,
      )
      expect(rows).toEqual([])
    }
  })

  it('refuses a second session inside a transaction instead of waiting for ever', async () => {
    await expect(store.transaction(() => store.read([version()]))).rejects.toMatchObject({ kind: 'internal' })
    await expect(store.transaction(() => store.commit({ versions: [version()] }))).rejects.toMatchObject({
      kind: 'internal',
    })
    const { rows } = await store.transaction((sql) =>
      sql.query<{ origin: Buffer }>('SELECT $1::bytea AS origin', [Buffer.from(OURS.slice(2), 'hex')]),
    )
    expect(rows[0]?.origin).toHaveLength(32)
  })
})

/** Counts what goes to the driver. */
class Counted {
  constructor(private readonly database: Database) {}

  async statements(work: () => Promise<unknown>): Promise<number> {
    const { driver } = this.database.dataSource as unknown as {
      driver: { master: { Client: { prototype: { query: (...a: unknown[]) => unknown } } } }
    }
    const { prototype } = driver.master.Client
    const original = prototype.query
    let count = 0
    prototype.query = function (this: unknown, ...given: unknown[]) {
      count++
      return original.apply(this, given)
    }
    try {
      await work()
    } finally {
      prototype.query = original
    }
    return count
  }
}
