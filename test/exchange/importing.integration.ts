import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rowFilter } from '../../src/consent/row-filter.js'
import { OPEN_END } from '../../src/consent/terms.js'
import { feedTag } from '../../src/exchange/feed-tag.js'
import { contentHashOf } from '../../src/vault/payload.js'
import { rawBlock } from '../../src/vault/envelope.js'
import { SecretKey } from '../../src/vault/pre/index.js'
import { randomId } from '../ledger/support/consortium.js'
import { ENGINES, type OpenDatabase } from '../records/open.js'
import { version } from '../records/versions.js'
import { labelled, observation, TwoHospitals } from './two-hospitals.js'

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

const row = async (id: string, type = 'Observation') => (await world.records.read([{ type, id }]))[0] ?? null

describe('an import', () => {
  it('brings what is shared, with its source, links and audit, and nothing of another label', async () => {
    const patient = {
      resourceType: 'Patient',
      id: 'pat-a',
      meta: { versionId: '1', lastUpdated: '2026-01-02T03:04:05.000Z' },
      active: true,
    }
    const [sealed] = await world.publish([
      { id: 'o1', resource: observation('o1') },
      { id: 'o2', resource: observation('o2', 1, labelled('PSY')), labels: ['PSY'] },
      { type: 'Patient', id: 'pat-a', resource: patient },
    ])
    expect(await world.work()).toEqual({ imported: 0, refused: 0 })
    await world.grant()
    expect(await world.work()).toEqual({ imported: 2, refused: 0 })
    const imported = await row('o1')
    expect(imported).toMatchObject({
      patient: world.patient,
      origin: world.a.id,
      author: world.a.id,
      labels: 1n,
      cid: sealed?.cid,
      source: `${world.endpoint}/fhir/Observation/o1`,
    })
    expect(await row('o2')).toBeNull()
    expect(await world.count('patient_link', `imported AND local_id = 'pat-a'`)).toBe(1)
    expect(await world.count('resource', `type = 'AuditEvent'`)).toBeGreaterThan(0)
    await world.grant(['general', 'PSY'])
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
    expect((await row('o2'))?.labels).toBe(4n)
  })

  it('uses a word that a policy document narrows once the document has come with the package, and by it alone', async () => {
    const document = (over: object = {}): Uint8Array =>
      Buffer.from(
        JSON.stringify({
          except: [{ data: [{ meaning: 'instance', reference: 'Observation/o2' }] }],
          grantee: world.b.id,
          patient: world.patient,
          salt: 'a'.repeat(43),
          type: 'consentry policy 1',
          ...over,
        }),
      )
    await world.publish(['o1', 'o2'].map((id) => ({ id, resource: observation(id) })))
    const words = () => world.mirror.words([world.patient], [world.b.id], 'read')
    // A document of another grant narrows nothing here: the word stays unused.
    await world.grant(['general'], OPEN_END, world.patient, world.root, document({ grantee: world.a.id }))
    expect(await words()).toEqual([])
    await expect(world.work()).rejects.toMatchObject({ kind: 'integrity' })
    expect([await words(), await world.count('policy_document')]).toEqual([[], 0])
    await world.database.query(`DELETE FROM outbox WHERE kind = 'package'`)

    await world.grant(['general'], OPEN_END, world.patient, world.root, document())
    expect(await words()).toEqual([])
    expect(await world.work()).toEqual({ imported: 2, refused: 0 })
    const [word] = await words()
    expect(word?.policies).toMatchObject([{ rules: [{ excepts: true }] }])
    const { sql, params } = rowFilter({ action: 'read', purpose: 'TREAT', parties: [world.b.id], now: 1 })
    const { rows } = await world.database.query(
      `SELECT r.id FROM resource r WHERE r.type = 'Observation' AND ${sql}`,
      params,
    )
    expect(rows).toEqual([{ id: 'o1' }])
    const { rows: bodies } = await world.database.query<{ body: Buffer }>('SELECT body FROM policy_document')
    expect(bodies.map(({ body }) => body.toString('latin1')).join()).not.toContain('Observation')
  })

  it('takes versions one after the other, deletions too, and never goes back', async () => {
    await world.grant()
    const meta = { versionId: '3', lastUpdated: '2026-01-02T03:04:05.000Z' }
    await world.publish([
      { id: 'o1', version: 2, resource: observation('o1', 2) },
      { id: 'o1', version: 1, resource: observation('o1') },
      { id: 'o1', version: 3, resource: { resourceType: 'Observation', id: 'o1', meta } },
    ])
    expect(await world.work()).toEqual({ imported: 3, refused: 0 })
    expect(await row('o1')).toMatchObject({ version: 3, deleted: true })
    await world.publish([{ id: 'o1', version: 2, resource: observation('o1', 2, { status: 'amended' }) }])
    await world.work()
    expect((await row('o1'))?.version).toBe(3)
  })

  it('done again after a crash between any steps changes nothing', async () => {
    await world.publish([{ id: 'o1', resource: observation('o1') }])
    await world.grant()
    await world.work({ crash: true })
    const rows = await world.count('resource')
    const keys = await world.count('capsule_key')
    await world.database.query(`UPDATE feed_item SET state = 'seen', patient = NULL`)
    await world.work()
    await world.work()
    expect([await world.count('resource'), await world.count('capsule_key')]).toEqual([rows, keys])
    expect(await world.count('resource_version', `author = decode('${world.a.id.slice(2)}', 'hex')`)).toBe(1)
  })

  it('asks each capsule’s key once, of proxies that may lie or be gone as long as m are left', async () => {
    await world.grant()
    await world.proxies[0]?.server.close()
    await world.publish([
      { id: 'o1', resource: observation('o1') },
      { id: 'o2', resource: observation('o2') },
    ])
    expect(await world.work()).toEqual({ imported: 2, refused: 0 })
    expect(await world.count('capsule_key', 'imported')).toBe(1)
    await world.proxies[1]?.server.close()
    await world.publish([{ id: 'o3', resource: observation('o3') }])
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
    world.capsuleKeys.clear()
    await world.publish([{ id: 'o4', resource: observation('o4') }])
    await expect(world.work()).rejects.toThrow('1 of 3 proxies gave a correct fragment; 2 are needed.')
    expect(await row('o4')).toBeNull()
  })

  it('leaves a record of our own alone, and one of another author, whatever is shared under its id', async () => {
    const others = { id: randomId(), key: SecretKey.random() }
    await world.records.commit({
      versions: [
        version({ id: 'o1', origin: world.b.id }),
        version({
          id: 'o2',
          origin: others.id,
          patient: world.patient,
          source: 'http://other.example/fhir/Observation/o2',
        }),
      ],
    })
    await world.grant()
    await world.publish([
      { id: 'o1', version: 7, resource: observation('o1', 7) },
      { id: 'o2', version: 7, resource: observation('o2', 7) },
    ])
    await world.work()
    expect(await row('o1')).toMatchObject({ version: 1, source: null, origin: world.b.id })
    expect(await row('o2')).toMatchObject({ version: 1, origin: others.id })
  })
})

