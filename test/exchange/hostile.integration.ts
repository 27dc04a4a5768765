import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { labelId } from '../../src/consent/labels.js'
import { randomId } from '../ledger/support/consortium.js'
import { ENGINES, type OpenDatabase } from '../records/open.js'
import { ownBlocks } from '../../src/gateway/own-blocks.js'
import type { BlockStore } from '../../src/vault/blocks/block-store.js'
import type { Block } from '../../src/vault/cid.js'
import { decodeEnvelope, encodeEnvelopes } from '../../src/vault/envelope.js'
import { newCapsuleKey } from '../../src/vault/keys.js'
import { SecretKey } from '../../src/vault/pre/index.js'
import { seal, type Sealed } from '../../src/vault/seal.js'
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

it('a hospital that the patient only lets read puts nothing into the record elsewhere', async () => {
  const c = { id: randomId(), key: SecretKey.random() }
  const readers = { label: labelId('general'), actions: 1, consent: `${(1n << 80n) - 1n}`, packageHash: randomId() }
  await world.happen(world.entity(c.id, c.key, world.endpoint))
  await world.happen(['ConsentGranted', { patient: world.patient, grantee: c.id, ...readers }])
  await world.grant()
  // as a reader it has the policy key, with which its own feed is named and its own records are sealed
  await world.publish([{ id: 'planted', resource: observation('planted') }], c)
  await world.publish([{ id: 'sound', resource: observation('sound') }])
  for (let round = 0; round < 2; round++) await world.work()
  expect(await ids()).toEqual(['sound'])

  await world.letWrite(c.id)
  await world.work()
  expect(await ids()).toEqual(['planted', 'sound'])
})

it.each<[string, (grantee: `0x${string}`) => Promise<void>, number | undefined]>([
  [
    'was taken back',
    (grantee) =>
      world.happen(['ConsentRevoked', { patient: world.patient, grantee, label: labelId('general'), actions: 2 }]),
    undefined,
  ],
  ['has ended', async () => undefined, 3_600],
])(
  'a hospital whose permission to write %s plants nothing from then on, and what it wrote before stays',
  async (_, stop, seconds) => {
    const c = { id: randomId(), key: SecretKey.random() }
    const readers = { label: labelId('general'), actions: 1, consent: `${(1n << 80n) - 1n}`, packageHash: randomId() }
    await world.happen(world.entity(c.id, c.key, world.endpoint))
    await world.happen(['ConsentGranted', { patient: world.patient, grantee: c.id, ...readers }])
    await world.letWrite(c.id, seconds === undefined ? undefined : Math.floor(world.now / 1000) + seconds)
    await world.grant()
    await world.publish([{ id: 'before', resource: observation('before') }], c)
    await world.work()
    await stop(c.id)
    // It still may anchor what it had written.
    world.now += 3 * 3_600_000
    await world.publish([{ id: 'late', resource: observation('late') }], c)
    await world.work()
    expect(await ids()).toEqual(['before', 'late'])
    world.now += 2 * 86_400_000
    await world.publish([{ id: 'planted', resource: observation('planted') }], c)
    await world.publish([{ id: 'before', version: 2, resource: observation('before', 2) }], c)
    await world.publish([{ id: 'sound', resource: observation('sound') }])
    for (let round = 0; round < 2; round++) await world.work()
    expect(await ids()).toEqual(['before', 'late', 'sound'])
    expect(await world.count('resource', `id = 'before' AND version = 1`)).toBe(1)
    await world.letWrite(c.id)
    await world.work()
    expect(await ids()).toEqual(['before', 'late', 'planted', 'sound'])
  },
)

it('a package that names other addresses of proxies has nobody called there', async () => {
  const called: string[] = []
  const inside = createServer((request, response) => {
    called.push(`${request.method} ${request.url}`)
    response.end('{}')
  })
  await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve))
  const { port } = inside.address() as AddressInfo
  await world.grant()
  await world.misdirect(`http://127.0.0.1:${port}/api/v0/shutdown?as=`)
  await world.publish([{ id: 'sound', resource: observation('sound') }])
  expect(await world.work()).toEqual({ imported: 1, refused: 0 })
  expect(called).toEqual([])
  await new Promise((resolve) => inside.close(resolve))
})

const party = (id: string) => Buffer.from(id.slice(2), 'hex')

/** A record of B’s own, in its block store: so large that it has chunks. */
async function ours(): Promise<Sealed> {
  const note = [{ text: randomBytes(300_000).toString('base64') }]
  const body = Buffer.from(JSON.stringify(observation('ours', 1, { note })))
  const keys = [newCapsuleKey(SecretKey.random().publicKey)]
  const author = { id: party(world.b.id), key: SecretKey.random() }
  const [sealed] = seal([{ id: 'Observation/ours', version: 1, body, keys }], author)
  await world.blocks.put((sealed as Sealed).blocks)
  return sealed as Sealed
}
const cidsOf = ({ blocks }: Sealed): string[] => blocks.map(({ cid }) => cid)

it.each<[string, (own: Sealed) => Promise<string>]>([
  ['names a block of ours as its own', async ({ cid }) => cid],
  [
    'links our chunks from an envelope of its own',
    async (own) => {
      const { sig: _, signed: __, together: ___, ...envelope } = decodeEnvelope((own.blocks[0] as Block).bytes)
      const forged = { ...envelope, author: party(world.a.id), capsules: [world.capsuleKey('general').capsule] }
      const [block] = encodeEnvelopes([forged], (message) => world.a.key.sign(message))
      world.served.set((block as Block).cid, (block as Block).bytes)
      return (block as Block).cid
    },
  ],
])('whoever %s makes no purge take it', async (_what, name) => {
  const own = await ours()
  await world.grant()
  await world.publish([
    { id: 'x', resource: observation('x'), cid: await name(own) },
    { id: 'sound', resource: observation('sound') },
  ])
  await world.work()
  expect(await ids()).toEqual(['sound'])
  await world.revoke()
  await world.work()
  expect(await ids()).toEqual([])
  expect(await world.blocks.has(cidsOf(own))).toEqual(new Set(cidsOf(own)))
  const give = ownBlocks(world.blocks, world.kept, party(world.b.id))
  for (const cid of cidsOf(own)) expect(await give(cid)).toBeInstanceOf(Uint8Array)
})

it('what was imported is its author’s to give, chunks too: /ipfs answers as if it were not here', async () => {
  await world.grant()
  const note = [{ text: randomBytes(300_000).toString('base64') }]
  const [theirs] = await world.publish([{ id: 'theirs', resource: observation('theirs', 1, { note }) }])
  expect(await world.work()).toMatchObject({ imported: 1 })
  const cids = cidsOf(theirs as Sealed)
  expect((await world.blocks.has(cids)).size).toBeGreaterThan(2)
  for (const cid of cids) {
    expect(await ownBlocks(world.blocks, world.kept, party(world.b.id))(cid)).toBeUndefined()
  }
})

it('what is not here is not looked for elsewhere', async () => {
  const own = await ours()
  const asked: string[] = []
  const network = {
    has: async () => new Set<string>(),
    get: async (cids: readonly string[]) => {
      asked.push(...cids)
      return world.blocks.get(cids)
    },
  } as unknown as BlockStore // a Kubo, which would fetch what it has not
  expect(await ownBlocks(network, world.kept, party(world.b.id))(own.cid)).toBeUndefined()
  expect(asked).toEqual([])
})
