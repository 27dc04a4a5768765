import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { ExchangeWorker } from '../../src/exchange/worker.js'
import type { Sealed } from '../../src/vault/seal.js'
import { eventually } from '../ledger/support/eventually.js'
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
const PATIENT = {
  resourceType: 'Patient',
  id: 'pat-a',
  meta: { versionId: '1', lastUpdated: '2026-01-02T03:04:05.000Z' },
  name: [{ family: 'Purged' }],
}
/** Too large for one block, so that it has chunks. */
const attachment = () => {
  const data = Buffer.from(Array.from({ length: 400_000 }, () => Math.floor(Math.random() * 256))).toString('base64')
  return observation('large', 1, { note: [{ text: data }] })
}

/** Two records under `general`, one of them in chunks, one under PSY, and the Patient; all imported. */
async function shared(): Promise<{ general: Sealed[]; psy: Sealed; blocks: Uint8Array[] }> {
  const sealed = await world.publish([
    { id: 'o1', resource: observation('o1') },
    { id: 'large', resource: attachment() },
    { type: 'Patient', id: 'pat-a', resource: PATIENT },
    { id: 'psy', resource: observation('psy', 1, labelled('PSY')), labels: ['PSY'] },
  ])
  await world.grant(['general', 'PSY'])
  expect(await world.work()).toEqual({ imported: 4, refused: 0 })
  const general = sealed.slice(0, 3)
  const blocks = general.flatMap((s) => s.blocks.map(({ bytes }) => bytes))
  expect(blocks.length).toBeGreaterThan(4)
  return { general, psy: sealed[3] as Sealed, blocks }
}
const tail = (block: Uint8Array): Uint8Array => block.slice(-48)

/** What there is of an imported record of the patient: rows, index, keys, policies. */
async function traces(): Promise<Record<string, number>> {
  const patient = `patient = decode('${world.patient.slice(2)}', 'hex')`
  return {
    resources: await world.count('resource', `source IS NOT NULL`),
    versions: await world.count('resource_version', `${patient} AND labels & (1::bigint << 62) = 0`),
    references: await world.count('reference', `source_pk NOT IN (SELECT pk FROM resource)`),
    keys: await world.count('capsule_key', `imported AND ${patient}`),
    policies: await world.count('shared_policy', patient),
    links: await world.count('patient_link', patient),
  }
}
const NOTHING = { resources: 0, versions: 0, references: 0, keys: 0, policies: 0, links: 0 }

