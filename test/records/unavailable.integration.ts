import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/records/database.js'
import { openDatabase } from '../../src/records/database.js'
import { RecordStore } from '../../src/records/record-store.js'
import { ownSchema } from './open.js'
import { EVERYTHING, index, version } from './versions.js'

const url = process.env['DATABASE_URL']

const UNAVAILABLE = { name: 'ConsentryError', kind: 'unavailable', retryAfterSeconds: expect.any(Number) as number }

it('says unavailable when there is no database at start', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  await expect(openDatabase({ url: `postgres://nobody@127.0.0.1:${port}/none` })).rejects.toMatchObject(UNAVAILABLE)
})

/** Stands before the real server and can be cut. */
class Line {
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  port = 0

  constructor(private readonly to: { host: string; port: number }) {}

  async up(): Promise<void> {
    const server = createServer((client) => {
      const upstream = connect(this.to)
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket)
        socket
          .on('error', () => undefined)
          .on('close', () => {
            this.#sockets.delete(socket)
            client.destroy()
            upstream.destroy()
          })
      }
      client.pipe(upstream).pipe(client)
    })
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as AddressInfo).port
    this.#server = server
  }

  async down(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const server = this.#server
    if (server === undefined) return
    server.close()
    await once(server, 'close')
    this.#server = undefined
  }
}

describe.skipIf(url === undefined)('a database that goes away (needs DATABASE_URL)', () => {
  let line: Line
  let database: Database
  let own: Awaited<ReturnType<typeof ownSchema>>
  let store: RecordStore
  beforeAll(async () => {
    const real = new URL(url as string)
    line = new Line({ host: real.hostname, port: Number(real.port || 5432) })
    await line.up()
    real.hostname = '127.0.0.1'
    real.port = String(line.port)
    own = await ownSchema(url as string)
    database = await openDatabase({ url: real.href, schema: own.schema })
    store = new RecordStore(database, index)
  })
  afterAll(async () => {
    await database.close()
    await line.down()
    await own.drop()
  })

  it('fails reads, searches, transactions and every commit of a group, and works when it is back', async () => {
    const kept = version({ type: 'Unavailable' })
    expect(await store.commit({ versions: [kept] })).toEqual({ committed: true })
    await line.down()
    const query = { type: 'Unavailable', clauses: [], count: 1, total: false }
    await expect(store.read([kept])).rejects.toMatchObject(UNAVAILABLE)
    await expect(store.search(query, EVERYTHING)).rejects.toMatchObject(UNAVAILABLE)
    await expect(store.transaction((sql) => sql.query('SELECT 1'))).rejects.toMatchObject(UNAVAILABLE)
    const commits = Array.from({ length: 5 }, () => store.commit({ versions: [version({ type: 'Unavailable' })] }))
    for (const result of await Promise.allSettled(commits))
      expect(result).toMatchObject({ status: 'rejected', reason: UNAVAILABLE })
    await line.up()
    expect((await store.read([kept]))[0]?.cid).toBe(kept.cid)
    expect(await store.commit({ versions: [version({ type: 'Unavailable' })] })).toEqual({ committed: true })
  })

  it('fails a transaction that is cut in the middle, and the process lives', async () => {
    await expect(
      store.transaction(async (sql) => {
        await sql.query("UPDATE resource SET labels = 2 WHERE type = 'Unavailable'")
        await line.down()
        await new Promise((resolve) => setTimeout(resolve, 20))
        await sql.query('SELECT 1')
      }),
    ).rejects.toMatchObject(UNAVAILABLE)
    await line.up()
    const { rows } = await database.query("SELECT 1 FROM resource WHERE type = 'Unavailable' AND labels = 2")
    expect(rows).toEqual([])
  })
})

it.skipIf(url === undefined)(
  'gives up a statement that takes too long, says so, and goes on (needs DATABASE_URL)',
  async () => {
    const own = await ownSchema(url as string)
    const database = await openDatabase({ url: url as string, schema: own.schema, statementSeconds: 1 })
    await expect(database.query('SELECT pg_sleep(60)')).rejects.toMatchObject({
      ...UNAVAILABLE,
      issues: [{ code: 'too-costly', diagnostics: expect.stringContaining('STATEMENT_SECONDS') as string }],
    })
    expect((await database.query<{ one: number }>('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await database.close()
    await own.drop()
  },
)
