import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../src/auth/principal.js'
import { parseScope, type Scope } from '../../src/auth/scopes.js'
import { ConsentMirror } from '../../src/consent/mirror.js'
import type { PatientId } from '../../src/consent/permit.js'
import { ConsentryError } from '../../src/errors.js'
import { Access } from '../../src/gateway/access.js'
import { create } from '../../src/gateway/create.js'
import { deleteResource } from '../../src/gateway/delete.js'
import type { GatewayParts } from '../../src/gateway/parts.js'
import { linkedPatient } from '../../src/gateway/patients.js'
import { update } from '../../src/gateway/update.js'
import { CARE_TERMS, entityRegistration, randomId, ZERO } from '../ledger/support/consortium.js'
import { asking, ehrOf } from './asking.js'
import { partsOf } from './hospital-parts.js'
import { NoticeHospital } from './notice-hospital.js'

/** Whoever is refused has nobody registered on the ledger, and learns nothing of what is there. */
let hospital: NoticeHospital
let parts: GatewayParts
/** What was asked of the ledger, and how the next time goes. */
const asked: PatientId[][] = []
let admit = async (_: readonly PatientId[]): Promise<void> => undefined
const clinic = randomId()

beforeAll(async () => {
  hospital = await NoticeHospital.open()
  const { h } = hospital
  const registration = entityRegistration(clinic, h.operator.address, 'https://clinic.example')
  await h.run(h.administrator, h.contracts.write('IdentityRegistry', 'registerEntity', registration))
  await hospital.mirrored()
  const admission = {
    admit: async (patients: readonly { id: PatientId }[]) => {
      const ids = patients.map(({ id }) => id)
      asked.push(ids)
      await admit(ids)
    },
  }
  const freshness = () => ({ confirmedAt: Date.now(), limitMs: 60_000 })
  const patientOf = (id: string) => linkedPatient(h.database, id)
  parts = {
    ...(await partsOf(h, Date.now, admission)),
    access: new Access(new ConsentMirror(h.database), freshness, Date.now, null, patientOf),
  }
})
afterAll(() => hospital?.h.stop())

const ehr = (): Principal => ehrOf(parts)
const phone = (): Principal => ({
  ...ehr(),
  role: 'patient',
  patient: 'p1',
  scopes: [parseScope('patient/*.cruds') as Scope],
})
const INTERACTION = { POST: 'create', PUT: 'update', DELETE: 'delete' } as const
const request = (principal: Principal, method: 'POST' | 'PUT' | 'DELETE', id?: string, resource?: object) =>
  asking(
    parts,
    {
      interaction: INTERACTION[method],
      method,
      type: (resource as { resourceType?: string } | undefined)?.resourceType ?? 'Basic',
      ...(id === undefined ? {} : { id }),
      principal,
    },
    resource,
  )
const patient = (id?: string) => ({ resourceType: 'Patient', ...(id === undefined ? {} : { id }) })
const refusal = (asking: Promise<unknown>) =>
  asking.then(
    () => null,
    (error: unknown) => error as ConsentryError,
  )

describe('a new patient', () => {
  it.each<[string, () => Partial<Principal>]>([
    ['the application of another patient', phone],
    ['another entity', () => ({ entity: clinic })],
    ['a party that is not active', () => ({ entity: randomId() })],
    ['a client in an emergency', () => ({ purposes: ['BTG'] })],
  ])('is not registered for %s, by whatever name', async (_, over) => {
    const principal = { ...ehr(), ...over() }
    const before = asked.length
    for (const asking of [
      create(parts)(request(principal, 'POST', undefined, patient())),
      update(parts)(request(principal, 'PUT', 'stranger', patient('stranger'))),
    ]) {
      expect((await refusal(asking))?.kind).toBe('forbidden')
    }
    expect([asked.length, (await parts.patients.known(['stranger'])).size]).toEqual([before, 0])
  })

  it('whose registration failed is registered the next time, under the same id', async () => {
    const { h } = hospital
    const put = () => update(parts)(request(ehr(), 'PUT', 'halfway', patient('halfway')))
    admit = () => Promise.reject(new ConsentryError('unavailable', 'The node is away.'))
    const before = asked.length
    expect((await refusal(put()))?.kind).toBe('unavailable')
    admit = async (ids) => {
      await h.run(
        h.operator,
        h.contracts.write(
          'ConsentRegistry',
          'admit',
          h.entity,
          ids,
          ids.map(() => ZERO),
          CARE_TERMS,
        ),
      )
      await hospital.mirrored()
    }
    expect((await put()).status).toBe(201)
    expect(asked.slice(before)).toEqual([asked[before], asked[before]])
    // Written: nobody is registered any more.
    expect((await put()).status).toBe(200)
    expect(asked).toHaveLength(before + 2)
  })
})

describe('what is refused to a client that may not know what is there', () => {
  it('is refused in the same words whether it exists or not', async () => {
    const content = { resourceType: 'Basic', code: { text: 'x' } }
    expect((await update(parts)(request(ehr(), 'PUT', 'there', { ...content, id: 'there' }))).status).toBe(201)
    for (const principal of [phone(), { ...ehr(), entity: clinic }]) {
      const told = async (id: string) => {
        const asking = [
          deleteResource(parts)(request(principal, 'DELETE', id)),
          update(parts)(request(principal, 'PUT', id, { ...content, id })),
        ]
        return (await Promise.all(asking.map(refusal))).map((error) => [error?.kind, error?.message, error?.issues])
      }
      expect(await told('nowhere')).toEqual(await told('there'))
    }
  })
})
