import { createHmac, hash, randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import pg from 'pg'
import { describe, it } from 'vitest'
import { openEngine } from '../../src/embedded/pglite-engine.js'
import { PgliteSocket } from '../../src/embedded/pglite-socket.js'
import { type Database, openDatabase } from '../../src/records/database.js'
import { KeyedTokens } from '../../src/records/keyed-tokens.js'
import { OrderPreserving } from '../../src/records/order-preserving.js'
import { RecordStore } from '../../src/records/record-store.js'
import type { Clause } from '../../src/clauses/clause.js'
import type { SearchQuery } from '../../src/records/search-query.js'
import type { NewVersion } from '../../src/records/types.js'
import { parameters, WRITE_NEW } from '../../src/records/write-statement.js'
import { type Engine, ENGINES } from '../records/open.js'
import { auditRecord, EVERYTHING, index } from '../records/versions.js'
import { pgliteDirectory } from '../support/pglite-template.js'
import { hasSharedData } from '../support/shared-data.js'
import { type Cost, cost, nanoseconds, of, print } from './records/cost.js'
import { grantEverything, load, synthea, TYPICAL, typical } from './records/hospital.js'
import { decodeArray, jsonParameters, WRITE_JSON } from './records/variants.js'

/**
 * `npx vitest bench --run test/bench/records.bench.ts`: the figures of src/records/README.md. With DATABASE_URL also on
 * PostgreSQL. Variants of one thing take turns in one run. `cpu` is processor time of all threads of this process, which
 * other work on the machine does not lengthen; on PostgreSQL it is the client's share only.
 */
const TIMEOUT = 600_000

describe('blind index', { timeout: TIMEOUT }, () => {
  it('keyed hashing of a text', () => {
    const key = randomBytes(32)
    const padded = Buffer.alloc(64)
    key.copy(padded)
    const inner = Buffer.concat([padded.map((b) => b ^ 0x36), Buffer.alloc(500)])
    const outer = Buffer.concat([padded.map((b) => b ^ 0x5c), Buffer.alloc(32)])
    const tokens = new KeyedTokens(key)
    let n = 0
    const variants: [string, (text: string) => unknown][] = [
      ['createHmac', (text) => createHmac('sha256', key).update(text).digest().readBigInt64BE()],
      [
        'crypto.hash twice over pads',
        (text) => {
          hash('sha256', inner.subarray(0, 64 + inner.write(text, 64)), 'buffer').copy(outer, 64)
          return hash('sha256', outer, 'buffer').readBigInt64BE()
        },
      ],
      ['KeyedTokens, new text', (text) => tokens.of('code', 'Patient', 'gender', `${text}${n++}`)],
      ['KeyedTokens, remembered text', (text) => tokens.of('code', 'Patient', 'gender', text)],
    ]
    for (const [name, one] of variants) print(name, [nanoseconds(one) / 1000, 'µs cpu'])
    const order = new OrderPreserving(key)
    print('order-preserving bytes of a date', [nanoseconds((_, i) => order.date(1n, 1e12 + i)) / 1000, 'µs cpu'])
    print('order-preserving bytes of a number', [nanoseconds((_, i) => order.number(1n, String(i))) / 1000, 'µs cpu'])
  })

  it.skipIf(!hasSharedData)('entries of Synthea resources', () => {
    const values = synthea(5).map(({ resourceType, values }) => [resourceType, values] as const)
    for (let round = 0; round < 4; round++) {
      const from = process.threadCpuUsage().user
      let [tokens, ordered, references] = [0, 0, 0]
      for (const [type, one] of values) {
        const entries = index.entries(type, one)
        tokens += entries.tokens.length
        ordered += entries.ordered.length
        references += entries.references.length
      }
      const n = values.length
      if (round === 3) {
        const time = (process.threadCpuUsage().user - from) / n
        print(
          `${n} resources`,
          [time, 'µs cpu'],
          [tokens / n, 'tokens'],
          [ordered / n, 'ordered'],
          [references / n, 'references'],
        )
      }
    }
  })
})

describe.each(ENGINES)('$name', { timeout: TIMEOUT }, (engine) => {
  it('writing 200 resources: form of the parameters', () =>
    withDatabase(engine, async (database) => {
      const costs = { binary: [] as Cost[], text: [] as Cost[], json: [] as Cost[] }
      let key = 1n
      for (let round = 0; round < 25; round++) {
        const batch = (): { versions: NewVersion[]; keys: bigint[] } => {
          const versions = Array.from({ length: 200 }, () => typical())
          return { versions, keys: versions.map(() => key++) }
        }
        const [a, b, c] = [batch(), batch(), batch()]
        costs.binary.push(
          await cost(() => database.execute(WRITE_NEW, parameters({ ...a, outbox: [], present: [], now: 0 }))),
        )
        const asText = parameters({ ...b, outbox: [], present: [], now: 0 }).map((one) => decodeArray(one as Buffer))
        costs.text.push(await cost(() => database.execute({ ...WRITE_NEW, name: 'text' }, asText)))
        costs.json.push(await cost(() => database.execute(WRITE_JSON, jsonParameters(c))))
      }
      for (const [name, one] of Object.entries(costs)) {
        print(
          `${engine.name}: ${name}`,
          [of(one, 'wall') * 5, 'µs/resource'],
          [of(one, 'main') * 5, 'µs main thread'],
          [of(one, 'cpu') * 5, 'µs all threads'],
          [of(one, 'wall') / of(costs.binary, 'wall'), 'of binary'],
        )
      }
    }))

  it('many small commits at once: group commit and lanes', () =>
    withDatabase(engine, async (database) => {
      const change = () => ({ audit: [auditRecord({ values: TYPICAL })] })
      const rounds = 12
      const one = new RecordStore(database, index)
      await one.commit(change())
      const alone = await cost(async () => {
        for (let i = 0; i < 64; i++) await one.commit(change())
      })
      print(`${engine.name}: one after the other`, [alone.wall / 64, 'ms/commit'])
      const stores = [1, 2, 4].map((lanes) => ({
        lanes,
        store: new RecordStore(database, index, { lanes }),
        together: [] as Cost[],
        behind: [] as Cost[],
      }))
      for (let round = 0; round < rounds; round++) {
        for (const { store, together, behind } of stores) {
          together.push(await cost(() => Promise.all(Array.from({ length: 64 }, () => store.commit(change())))))
          const bundle = store.commit({ versions: Array.from({ length: 600 }, () => typical()) })
          await new Promise((resolve) => setTimeout(resolve, 2))
          behind.push(await cost(() => store.commit(change())))
          await bundle
        }
      }
      for (const { lanes, together, behind } of stores) {
        print(
          `${engine.name}: 64 callers, lanes ${lanes}`,
          [of(together, 'wall') / 64, 'ms/commit'],
          [alone.wall / of(together, 'wall'), 'times faster'],
          [of(behind, 'wall'), 'ms beside a commit of 600'],
        )
      }
    }))

  it.skipIf(!hasSharedData)('a hospital: load, read, search', () =>
    withDatabase(engine, async (database) => {
      const store = new RecordStore(database, index)
      const patients = await load(engine.name, store)
      await database.query('ANALYZE')
      const granted = await grantEverything(database)
      const patient = (i: number): Clause => ({
        is: 'filter',
        param: 'patient',
        kind: 'reference',
        values: [{ types: ['Patient'], id: patients[i % patients.length] as string }],
      })
      const token = (param: string, value: string): Clause => ({
        is: 'filter',
        param,
        kind: 'token',
        values: [{ code: value }],
      })
      const since = (year: number): Clause => ({
        is: 'filter',
        param: 'date',
        kind: 'date',
        values: [{ prefix: 'ge', lo: Date.UTC(year), hi: Date.UTC(year + 1) }],
      })
      const searches: [string, (i: number) => Clause[]][] = [
        ['Observation?patient', (i) => [patient(i)]],
        ['Observation?patient&code', (i) => [patient(i), token('code', '8302-2')]],
        ['Observation?patient&date=ge2015', (i) => [patient(i), since(2015)]],
        ['Observation?code', () => [token('code', '8302-2')]],
        ['Observation?category', () => [token('category', 'vital-signs')]],
        ['Observation?date=ge2018', () => [since(2018)]],
        ['Observation', () => []],
        [
          'Observation?patient.gender&code',
          () => [
            { is: 'chain', param: 'patient', targets: [{ type: 'Patient', clause: token('gender', 'male') }] },
            token('code', '8302-2'),
          ],
        ],
      ]
      const measure = async (name: string, work: (i: number) => Promise<number>): Promise<void> => {
        const costs: Cost[] = []
        let rows = 0
        for (let i = 0; i < 30; i++)
          costs.push(
            await cost(async () => {
              rows = await work(i)
            }),
          )
        print(`${engine.name}: ${name}`, [of(costs, 'wall'), 'ms'], [rows, 'rows'])
      }
      await measure(
        'read',
        async (i) => (await store.read([{ type: 'Patient', id: patients[i % patients.length] as string }])).length,
      )
      for (const [name, clauses] of searches) {
        const query = (i: number, more: Partial<SearchQuery>): SearchQuery => ({
          type: 'Observation',
          clauses: clauses(i),
          count: 50,
          total: false,
          ...more,
        })
        await measure(
          `${name}, everything permitted`,
          async (i) => (await store.search(query(i, {}), EVERYTHING)).rows.length,
        )
        await measure(`${name}, by grants`, async (i) => (await store.search(query(i, {}), granted)).rows.length)
        await measure(
          `${name}, by grants, total`,
          async (i) => (await store.search(query(i, { total: true }), granted)).total ?? 0,
        )
        const { next } = await store.search(query(0, {}), granted)
        if (next !== null)
          await measure(
            `${name}, by grants, page 2`,
            async () => (await store.search(query(0, { cursor: next }), granted)).rows.length,
          )
      }
    }),
  )
})

it('PGlite in a worker thread and in the main thread', { timeout: TIMEOUT }, async () => {
  const [worker, directory] = [await (ENGINES[0] as Engine).open(), await pgliteDirectory()]
  const engine = await openEngine(directory)
  const session = {
    start: async () => undefined,
    exchange: async (message: Uint8Array) => engine.exec(new Uint8Array(message)),
  }
  class Pool extends pg.Pool {
    constructor(options: pg.PoolConfig) {
      super({
        ...options,
        user: 'postgres',
        database: 'postgres',
        max: 1,
        idleTimeoutMillis: 0,
        stream: () => new PgliteSocket(session),
      })
    }
  }
  const main = await openDatabase({ driver: { Pool: Pool, Client: pg.Client } })
  for (const [name, database] of [
    ['worker', worker.database],
    ['main', main],
    ['worker', worker.database],
    ['main', main],
  ] as const) {
    const store = new RecordStore(database, index)
    const writes: Cost[] = []
    for (let round = 0; round < 12; round++) {
      const versions = Array.from({ length: 200 }, () => typical())
      writes.push(await cost(() => store.commit({ versions })))
    }
    const [kept] = [typical()]
    await store.commit({ versions: [kept] })
    const reads: Cost[] = []
    for (let i = 0; i < 300; i++) reads.push(await cost(() => store.read([kept])))
    print(`${name}: commit of 200`, [of(writes, 'wall'), 'ms'], [of(writes, 'main'), 'ms main thread'])
    print(`${name}: read`, [of(reads, 'wall'), 'ms'], [of(reads, 'main'), 'ms main thread'])
  }
  await worker.close()
  await main.close()
  await engine.close()
  await rm(directory, { recursive: true })
})

async function withDatabase(engine: Engine, work: (database: Database) => Promise<void>): Promise<void> {
  const { database, close } = await engine.open()
  await work(database)
  await close()
}
