import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Hex } from '../../src/ledger/hex.js'
import { ConsentGateway } from './consent-gateway.js'

/*
 * Records that name several patients, over HTTP. A clinic finds, counts and reads them while each of the patients permits it, and not one
 * moment longer; so does the hospital that wrote them.
 */
let gateway: ConsentGateway
const clinic: Hex = `0x${randomBytes(32).toString('hex')}`

beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  await gateway.registerClinic(clinic)
  await gateway.register('clinic', { entity: clinic })
})
afterAll(() => gateway?.close())

const of = (reference: string) => ({ reference })
const newPatient = () => gateway.create({ resourceType: 'Patient', name: [{ family: 'Member' }] })

async function grant(patient: string): Promise<string> {
  const consent = await gateway.propose(patient, clinic)
  const signed = await gateway.operation(consent, 'sign', [await gateway.form(patient)], { as: 'wallet' })
  expect([signed.status, signed.body.status], signed.text).toEqual([200, 'active'])
  return consent
}
const revoke = async (patient: string, consent: string): Promise<void> => {
  const { status, text } = await gateway.operation(consent, 'revoke', [await gateway.form(patient)], { as: 'wallet' })
  expect(status, text).toBe(200)
}

const KINDS: Record<string, (a: string, b: string) => object> = {
  Group: (a, b) => ({
    type: 'person',
    actual: true,
    member: [{ entity: of(`Patient/${a}`) }, { entity: of(`Patient/${b}`) }],
  }),
  List: (a, b) => ({
    status: 'current',
    mode: 'working',
    subject: of(`Patient/${a}`),
    entry: [{ item: of(`Patient/${b}`) }],
  }),
  MeasureReport: (a, b) => ({
    status: 'complete',
    type: 'individual',
    measure: 'http://example.org/Measure/1',
    period: { start: '2026-01-01', end: '2026-02-01' },
    subject: of(`Patient/${a}`),
    evaluatedResource: [of(`Patient/${b}`)],
  }),
  Observation: (a, b) => ({
    status: 'final',
    code: { text: 'weight of the twins' },
    subject: of(`Patient/${a}`),
    focus: [of(`Patient/${b}`)],
  }),
}

describe.each(Object.entries(KINDS))('a %s of two patients', (type, content) => {
  it('is found, counted and read where both permit it, and nowhere else', async () => {
    const [a, b] = [await newPatient(), await newPatient()]
    const id = randomUUID()
    const put = await gateway.ask('PUT', `/${type}/${id}`, { resourceType: type, id, ...content(a, b) })
    expect(put.status, put.text).toBe(201)
    const seen = async (as = 'clinic'): Promise<boolean> => {
      const options = { as }
      const search = await gateway.ask('GET', `/${type}?_id=${id}&_total=accurate`, undefined, options)
      const found = search.body.total === 1
      expect(search.status, search.text).toBe(200)
      expect([search.status, search.body.total, (search.body.entry ?? []).length]).toEqual([
        200,
        found ? 1 : 0,
        found ? 1 : 0,
      ])
      for (const path of ['', '/_history/1']) {
        const { status } = await gateway.ask('GET', `/${type}/${id}${path}`, undefined, options)
        expect([path, status === 200]).toEqual([path, found])
      }
      const history = await gateway.ask('GET', `/${type}/_history?_count=100`, undefined, options)
      const told = ((history.body.entry ?? []) as { fullUrl?: string }[]).some(({ fullUrl }) => fullUrl?.endsWith(id))
      expect(told).toBe(found)
      const included = await gateway.ask('GET', `/Patient?_id=${a}&_revinclude=*`, undefined, options)
      const beside = ((included.body.entry ?? []) as { resource: { id: string } }[]).some(
        ({ resource }) => resource.id === id,
      )
      if (beside) expect(found).toBe(true)
      return found
    }
    expect([await seen(), await seen('ehr')]).toEqual([false, true])
    const ofA = await grant(a)
    expect(await seen()).toBe(false)
    const ofB = await grant(b)
    expect(await seen()).toBe(true)
    await revoke(a, ofA)
    expect(await seen()).toBe(false)
    await grant(a)
    expect(await seen()).toBe(true)
    await revoke(b, ofB)
    expect(await seen()).toBe(false)
    const trail = await gateway.ask('GET', `/AuditEvent?patient=Patient/${b}&_count=200`, undefined, { as: 'auditor' })
    expect(JSON.stringify(trail.body)).toContain(`${type}/${id}`)
  })
})

describe('a Bundle of two patients', () => {
  it('stays its author’s alone, while both permit it', async () => {
    const [a, b] = [await newPatient(), await newPatient()]
    const observation = (patient: string) => ({
      resource: {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        subject: of(`Patient/${patient}`),
      },
    })
    const id = await gateway.create({
      resourceType: 'Bundle',
      type: 'collection',
      entry: [observation(a), observation(b)],
    })
    await grant(a)
    await grant(b)
    expect((await gateway.ask('GET', `/Bundle/${id}`, undefined, { as: 'clinic' })).status).toBe(403)
    expect((await gateway.ask('GET', `/Bundle/${id}`)).status).toBe(200)
    const parameters = { resourceType: 'Parameters', parameter: [await gateway.form(b)] }
    expect((await gateway.ask('POST', `/Patient/${b}/$revoke-all`, parameters, { as: 'wallet' })).status).toBe(200)
    expect((await gateway.ask('GET', `/Bundle/${id}`)).status).toBe(403)
    const search = await gateway.ask('GET', `/Bundle?_id=${id}&_total=accurate`)
    expect([search.status, search.body.total]).toEqual([200, 0])
  })
})

it('is not for a token of one patient', async () => {
  const [a, b] = [await newPatient(), await newPatient()]
  const id = await gateway.create({
    resourceType: 'Group',
    ...(KINDS['Group'] as (a: string, b: string) => object)(a, b),
  })
  const mine = await gateway.create({
    resourceType: 'Group',
    type: 'person',
    actual: true,
    member: [{ entity: of(`Patient/${a}`) }],
  })
  await gateway.register('app', { patient: a, scopes: 'patient/*.rs' })
  expect((await gateway.ask('GET', `/Group/${mine}`, undefined, { as: 'app' })).status).toBe(200)
  expect((await gateway.ask('GET', `/Group/${id}`, undefined, { as: 'app' })).status).toBe(403)
  expect((await gateway.ask('GET', '/Group?_total=accurate', undefined, { as: 'app' })).body.total).toBe(1)
})

it('is of one patient, however often that one is named', async () => {
  const a = await newPatient()
  const [member] = [{ entity: of(`Patient/${a}`) }]
  const group = {
    resourceType: 'Group',
    type: 'person',
    actual: true,
    member: Array.from({ length: 20 }, () => member),
  }
  const made = await gateway.create(group)
  await grant(a)
  expect((await gateway.ask('GET', `/Group/${made}`, undefined, { as: 'clinic' })).status).toBe(200)
})