describe('a revocation', () => {
  it('of one label takes its rows, keys, policy, blocks and links, and leaves the other label', async () => {
    const { general, psy, blocks } = await shared()
    expect(blocks.map((block) => world.onDisk(tail(block))).every(Boolean)).toBe(true)
    await world.revoke('general')
    await world.work()
    expect(await row('o1')).toBeNull()
    expect(await row('pat-a', 'Patient')).toBeNull()
    expect(await row('psy')).not.toBeNull()
    expect(await traces()).toEqual({ ...NOTHING, resources: 1, versions: 1, keys: 1, policies: 1 })
    const cids = general.flatMap((s) => s.blocks.map(({ cid }) => cid))
    expect(await world.blocks.has(cids)).toEqual(new Set())
    expect(blocks.map((block) => world.onDisk(tail(block))).some(Boolean)).toBe(false)
    expect(await world.blocks.has([psy.cid])).toEqual(new Set([psy.cid]))
  })

  it('of everything leaves nothing but an audit record that says so', async () => {
    const { blocks, psy } = await shared()
    const before = await world.count('resource', `type = 'AuditEvent'`)
    await world.happen(['AllConsentsRevoked', { patient: world.patient, epoch: 1 }])
    await world.work()
    expect(await traces()).toEqual(NOTHING)
    expect([...blocks, psy.blocks[0]?.bytes as Uint8Array].map((b) => world.onDisk(tail(b))).some(Boolean)).toBe(false)
    expect(await world.count('resource', `type = 'AuditEvent'`)).toBe(before + 1)
    expect(await world.count('feed_item', `state <> 'seen' OR patient IS NOT NULL`)).toBe(0)
  })

  it('spares what is ours: our own records of the patient, and its link', async () => {
    await shared()
    const ours = version({ id: 'ours', origin: world.b.id, patient: world.patient })
    await world.records.commit({ versions: [ours] })
    await world.database.query('INSERT INTO patient_link (local_id, patient, imported) VALUES ($1, $2, false)', [
      'pat-b',
      Buffer.from(world.patient.slice(2), 'hex'),
    ])
    await world.revoke('general')
    await world.revoke('PSY')
    await world.work()
    expect(await row('ours')).not.toBeNull()
    expect(await world.count('patient_link')).toBe(1)
    expect(await world.count('resource', 'source IS NOT NULL')).toBe(0)
  })

  it('done twice, or again after a crash, does no harm', async () => {
    await shared()
    await world.revoke('general')
    await world.work({ crash: true })
    const once = [await traces(), await world.count('resource')]
    await world.work()
    await world.purging.purge(world.patient)
    expect([await traces(), await world.count('resource')]).toEqual(once)
  })

  it.each([1, 2])('leaves no block behind when the process ends at deletion %i', async (fatal) => {
    const { general, blocks } = await shared()
    await world.revoke('general')
    const purge = world.records.purge.bind(world.records)
    const remove = world.blocks.delete.bind(world.blocks)
    let left = fatal
    const dying =
      <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        if (--left === 0) throw new Error('the process ended here')
        return await work(...args)
      }
    world.records.purge = dying(purge)
    world.blocks.delete = dying(remove)
    await world.purging.purge(world.patient).catch(() => undefined)
    world.records.purge = purge
    world.blocks.delete = remove
    await world.purging.purge(world.patient)
    expect(await world.blocks.has(general.flatMap((s) => s.blocks.map(({ cid }) => cid)))).toEqual(new Set())
    expect(blocks.map((block) => world.onDisk(tail(block))).some(Boolean)).toBe(false)
    expect(await row('o1')).toBeNull()
  })

  it('takes what was fetched and refused too', async () => {
    const resource = { ...attachment(), id: 'bad', status: 'nonsense' }
    const [refused] = await world.publish([{ id: 'bad', resource }])
    await world.grant()
    expect(await world.work()).toEqual({ imported: 0, refused: 1 })
    await world.revoke()
    await world.work()
    const blocks = (refused as Sealed).blocks
    expect(await world.blocks.has(blocks.map(({ cid }) => cid))).toEqual(new Set())
    expect(blocks.map(({ bytes }) => world.onDisk(tail(bytes))).some(Boolean)).toBe(false)
  })

  it('followed by a new grant brings everything back', async () => {
    await shared()
    await world.happen(['AllConsentsRevoked', { patient: world.patient, epoch: 1 }])
    await world.work()
    await world.grant()
    expect(await world.work()).toEqual({ imported: 3, refused: 0 })
    expect(await row('o1')).not.toBeNull()
    expect(await row('psy')).toBeNull()
  })

  it('that was replaced by a grant before we heard of it takes nothing', async () => {
    await shared()
    await world.revoke('general')
    await world.grant(['general'])
    await world.work()
    expect(await row('o1')).not.toBeNull()
  })
})

