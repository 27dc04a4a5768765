import { createHmac, hash, randomBytes, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import pg from 'pg'
import { describe, it } from 'vitest'
import { openEngine } from '../../src/embedded/pglite-engine.js'
import { PgliteSocket } from '../../src/embedded/pglite-socket.js'
import { indexValues } from '../../src/fhir/search-parameters.js'
import type { ValidResource } from '../../src/fhir/types.js'
import { type Database, openDatabase } from '../../src/records/database.js'
import { KeyedTokens } from '../../src/records/keyed-tokens.js'
import { OrderPreserving } from '../../src/records/order-preserving.js'
import { RecordStore } from '../../src/records/record-store.js'
import type { Clause, IndexValue, SearchQuery } from '../../src/records/search-query.js'
import type { NewVersion, RowFilter } from '../../src/records/types.js'
import { parameters, WRITE_NEW } from '../../src/records/write-statement.js'
import { type Engine, ENGINES } from '../records/open.js'
import { auditRecord, code, EVERYTHING, hex, index, version } from '../records/versions.js'
import { pgliteDirectory } from '../support/pglite-template.js'
import { hasSharedData, syntheaResources } from '../support/shared-data.js'

/**
 * `npx vitest bench --run test/bench/records.bench.ts`: the figures of src/records/README.md. With DATABASE_URL also on
 * PostgreSQL. Variants of one thing take turns in one run. `cpu` is processor time of all threads of this process, which
 * other work on the machine does not lengthen; on PostgreSQL it is the client's share only.
 */
function print(what: string, ...figures: readonly (readonly [value: number, unit: string])[]): void {
  const columns = figures.map(([value, unit]) => `${value.toFixed(value < 10 ? 2 : 0).padStart(8)} ${unit.padEnd(14)}`)
  console.log(`${what.padEnd(58)} ${columns.join(' ')}`)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

interface Cost {
  /** Milliseconds. */
  readonly wall: number
  readonly cpu: number
  /** Of the main thread. */
  readonly main: number
}

async function cost(work: () => unknown): Promise<Cost> {
  const cpu = process.cpuUsage()
  const main = process.threadCpuUsage()
  const from = performance.now()
  await work()
  const wall = performance.now() - from
  const { user, system } = process.cpuUsage(cpu)
  const thread = process.threadCpuUsage(main)
  return { wall, cpu: (user + system) / 1000, main: (thread.user + thread.system) / 1000 }
}

const of = (costs: readonly Cost[], part: keyof Cost): number => median(costs.map((one) => one[part]))

describe('blind index', () => {
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
      ['KeyedTokens, new text', (text) => tokens.of(`${text}${n++}`)],
      ['KeyedTokens, remembered text', (text) => tokens.of(text)],
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

describe.each(ENGINES)('$name', (engine) => {
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
        costs.binary.push(await cost(() => database.execute(WRITE_NEW, parameters({ ...a, outbox: [], now: 0 }))))
        const asText = parameters({ ...b, outbox: [], now: 0 }).map((one) => decodeArray(one as Buffer))
        costs.text.push(await cost(() => database.execute({ ...WRITE_NEW, name: 'text' }, asText)))
        costs.json.push(await cost(() => database.execute(WRITE_JSON, jsonParameters(c))))
      }
      for (const [name, one] of Object.entries(costs)) {
        print(`${engine.name}: ${name}`, [of(one, 'wall') * 5, 'µs/resource'], [of(one, 'main') * 5, 'µs main thread'])
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
      for (const lanes of [1, 2, 4]) {
        const store = new RecordStore(database, index, { lanes })
        const costs: Cost[] = []
        for (let round = 0; round < rounds; round++) {
          costs.push(await cost(() => Promise.all(Array.from({ length: 64 }, () => store.commit(change())))))
        }
        print(
          `${engine.name}: 64 callers, lanes ${lanes}`,
          [of(costs, 'wall') / 64, 'ms/commit'],
          [64_000 / of(costs, 'wall'), 'commits/s'],
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

it('PGlite in a worker thread and in the main thread', async () => {
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

function nanoseconds(work: (text: string, i: number) => unknown): number {
  const texts = Array.from({ length: 256 }, (_, i) => `code|Observation|code|http://loinc.org|${1000 + i}-4`)
  const once = (): number => {
    const from = process.threadCpuUsage().user
    for (let i = 0; i < 20_000; i++) work(texts[i & 255] as string, i)
    return (process.threadCpuUsage().user - from) / 20
  }
  once()
  return median([once(), once(), once()])
}

async function withDatabase(engine: Engine, work: (database: Database) => Promise<void>): Promise<void> {
  const { database, close } = await engine.open()
  await work(database)
  await close()
}

/** As many entries as a Synthea Observation has. */
const TYPICAL: readonly IndexValue[] = Array.from({ length: 9 }, (_, i) =>
  code(`p${i}`, 'http://loinc.org', `${i % 3}`),
)

function typical(): NewVersion {
  const made = randomUUID()
  const at = Math.floor(Math.random() * 1e12)
  const reference = (param: string, type: string): IndexValue => ({ param, kind: 'reference', type, id: made })
  return version({
    id: made,
    patient: hex(),
    values: [
      ...TYPICAL,
      code('identifier', 'urn:mrn', made),
      { param: 'date', kind: 'date', lo: at, hi: at + 1000 },
      {
        param: 'value-quantity',
        kind: 'quantity',
        value: String(at % 1000),
        lo: '0',
        hi: '0',
        system: 'http://unitsofmeasure.org',
        code: 'mg',
      },
      reference('subject', 'Patient'),
      reference('patient', 'Patient'),
      reference('encounter', 'Encounter'),
    ],
  })
}

/** Resources of every `step`-th Bundle, with references made local. */
function synthea(step: number): { resourceType: string; id: string; values: IndexValue[] }[] {
  return syntheaResources('2019-smart', step).map((resource) => {
    const text = JSON.stringify(resource).replaceAll(
      /"reference":"urn:uuid:([0-9a-f-]{36})"/g,
      '"reference":"Patient/$1"',
    )
    const local = JSON.parse(text) as ValidResource & { id: string }
    return { resourceType: local.resourceType, id: local.id, values: indexValues(local) }
  })
}

async function load(engine: string, store: RecordStore): Promise<string[]> {
  const resources = synthea(3)
  const patients: string[] = []
  const costs: Cost[] = []
  let patient = hex()
  for (let at = 0; at < resources.length; at += 100) {
    const batch = resources.slice(at, at + 100)
    const versions = batch.map(({ resourceType: type, id, values }) => {
      if (type === 'Patient') {
        patients.push(id)
        patient = hex()
      }
      return version({ type, id, patient, values, lastUpdated: Date.now() })
    })
    const audit = batch.map(() => auditRecord({ patient, values: TYPICAL }))
    costs.push(await cost(() => store.commit({ versions, audit })))
  }
  print(
    `${engine}: load ${resources.length} resources with an audit record each, by 100`,
    [of(costs, 'wall') * 10, 'µs/resource'],
    [of(costs, 'main') * 10, 'µs main thread'],
  )
  return patients
}

/** The form of consent's row filter, with a grant for every patient. */
async function grantEverything(database: Database): Promise<RowFilter> {
  const grantee = randomBytes(32)
  await database.query(
    `INSERT INTO "grant" SELECT DISTINCT patient, $1::bytea, -1, 0, 0, 1000000000000, 255, -1, 1, 0 FROM resource WHERE patient IS NOT NULL`,
    [grantee],
  )
  await database.query('ANALYZE "grant"')
  return {
    sql: `CASE WHEN r.patient IS NULL THEN r.origin = ANY($1::bytea[]) ELSE r.labels & (
      SELECT bit_or(g.label_mask) FROM "grant" g WHERE g.patient = r.patient AND g.grantee = ANY($1::bytea[]) AND g.action = $2
        AND g.valid_from <= $3 AND g.valid_to > $3 AND (g.purposes & $4) <> 0 AND (g.categories & r.categories) = r.categories
    ) = r.labels END`,
    params: [[grantee], 0, 1, 1],
  }
}

/** The array of a binary parameter, for the variant that sends it as text. */
function decodeArray(binary: Buffer): unknown[] {
  if (binary.readInt32BE(0) === 0) return []
  const [type, length] = [binary.readInt32BE(8), binary.readInt32BE(12)]
  const out: unknown[] = []
  for (let i = 0, at = 20; i < length; i++) {
    const size = binary.readInt32BE(at)
    const bytes = binary.subarray(at + 4, at + 4 + Math.max(size, 0))
    at += 4 + bytes.length
    if (size < 0) out.push(null)
    else if (type === 20) out.push(bytes.readBigInt64BE())
    else if (type === 23) out.push(bytes.readInt32BE())
    else if (type === 16) out.push(bytes[0] === 1)
    else out.push(type === 25 ? bytes.toString() : bytes)
  }
  return out
}

const XID = 'pg_current_xact_id()::text::bigint'
const WRITE_JSON = {
  name: 'write-json',
  text: `WITH input AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json) AS i(pk bigint, type text, id text, version int,
    last_updated bigint, deleted bool, patient bytea, origin bytea, labels bigint, categories bigint, source text, tokens bigint[],
    cid text, body bytea, content_hash bytea, salt bytea, author bytea, leaf bytea)
  ), resources AS (INSERT INTO resource SELECT pk, type, id, version, last_updated, deleted, patient, origin, labels, categories,
    source, tokens, ${XID} FROM input
  ), versions AS (INSERT INTO resource_version SELECT pk, version, last_updated, deleted, patient, labels, categories, cid, body,
    content_hash, salt, author, ${XID}, leaf FROM input
  ), "references" AS (INSERT INTO reference SELECT * FROM json_to_recordset($2::json)
    AS t(pk bigint, n int, parameter text, type text, id text))
  INSERT INTO ordered SELECT * FROM json_to_recordset($3::json) AS t(pk bigint, n int, parameter bigint, lo bytea, hi bytea, unit bigint[])`,
}

/** https://tc39.es/proposal-json-parse-with-source/, not in TypeScript's library yet. */
const RAW = JSON as unknown as { rawJSON(text: string): unknown }

function jsonParameters({ versions, keys }: { versions: NewVersion[]; keys: bigint[] }): string[] {
  const bytes = (value: Uint8Array | string | null): string | null =>
    value === null ? null : `\\x${typeof value === 'string' ? value.slice(2) : Buffer.from(value).toString('hex')}`
  const json = (value: unknown): string =>
    JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? RAW.rawJSON(String(one)) : one))
  return [
    json(
      versions.map((v, i) => ({
        pk: keys[i],
        type: v.type,
        id: v.id,
        version: v.version,
        last_updated: v.lastUpdated,
        deleted: v.deleted,
        patient: bytes(v.patient),
        origin: bytes(v.origin),
        labels: v.labels,
        categories: v.categories,
        source: v.source,
        tokens: v.index?.tokens ?? [],
        cid: v.cid,
        body: bytes(v.body),
        content_hash: bytes(v.contentHash),
        salt: bytes(v.salt),
        author: bytes(v.author),
        leaf: bytes(v.leaf),
      })),
    ),
    json(
      versions.flatMap((v, i) =>
        (v.index?.references ?? []).map((r, n) => ({
          pk: keys[i],
          n,
          parameter: r.parameter,
          type: r.targetType,
          id: r.targetId,
        })),
      ),
    ),
    json(
      versions.flatMap((v, i) =>
        (v.index?.ordered ?? []).map((o, n) => ({
          pk: keys[i],
          n,
          parameter: o.parameter,
          lo: bytes(o.lo),
          hi: bytes(o.hi),
          unit: o.unit,
        })),
      ),
    ),
  ]
}
