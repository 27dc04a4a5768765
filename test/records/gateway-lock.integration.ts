import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ConsentryError } from '../../src/errors.js'
import { GatewayLock } from '../../src/records/gateway-lock.js'
import { eventually } from '../ledger/support/eventually.js'
import { ownSchema } from './open.js'

const url = process.env['DATABASE_URL'] ?? ''

describe.skipIf(url === '')('the lock of a gateway on its database (DATABASE_URL names a PostgreSQL)', () => {
  let schemas: { schema: string; drop: () => Promise<void> }[]
  let held: GatewayLock[] = []
  let lost: ConsentryError[]
  let admin: pg.Client
  beforeAll(async () => {
    schemas = await Promise.all([ownSchema(url), ownSchema(url)])
    admin = new pg.Client({ connectionString: url })
    await admin.connect()
  })
  afterEach(async () => {
    await Promise.all(held.splice(0).map((lock) => lock.release()))
  })
  afterAll(async () => {
    await Promise.all(schemas.map(({ drop }) => drop()))
    await admin.end()
  })

  /** Nobody is ending, unless a test says so. */
  async function take(n = 0, patienceMs = 400): Promise<GatewayLock> {
    const told: ConsentryError[] = []
    lost = told
    const lock = await GatewayLock.take({
      url,
      schema: (schemas[n] as (typeof schemas)[number]).schema,
      patienceMs,
      onLost: (error) => told.push(error),
    })
    held.push(lock)
    return lock
  }

  /** The sessions that hold it. */
  async function holders(): Promise<number[]> {
    const { rows } = await admin.query<{ pid: number }>(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = ${0x67617465}
       AND objid = (hashtext('${schemas[0]?.schema}')::bigint & 4294967295)::oid`,
    )
    return rows.map(({ pid }) => pid)
  }

  /** Ends the one session that holds it, which the server does some moments after it said so. */
  async function terminate(): Promise<number> {
    const [pid, ...others] = await holders()
    expect(others).toEqual([])
    await admin.query('SELECT pg_terminate_backend($1)', [pid])
    return pid as number
  }

  it('is refused to a second gateway, which is told who has it, and free when the first is gone', async () => {
    const first = await take()
    await expect(take()).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringMatching(/in use by another gateway \(session \d+ from .+, since .+\)/),
    })
    // Another schema is another database.
    await take(1)
    await first.release()
    await take()
  })

  it('waits for one that is just ending', async () => {
    const first = await take()
    setTimeout(() => void first.release(), 300)
    await take(0, 5_000)
  })

  it('is taken again when its session was ended', async () => {
    await take()
    const ended = await terminate()
    await eventually(async () => (await holders()).filter((pid) => pid !== ended).length).toBe(1)
    expect(lost).toEqual([])
    await expect(take()).rejects.toMatchObject({ kind: 'conflict' })
  })

  it('is lost, and says so, to one that took it meanwhile', async () => {
    await take()
    const gone = lost
    await terminate()
    const other = await take()
    await eventually(() => gone.length).toBe(1)
    expect(gone[0]?.message).toContain('in use by another gateway')
    await other.release()
    held = []
  })

  it('is unavailable where no database answers', async () => {
    const taken = GatewayLock.take({ url: 'postgres://nobody@127.0.0.1:1/none', onLost: () => undefined })
    await expect(taken).rejects.toMatchObject({ kind: 'unavailable' })
  })
})