describe('an import that is under way while its patient revokes', () => {
  /** Holds the next answer of a proxy, or of A, back until told. */
  function held(part: string): { asked: Promise<void>; release: () => void } {
    let release = (): void => undefined
    let told = (): void => undefined
    const asked = new Promise<void>((resolve) => (told = resolve))
    const gate = new Promise<void>((resolve) => (release = resolve))
    const real = globalThis.fetch
    vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
      if (typeof input !== 'string' || !input.includes(part)) return await real(input, init)
      told()
      await gate
      return await real(input, { ...init, signal: null })
    })
    return { asked, release }
  }
  afterEach(() => void vi.restoreAllMocks())

  it.each([
    ['a proxy', '/reencrypt'],
    ["a record's block", '/ipfs/'],
  ])('waits for %s: the purge is done at once, and nothing is left afterwards', async (_, part) => {
    const sealed = await world.publish([
      { id: 'o1', resource: observation('o1') },
      { type: 'Patient', id: 'pat-a', resource: PATIENT },
      { id: 'bad', resource: { ...observation('bad'), status: 'nonsense' } },
    ])
    await world.grant()
    // What the worker reads before it imports.
    await world.work({ importing: false })
    expect(await world.count('shared_policy')).toBe(1)
    const { asked, release } = held(part)
    const { outbox, feeds, policies, importing, purging } = world
    const worker = new ExchangeWorker(outbox, feeds, policies, importing, purging, () => undefined)
    worker.start()
    await asked
    await world.revoke()
    worker.poke()
    await eventually(() => world.outbox.waiting('purge')).toBe(0)
    expect(await world.count('shared_policy')).toBe(0)
    release()
    await worker.stop()
    await expectNothing(sealed)
  })

  it('writes nothing, although all that it asked for was answered before the revocation', async () => {
    const sealed = await world.publish([
      { id: 'o1', resource: observation('o1') },
      { id: 'bad', resource: { ...observation('bad'), status: 'nonsense' } },
    ])
    await world.grant()
    await world.work({ importing: false })
    const take = world.turns.take.bind(world.turns)
    vi.spyOn(world.turns, 'take').mockImplementationOnce(async (patient, work) => {
      await world.revoke()
      await world.purging.purge(world.patient)
      return await take(patient, work)
    })
    expect(await world.importing.round()).toEqual({ imported: 0, refused: 0 })
    expect(await world.count('shared_policy')).toBe(0)
    await expectNothing(sealed)
  })

  it('writes before the purge looks, when it has decided before the revocation', async () => {
    const sealed = await world.publish([{ id: 'o1', resource: observation('o1') }])
    await world.grant()
    await world.work({ importing: false })
    const put = world.blocks.put.bind(world.blocks)
    let purge: Promise<unknown> | undefined
    vi.spyOn(world.blocks, 'put').mockImplementationOnce(async (blocks) => {
      await world.revoke()
      purge = world.purging.purge(world.patient)
      await new Promise((resolve) => setTimeout(resolve, 50))
      await put(blocks)
    })
    expect(await world.importing.round()).toEqual({ imported: 1, refused: 0 })
    expect(await purge).toEqual({ removed: 1 })
    await expectNothing(sealed)
  })

  it('leaves no block behind when the process ends between its blocks and its rows', async () => {
    const sealed = await world.publish([{ id: 'o1', resource: observation('o1') }])
    await world.grant()
    await world.work({ importing: false })
    const commit = world.records.commit.bind(world.records)
    vi.spyOn(world.records, 'commit').mockImplementation(async (change) => {
      if (change.versions !== undefined) throw new Error('the process ended here')
      return commit(change)
    })
    await expect(world.importing.round()).rejects.toThrow('the process ended here')
    expect(await world.blocks.has([sealed[0]?.cid as string])).toEqual(new Set([sealed[0]?.cid]))
    await world.revoke()
    await world.work()
    await expectNothing(sealed)
  })

  it('keeps no policy out of a package that came after the revocation', async () => {
    await world.grant(['general', 'PSY'])
    const [item] = await world.outbox.claim('package', 1, 0)
    await world.revoke('general')
    await world.work()
    await world.policies.readPackage(item?.payload as { patient: `0x${string}`; digest: string })
    expect(await world.count('shared_policy')).toBe(1)
    expect(await world.count('shared_policy', 'label_mask = 1')).toBe(0)
  })

  async function expectNothing(sealed: readonly Sealed[]): Promise<void> {
    expect(await traces()).toEqual(NOTHING)
    const blocks = sealed.flatMap((s) => s.blocks)
    expect(await world.blocks.has(blocks.map(({ cid }) => cid))).toEqual(new Set())
    expect(blocks.map(({ bytes }) => world.onDisk(tail(bytes))).some(Boolean)).toBe(false)
    expect(await world.count('feed_item', `state <> 'seen' OR patient IS NOT NULL`)).toBe(0)
  }
})