describe('an import refuses', () => {
  /** One sound record beside it must come through. */
  async function refusal(make: () => Parameters<TwoHospitals['publish']>[0][number]): Promise<string | undefined> {
    await world.grant(['general', 'PSY'])
    await world.publish([{ id: 'sound', resource: observation('sound') }, make()])
    expect(await world.work()).toEqual({ imported: 1, refused: 1 })
    expect(await row('sound')).not.toBeNull()
    expect(await row('bad')).toBeNull()
    expect(await world.work()).toEqual({ imported: 0, refused: 0 })
    return (await world.refusals())[0]
  }
  const bad = (over: Partial<Parameters<TwoHospitals['publish']>[0][number]> = {}) => ({
    id: 'bad',
    resource: observation('bad'),
    ...over,
  })

  it('an envelope that another key signed', async () => {
    expect(await refusal(() => bad({ signer: SecretKey.random() }))).toMatch(/sign/)
  })
  it('a leaf that does not match', async () => {
    expect(await refusal(() => bad({ leaf: randomBytes(32) }))).toMatch(/not the one that was anchored/)
  })
  it('labels other than those it was sealed under', async () => {
    const resource = observation('bad', 1, labelled('PSY'))
    expect(await refusal(() => bad({ resource }))).toMatch(/other labels/)
  })
  it('a record that is sealed for another label than its feed says', async () => {
    expect(await refusal(() => bad({ sealedFor: ['PSY'] }))).toBeTruthy()
  })
  it('a record sealed under more labels than its feed says', async () => {
    expect(await refusal(() => bad({ sealedFor: ['general', 'PSY'] }))).toBeTruthy()
  })
  it('invalid FHIR', async () => {
    expect(await refusal(() => bad({ resource: { ...observation('bad'), status: 'nonsense' } }))).toMatch(
      /not valid FHIR/,
    )
  })
  it('no FHIR at all', async () => {
    expect(await refusal(() => bad({ resource: ['nothing'] }))).toBeTruthy()
  })
  it.each(['o9', 'sound'])('another id than its envelope’s', async (id) => {
    expect(await refusal(() => bad({ resource: observation(id) }))).toMatch(/another identity/)
  })
  it('another version than its envelope’s', async () => {
    expect(await refusal(() => bad({ resource: observation('bad', 2) }))).toMatch(/another identity/)
  })
  it('a block that is no envelope', async () => {
    const block = rawBlock(randomBytes(300))
    world.served.set(block.cid, block.bytes)
    expect(await refusal(() => bad({ cid: block.cid }))).toMatch(/envelope|dag-cbor/)
  })
})

