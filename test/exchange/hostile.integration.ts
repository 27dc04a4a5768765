import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { randomId } from '../ledger/support/consortium.js'
import { ENGINES, type OpenDatabase } from '../records/open.js'
import { ownBlocks } from '../../src/gateway/own-blocks.js'
import { observation, TwoHospitals } from './two-hospitals.js'

/** A hospital that the patient trusts, and that shares what would harm others. */
let engine: OpenDatabase
let world: TwoHospitals
beforeAll(async () => {
  engine = await (ENGINES[0] as (typeof ENGINES)[number]).open()
})
afterAll(() => engine.close())
beforeEach(async () => {
  world = await TwoHospitals.open(engine.database)
})
afterEach(() => world.close())

const ids = async (): Promise<string[]> => {
  const { rows } = await world.database.query<{ id: string }>(
    'SELECT id FROM resource WHERE source IS NOT NULL ORDER BY id',
  )
  return rows.map(({ id }) => id)
}

it.each([
  ['names another patient of ours', { ...observation('bad'), subject: { reference: 'Patient/of-ours' } }, {}],
  ['has a version beyond all rows', observation('bad', 4_000_000_000), { version: 4_000_000_000 }],
  [
    'is of a trail',
    { resourceType: 'AuditEvent', id: 'bad', meta: { versionId: '1', lastUpdated: '2026-01-01T00:00:00Z' } },
    { type: 'AuditEvent' },
  ],
])('a record that %s is refused, and what is sound beside it is imported', async (_, resource, more) => {
  await world.database.query('INSERT INTO patient_link (local_id, patient, imported) VALUES ($1, $2, false)', [
    'of-ours',
    randomBytes(32),
  ])
  await world.grant()
  await world.publish([
    { id: 'bad', resource, ...more },
    { id: 'sound', resource: observation('sound') },
  ])
  expect(await world.work()).toEqual({ imported: 1, refused: 1 })
  expect(await ids()).toEqual(['sound'])
  await world.database.query("DELETE FROM patient_link WHERE local_id = 'of-ours'")
})

it('items that nobody can import do not stand before those that can be', async () => {
  await world.grant()
  await world.publish([{ id: 'first', resource: observation('first') }])
  await world.work()
  await world.publish([{ id: 'sound', resource: observation('sound') }])
  // Another entity’s manifest repeats tags that are public: 200 items that sort before ours, and are of no feed.
  await world.database.query(
    `INSERT INTO feed_item (origin, root, leaf_index, cid, leaf, tags, state)
     SELECT $1, $2, n, 'none', $2, (SELECT tags FROM feed_item LIMIT 1), 'seen' FROM generate_series(1, 200) n`,
    [Buffer.alloc(32), Buffer.from(randomId().slice(2), 'hex')],
  )
  for (let round = 0; round < 3; round++) await world.work()
  expect(await ids()).toContain('sound')
})

it('what was imported is its author’s to give: /ipfs answers as if it were not here', async () => {
  await world.grant()
  await world.publish([{ id: 'theirs', resource: observation('theirs') }])
  expect(await world.work()).toMatchObject({ imported: 1 })
  const { rows } = await world.database.query<{ cid: string }>(
    "SELECT v.cid FROM resource r JOIN resource_version v ON v.resource_pk = r.pk WHERE r.id = 'theirs'",
  )
  const cid = rows[0]?.cid as string
  expect((await world.blocks.get([cid])).size).toBe(1)
  const party = (id: string) => Buffer.from(id.slice(2), 'hex')
  expect(await ownBlocks(world.blocks, party(world.b.id))(cid)).toBeUndefined()
  expect(await ownBlocks(world.blocks, party(world.a.id))(cid)).toBeInstanceOf(Uint8Array)
})
