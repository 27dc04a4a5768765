import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Pool, PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Pglite, startPglite } from '../../src/embedded/pglite.js'
import { openEngine } from '../../src/embedded/pglite-engine.js'
import { PgliteMaintenance } from '../../src/embedded/pglite-maintenance.js'
import { pgliteDirectory } from '../support/pglite-template.js'

let directory: string
beforeAll(async () => {
  directory = await pgliteDirectory()
})
afterAll(() => rm(directory, { recursive: true }))

describe('the driver on PGlite', () => {
  let pglite: Pglite
  let pool: Pool
  beforeAll(async () => {
    pglite = await startPglite(directory)
    pool = new pglite.driver.Pool()
    await pool.query('CREATE TABLE t (n int PRIMARY KEY, note text)')
  })
  afterAll(async () => {
    await pool.end()
    await pglite.close()
  })

  it('lets a transaction own the session, whoever else asks', async () => {
    const steps: string[] = []
    const transaction = async (name: string): Promise<void> => {
      const client = await pool.connect()
      await client.query('BEGIN')
      for (let i = 0; i < 3; i++) {
        steps.push(name)
        await client.query('SELECT 1')
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
      await client.query('COMMIT')
      client.release()
    }
    const names = ['a', 'b', 'c', 'd']
    await Promise.all([...names.map(transaction), ...names.map(() => pool.query('SELECT 1'))])
    expect(steps.join('')).toBe('aaabbbcccddd')
  })

  it('forgets what a lost client has half done', async () => {
    const client = await pool.connect()
    await client.query('BEGIN')
    await client.query({ name: 'insert', text: 'INSERT INTO t VALUES ($1, $2)', values: [1, 'lost'] })
    client.release(new Error('lost'))
    expect((await pool.query('SELECT * FROM t')).rows).toEqual([])
    // a statement of the same name in the new client is a new one
    await pool.query({ name: 'insert', text: 'INSERT INTO t VALUES ($1, $2 || $2)', values: [1, 'kept'] })
    expect((await pool.query('SELECT note FROM t')).rows).toEqual([{ note: 'keptkept' }])
  })

  it('ends though a client is out, when it comes back', async () => {
    const ending = new pglite.driver.Pool()
    const client = await ending.connect()
    const ended = ending.end()
    await client.query('SELECT 1')
    client.release()
    await ended
  })

  it('reports errors as PostgreSQL does, and goes on', async () => {
    await expect(pool.query('INSERT INTO t VALUES (1)')).rejects.toMatchObject({ code: '23505', constraint: 't_pkey' })
    await expect(pool.query('SELEKT')).rejects.toMatchObject({ code: '42601' })
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  it('carries large values both ways', async () => {
    const large = 'x'.repeat(3_000_000)
    expect((await pool.query<{ v: string }>('SELECT $1::text AS v', [large])).rows[0]?.v).toHaveLength(large.length)
  })

  it('keeps tables vacuumed and analysed, as autovacuum would', async () => {
    await pool.query('CREATE TABLE busy (n int)')
    await pool.query('INSERT INTO busy SELECT generate_series(1, 5000)')
    await pool.query('DELETE FROM busy WHERE n > 100')
    const maintenance = new PgliteMaintenance()
    const treated: (string | null)[] = []
    for (let name = await maintenance.run(pool); name !== null; name = await maintenance.run(pool)) treated.push(name)
    expect(treated).toContain('busy')
    const { rows } = await pool.query("SELECT reltuples FROM pg_class WHERE relname = 'busy'")
    expect(rows).toEqual([{ reltuples: 100 }])
  })
})

it('says unavailable when the engine dies, and starts it again for the next', async () => {
  const lost = await startPglite(directory)
  const its = new lost.driver.Pool()
  its.on('error', () => undefined)
  await its.query('CREATE TABLE kept (n int)')
  await its.query('INSERT INTO kept VALUES (1)')
  // a startup message that is none is fatal to a backend
  const client = (await its.connect()) as PoolClient & { connection: { stream: Duplex } }
  const failed = once(client, 'error')
  client.on('error', () => undefined)
  client.connection.stream.write(Uint8Array.of(0, 0, 0, 1))
  await failed
  client.release()
  expect((await its.query('SELECT * FROM kept')).rows).toEqual([{ n: 1 }])
  await its.end()
  await lost.close()
  await expect(new lost.driver.Pool().query('SELECT 1')).rejects.toMatchObject({ kind: 'unavailable' })
})

describe('the engine', () => {
  const query = (text: string): Uint8Array => {
    const message = Buffer.alloc(6 + text.length)
    message.write('Q')
    message.writeInt32BE(message.length - 1, 1)
    message.write(text, 5)
    return message
  }

  it('syncs every commit to the disk before it answers', async () => {
    const synced: number[] = []
    const original = fs.fsyncSync
    const engine = await openEngine(directory)
    try {
      engine.exec(query('CREATE TABLE s (n int)'))
      fs.fsyncSync = (descriptor) => {
        synced.push(descriptor)
        original(descriptor)
      }
      syncBuiltinESMExports()
      for (let i = 1; i <= 5; i++) {
        engine.exec(query(`INSERT INTO s VALUES (${i})`))
        expect(synced.length).toBeGreaterThanOrEqual(i)
      }
      const before = synced.length
      engine.exec(query('SELECT * FROM s'))
      expect(synced.length).toBe(before)
    } finally {
      fs.fsyncSync = original
      syncBuiltinESMExports()
      await engine.close()
    }
  })

  it('does not acknowledge what could not be synced', async () => {
    const original = fs.fsyncSync
    const engine = await openEngine(directory)
    try {
      engine.exec(query('CREATE TABLE lost (n int)'))
      fs.fsyncSync = () => {
        throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' })
      }
      syncBuiltinESMExports()
      const reply = Buffer.from(engine.exec(query('INSERT INTO lost VALUES (1)'))).toString('latin1')
      expect(reply).toContain('PANIC')
      expect(reply).not.toContain('INSERT 0 1')
    } finally {
      fs.fsyncSync = original
      syncBuiltinESMExports()
      await engine.close().catch(() => undefined)
    }
  })

  it('checkpoints when enough has been written, and not before', async () => {
    const engine = await openEngine(directory)
    const redo = (): string =>
      Buffer.from(engine.exec(query('SELECT redo_lsn FROM pg_control_checkpoint()'))).toString('latin1')
    engine.exec(query('CREATE TABLE w (v text)'))
    const before = redo()
    engine.checkpoint('idle')
    expect(redo()).toBe(before)
    engine.exec(query('INSERT INTO w SELECT repeat(md5(n::text), 30) FROM generate_series(1, 12000) n'))
    engine.checkpoint('due')
    expect(redo()).toBe(before)
    engine.checkpoint('idle')
    expect(redo()).not.toBe(before)
    await engine.close()
  })

  it('begins again after a first start that was interrupted', async () => {
    fs.rmSync(join(directory, 'consentry-complete'))
    fs.rmSync(join(directory, 'base'), { recursive: true })
    const engine = await openEngine(directory)
    expect(Buffer.from(engine.exec(query('SELECT 41 + 1'))).toString('latin1')).toContain('42')
    await engine.close()
  })
})
