import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Hex } from '../../src/ledger/hex.js'
import { eventually } from '../ledger/support/eventually.js'
import { ConsentGateway, observation } from './consent-gateway.js'

/** A site whose implicit policy is to share; that nothing is granted where it is not, every other test of a clinic shows. */
let gateway: ConsentGateway
const clinic: Hex = `0x${randomBytes(32).toString('hex')}`

beforeAll(async () => {
  gateway = await ConsentGateway.open({ IMPLICIT_POLICY: 'opt-out', EMBEDDED_PROXIES: '0' })
  await gateway.registerClinic(clinic)
  await gateway.register('clinic', { entity: clinic, scopes: 'system/*.cruds' }, ['TREAT', 'HRESCH'])
})
afterAll(() => gateway?.close())

const PSY = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' }] } }

it('lets every active entity read what is not sensitive until the patient opts out', async () => {
  const patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Silent' }] })
  const shown = await gateway.create(observation(patient))
  await gateway.create(observation(patient, PSY))
  const found = async (as: string): Promise<string[]> => {
    const { body } = await gateway.ask('GET', `/Observation?subject=${patient}&_total=accurate`, undefined, { as })
    const ids = ((body.entry ?? []) as { resource: { id: string } }[]).map(({ resource }) => resource.id)
    expect(body.total).toBe(ids.length)
    return ids
  }
  expect([await found('clinic'), await found('clinic HRESCH')]).toEqual([[shown], []])
  const written = await gateway.ask('POST', '/Observation', observation(patient), { as: 'clinic' })
  expect(written.status).toBe(403)
  const consents = () => gateway.ask('GET', `/Consent?patient=${patient}`)
  await eventually(async () => (await consents()).body.entry?.[0].resource.status).toBe('active')
  const [{ resource }] = (await consents()).body.entry
  const revoked = await gateway.operation(resource.id, 'revoke', [await gateway.form(patient)], { as: 'wallet' })
  expect([revoked.status, revoked.body.status], revoked.text).toEqual([200, 'inactive'])
  expect(await found('clinic')).toEqual([])
})
