import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ForeignPatients1763600600000 } from '../../migrations/1763600600000-foreign-patients.js'
import { Custody } from '../../src/gateway/custody.js'
import { PATIENT_ID_SYSTEM } from '../../src/gateway/patient-compartment.js'
import { Patients } from '../../src/gateway/patients.js'
import { Trail } from '../../src/gateway/trail.js'
import { write } from '../../src/gateway/write.js'
import { lockPatientIds } from '../../src/records/foreign-patients.js'
import type { ValidResource } from '../../src/fhir/types.js'
import { id, request, Stage } from '../gateway/stage.js'
import { ALL_CATEGORIES, randomId } from '../ledger/support/consortium.js'
import { ENGINES, type OpenDatabase } from '../records/open.js'
import { labelled, observation, TwoHospitals } from './two-hospitals.js'

describe.each(ENGINES)('ids of Patients that imported records name, on $name', ({ open }) => {
  let engine: OpenDatabase
  let world: TwoHospitals
  let patients: Patients
  const admitted: string[] = []
  beforeAll(async () => {
    engine = await open()
  })
  afterAll(() => engine.close())
  beforeEach(async () => {
    world = await TwoHospitals.open(engine.database)
    admitted.length = 0
    const admit = async (all: readonly { id: string }[]) => void admitted.push(...all.map(({ id }) => id))
    patients = new Patients(engine.database, { admit }, new Custody(randomBytes(32)))
  })
  afterEach(() => world.close())

  const named = async (): Promise<string[]> => {
    const { rows } = await world.database.query<{ local_id: string }>(
      'SELECT DISTINCT local_id FROM foreign_patient ORDER BY local_id',
    )
    return rows.map(({ local_id }) => local_id)
  }
  const subject = (id: string) => ({ subject: { reference: `Patient/${id}` } })

  it('are remembered wherever a record names them, and no Patient of ours gets one', async () => {
    await world.grant()
    const contained = [{ resourceType: 'RelatedPerson', id: 'r', patient: { reference: 'Patient/inside' } }]
    const about = {
      contained,
      performer: [{ reference: '#r' }],
      extension: [{ url: 'http://a.example/about', valueReference: { reference: 'Patient/aside/_history/2' } }],
    }
    await world.publish([{ id: 'o1', resource: observation('o1', 1, about) }])
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
    expect(await named()).toEqual(['aside', 'inside', 'pat-a'])
    for (const id of ['aside', 'inside', 'pat-a']) {
      expect(await patients.admitNew([id, 'free'])).toEqual({ taken: [id] })
      expect(await patients.link([{ localId: id, patient: randomId() }])).toEqual([id])
      expect(await patients.link([{ localId: id, patient: world.patient }])).toEqual([id])
    }
    expect([await world.count('patient_link'), admitted]).toEqual([0, []])
    expect(await patients.admitNew(['free'])).toHaveProperty('admitted')
    expect(await world.count('patient_link')).toBe(1)
  })

  it('are ours to use where they are the same patient’s already', async () => {
    await patients.link([{ localId: 'pat-a', patient: world.patient, wrappedRoot: randomBytes(48) }])
    await world.grant()
    await world.publish([{ id: 'o1', resource: observation('o1') }])
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
    expect(await patients.link([{ localId: 'pat-a', patient: world.patient }])).toEqual([])
  })

  it('go with the last record that named them', async () => {
    await world.grant(['general', 'PSY'])
    await world.publish([
      { id: 'o1', resource: observation('o1') },
      { id: 'o2', resource: observation('o2', 1, { ...labelled('PSY'), ...subject('pat-a') }), labels: ['PSY'] },
      { id: 'o3', resource: observation('o3', 1, subject('pat-b')) },
    ])
    expect(await world.work()).toEqual({ imported: 3, refused: 0 })
    expect(await named()).toEqual(['pat-a', 'pat-b'])
    await world.revoke('general')
    await world.work()
    expect(await named()).toEqual(['pat-a'])
    expect(await patients.admitNew(['pat-a'])).toEqual({ taken: ['pat-a'] })
    await world.revoke('PSY')
    await world.work()
    expect(await named()).toEqual([])
    expect(await patients.admitNew(['pat-a'])).toHaveProperty('admitted')
  })

  it('stay while an older version named them', async () => {
    await world.grant()
    await world.publish([
      { id: 'o1', resource: observation('o1', 1, subject('before')) },
      { id: 'o1', version: 2, resource: observation('o1', 2, subject('after')) },
    ])
    expect(await world.work()).toEqual({ imported: 2, refused: 0 })
    expect(await named()).toEqual(['after', 'before'])
  })

  it('are not remembered of a record that is refused', async () => {
    await patients.link([{ localId: 'of-ours', patient: randomId(), wrappedRoot: randomBytes(48) }])
    await world.grant()
    const about = { ...subject('new'), performer: [{ reference: 'Patient/of-ours' }] }
    const [sealed] = await world.publish([{ id: 'bad', resource: observation('bad', 1, about) }])
    expect(await world.work()).toEqual({ imported: 0, refused: 1 })
    expect(await world.refusals()).toEqual([
      expect.stringMatching(
        /^The record names a Patient by an id that another patient has here\..+under ids that are not/,
      ),
    ])
    expect(world.told).toEqual([
      expect.stringMatching(
        new RegExp(
          `^1 records of entity ${world.a.id} were refused and are not tried again: .+another patient has here`,
        ),
      ),
    ])
    expect(await named()).toEqual([])
    const cids = sealed?.blocks.map(({ cid }) => cid) as string[]
    expect([await world.blocks.has(cids), await world.count('foreign_block')]).toEqual([new Set(), 0])
  })

  it('link the Patient in the commit that brings it', async () => {
    await world.grant()
    const meta = { versionId: '1', lastUpdated: '2026-01-02T03:04:05.000Z' }
    await world.publish([
      { type: 'Patient', id: 'pat-a', resource: { resourceType: 'Patient', id: 'pat-a', meta, active: true } },
    ])
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
    expect((await patients.known(['pat-a'])).get('pat-a')).toEqual({ id: world.patient, state: 'present' })
  })

  it('are known of records that were imported before their table was there', async () => {
    await world.grant()
    const index = world.records
    await world.publish([{ id: 'o1', resource: observation('o1') }])
    await world.work()
    expect(await index.resolve([{ type: 'Observation', id: 'o1' }])).not.toEqual([null])
    await world.database.query('DROP TABLE foreign_patient')
    const runner = world.database.dataSource.createQueryRunner()
    await new ForeignPatients1763600600000().up(runner).finally(() => runner.release())
    expect(await named()).toEqual(['pat-a'])
  })

  it.each<[string, object]>([
    ['new here', {}],
    ['registered elsewhere', { identifier: [{ system: PATIENT_ID_SYSTEM, value: id(1) }] }],
  ])('answer a client who puts a Patient there that is %s with a conflict, and nothing is written', async (_, more) => {
    await world.grant()
    await world.publish([{ id: 'o1', resource: observation('o1') }])
    await world.work()
    const stage = new Stage()
    stage.granted = stage.granted.map((word) => ({ ...word, action: 'create' as const, categories: ALL_CATEGORIES }))
    const resource = { resourceType: 'Patient', id: 'pat-a', ...more } as unknown as ValidResource // no validator here
    const put = {
      kind: 'update' as const,
      method: 'PUT' as const,
      type: 'Patient',
      id: 'pat-a',
      resource,
      at: 'Bundle.entry[3].resource',
    }
    const writing = write({ ...stage.parts, patients }, request, new Trail(), [put])
    await expect(writing).rejects.toMatchObject({ kind: 'conflict' })
    await expect(writing).rejects.toHaveProperty('issues', [
      {
        severity: 'error',
        code: 'duplicate',
        diagnostics: expect.stringMatching(/^Patient\/pat-a is named by records .* under another id, or with POST/),
        expression: ['Bundle.entry[3].resource.id'],
      },
    ])
    expect([stage.written, await world.count('patient_link'), admitted]).toEqual([0, 0, []])
  })

  describe('when an import and a create meet', () => {
    /** Holds the ids as a transaction does that has not ended, until told. */
    async function holding(
      ids: readonly string[],
      then: string,
      values: readonly unknown[],
    ): Promise<() => Promise<void>> {
      const [held, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const done = world.database.transaction(async (tx) => {
        await lockPatientIds(tx, ids)
        held.resolve()
        await go.promise
        await tx.query(then, values)
      })
      await held.promise
      return async () => {
        go.resolve()
        await done
      }
    }
    const settled = async (promise: Promise<unknown>): Promise<boolean> => {
      const pending = Symbol('pending')
      const pause = new Promise((resolve) => setTimeout(resolve, 200, pending))
      return (await Promise.race([promise, pause])) !== pending
    }

    it('the create waits for the import and is refused', async () => {
      const name = 'INSERT INTO foreign_patient (local_id, resource_pk) VALUES ($1, 1)'
      const release = await holding(['pat-a'], name, ['pat-a'])
      const creating = patients.admitNew(['pat-a'])
      expect(await settled(creating)).toBe(false)
      await release()
      expect(await creating).toEqual({ taken: ['pat-a'] })
    })

    it('the import waits for the create, refuses the record and keeps nothing of it', async () => {
      await world.grant()
      await world.publish([
        { id: 'o1', resource: observation('o1') },
        { id: 'o2', resource: observation('o2', 1, subject('pat-b')) },
      ])
      await world.work({ importing: false })
      const link = 'INSERT INTO patient_link (local_id, patient, imported) VALUES ($1, $2, false)'
      const put = world.blocks.put.bind(world.blocks)
      const [arrived, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      // PGlite has one session: the import must have asked for all but its commit before the create holds it.
      world.blocks.put = async (blocks) => {
        await put(blocks)
        arrived.resolve()
        await go.promise
      }
      const importing = world.importing.round()
      await arrived.promise
      const release = await holding(['pat-a'], link, ['pat-a', randomBytes(32)])
      go.resolve()
      expect(await settled(importing)).toBe(false)
      await release()
      expect(await importing).toEqual({ imported: 1, refused: 1 })
      expect(await world.records.resolve([{ type: 'Observation', id: 'o1' }])).toEqual([null])
      expect(await named()).toEqual(['pat-b'])
    })

    it('any number of them: an id is ours or is named, never both', async () => {
      const ids = Array.from({ length: 24 }, (_, i) => `p${i}`)
      await world.grant()
      await world.publish(ids.map((id, i) => ({ id: `o${i}`, resource: observation(`o${i}`, 1, subject(id)) })))
      await world.work({ importing: false })
      const put = world.blocks.put.bind(world.blocks)
      const creating: Promise<unknown>[] = []
      world.blocks.put = async (blocks) => {
        await put(blocks)
        for (const id of [...ids].reverse()) creating.push(patients.admitNew([id]))
      }
      await world.importing.round()
      await Promise.all(creating)
      const both = await world.count(
        'foreign_patient f',
        'EXISTS (SELECT 1 FROM patient_link l WHERE l.local_id = f.local_id)',
      )
      expect(both).toBe(0)
      const [ours, theirs] = [await world.count('patient_link'), (await named()).length]
      expect(ours + theirs).toBe(ids.length)
    })
  })
})