describe('what cannot be had now', () => {
  it('is an altered block: it is not taken, and comes when the right one is served', async () => {
    await world.grant()
    const [sealed] = await world.publish([{ id: 'o1', resource: observation('o1') }])
    const cid = sealed?.cid as string
    const right = world.served.get(cid) as Uint8Array
    const altered = Uint8Array.from(right)
    altered[100] = (altered[100] as number) ^ 1
    world.served.set(cid, altered)
    await expect(world.work()).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await row('o1')).toBeNull()
    expect(await world.blocks.has([cid])).toEqual(new Set())
    world.served.set(cid, right)
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
  })

  it('does not hold up what another hospital shares', async () => {
    const c = { id: randomId(), key: SecretKey.random() }
    await world.happen(world.entity(c.id, c.key, world.endpoint))
    await world.letWrite(c.id)
    await world.grant()
    for (const [i, [silent, other]] of [
      [world.a, c],
      [c, world.a],
    ].entries()) {
      const [gone] = await world.publish([{ id: `gone-${i}`, resource: observation(`gone-${i}`) }], silent)
      world.served.delete(gone?.cid as string)
      await world.publish([{ id: `there-${i}`, resource: observation(`there-${i}`) }], other)
      await world.work().catch(() => undefined)
      expect(await row(`there-${i}`)).not.toBeNull()
      expect(await row(`gone-${i}`)).toBeNull()
      await world.database.query(`DELETE FROM feed_item WHERE state = 'seen'`)
    }
  })
})

describe('a manifest', () => {
  const entry = () => {
    const [cid, leaf] = [rawBlock(randomBytes(9)).cid, new Uint8Array(randomBytes(32))]
    return { tags: [feedTag(world.policyKey('general').toBytes(), world.a.id)], cid, leaf }
  }
  const manifest = () => ({ entity: world.a.id, authorKey: world.a.key.publicKey.toBytes(), entries: [entry()] })

  it.each<[string, () => Promise<void>]>([
    ['of another root than anchored', () => world.anchor(manifest(), { root: randomId() })],
    [
      'anchored by another entity',
      async () => {
        // Whoever it names as its operators, what others made stays theirs.
        const copycat = { id: randomId(), key: world.a.key }
        await world.happen(world.entity(copycat.id, copycat.key, world.endpoint))
        await world.anchor(manifest(), { entity: copycat.id })
      },
    ],
    [
      'whose author key is of no account of the entity',
      () => world.anchor({ ...manifest(), authorKey: SecretKey.random().publicKey.toBytes() }),
    ],
  ])('%s is refused', async (_, anchor) => {
    await anchor()
    await expect(world.work()).rejects.toMatchObject({ kind: 'integrity' })
    expect([await world.count('feed'), await world.count('feed_item')]).toEqual([0, 0])
  })

  it('cannot be taken for another by its block: the digest is on the ledger', async () => {
    await world.publish([{ id: 'o1', resource: observation('o1') }])
    for (const [cid, block] of world.served) {
      const altered = Uint8Array.from(block)
      altered[altered.length - 1] = (altered.at(-1) as number) ^ 1
      world.served.set(cid, altered)
    }
    await expect(world.work()).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await world.count('feed_item')).toBe(0)
  })
})

it('keeps the content hash of what was opened', async () => {
  await world.grant()
  const [sealed] = await world.publish([{ id: 'o1', resource: observation('o1') }])
  await world.work()
  const body = Buffer.from(JSON.stringify(observation('o1')))
  const found = await row('o1')
  expect(Buffer.from(found?.contentHash as Uint8Array)).toEqual(
    Buffer.from(contentHashOf(sealed?.salt as Uint8Array, body)),
  )
})