describe('the end of a period', () => {
  it('purges without an event', async () => {
    const to = Math.floor(world.now / 1000) + 100
    await world.publish([{ id: 'o1', resource: observation('o1') }])
    await world.grant(['general'], to)
    await world.work()
    expect(await world.purging.expired()).toEqual([])
    world.now = to * 1000 - 1
    expect(await world.purging.expired()).toEqual([])
    world.now = to * 1000
    expect(await world.purging.expired()).toEqual([world.patient])
    await world.purging.purge(world.patient)
    expect(await traces()).toEqual(NOTHING)
    expect(await world.purging.expired()).toEqual([])
  })
})

describe('what is kept without a record', () => {
  const over = 100
  beforeEach(async () => {
    await world.publish([
      { id: 'o1', resource: observation('o1') },
      { type: 'Patient', id: 'pat-a', resource: PATIENT },
    ])
    await world.grant(['general'], Math.floor(world.now / 1000) + over)
    expect(await world.work()).toEqual({ imported: 2, refused: 0 })
  })
  const others = ['capsule_key', 'shared_policy', 'foreign_block', 'feed_item', 'patient_link']
  /** As if only the one were left of an interrupted purge or import. */
  async function leave(table: string): Promise<void> {
    for (const each of ['resource', 'resource_version', 'foreign_patient', ...others]) {
      if (each !== table) await world.database.query(`DELETE FROM ${each}`)
    }
    expect(await world.count(table)).toBeGreaterThan(0)
  }

  it.each(others)('is found and purged when its period is over: %s', async (table) => {
    await leave(table)
    if (table !== 'patient_link') expect(await world.purging.expired()).toEqual([])
    world.now += over * 1000
    expect(await world.purging.expired()).toEqual([world.patient])
    await world.purging.purge(world.patient)
    expect(await world.purging.expired()).toEqual([])
    expect(await world.count(table, table === 'feed_item' ? 'patient IS NOT NULL' : 'true')).toBe(0)
  })

  it('are ids that a record names: they go with its row', async () => {
    expect(await world.count('foreign_patient')).toBeGreaterThan(0)
    world.now += over * 1000
    expect(await world.purging.expired()).toEqual([world.patient])
    await world.purging.purge(world.patient)
    expect(await world.count('foreign_patient')).toBe(0)
  })
})

describe('the worker', () => {
  it('does all of it by itself: import, retry of what could not be had, purge', async () => {
    const problems: unknown[] = []
    const { outbox, feeds, policies, importing, purging } = world
    const worker = new ExchangeWorker(outbox, feeds, policies, importing, purging, (error) => problems.push(error))
    const [sealed] = await world.publish([{ id: 'o1', resource: observation('o1') }])
    const block = world.served.get(sealed?.cid as string) as Uint8Array
    world.served.delete(sealed?.cid as string)
    await world.grant()
    worker.start()
    try {
      await eventually(() => problems.length).toBeGreaterThan(0)
      expect(await row('o1')).toBeNull()
      world.served.set(sealed?.cid as string, block)
      await eventually(() => row('o1')).not.toBeNull()
      await world.revoke()
      worker.poke()
      await eventually(() => row('o1')).toBeNull()
      await eventually(traces).toEqual(NOTHING)
    } finally {
      await worker.stop()
    }
  })
})
