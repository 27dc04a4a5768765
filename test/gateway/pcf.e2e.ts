import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ANY_ENTITY } from '../../src/consent/parties.js'
import type { Hex } from '../../src/ledger/hex.js'
import type { Resource } from '../../src/fhir/types.js'
import { hasSharedData, listShared, readShared } from '../support/shared-data.js'
import { eventually } from '../ledger/support/eventually.js'
import { ConsentGateway } from './consent-gateway.js'

/*
 * The example Consents of IHE PCF (https://profiles.ihe.net/ITI/PCF/), as they stand there but for their patient: proposed, signed by the
 * wallet of a patient in custody, and asked for by another entity of the community. What each permits is told beside it, by PCF's text.
 */
const FOLDER = ['ihe-pcf', 'pcf-1.1.1-ci-examples'] as const
const EXAMPLES = listShared(...FOLDER).filter((name) => name.startsWith('Consent-'))

let gateway: ConsentGateway
const clinic: Hex = `0x${randomBytes(32).toString('hex')}`

beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  await gateway.registerClinic(clinic)
  await gateway.register('clinic', { entity: clinic }, ['TREAT', 'HPAYMT', 'HOPERAT', 'HRESCH'])
})
afterAll(() => gateway?.close())

/** The examples' own data, and what they speak of without having it: data of a sensitive class, of another year, of an author. */
const OF_THE_RECORD = [
  'Encounter-ex-encounter',
  'Observation-ex-weight',
  'Observation-ex-weight-2',
  'Observation-ex-alcoholUse',
]
const MADE: Record<string, object> = {
  'Observation/psy': {
    meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'PSY' }] },
  },
  'Observation/in-2022': { effectiveDateTime: '2022-12-31' },
  'Observation/restricted': {
    meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] },
  },
  'Observation/by-practitioner': { performer: [{ reference: 'Practitioner/ex-practitioner' }] },
}
const NORMAL = ['Patient', 'ex-encounter', 'ex-weight', 'ex-weight-2', 'in-2022', 'by-practitioner']
const EVERYTHING = [...NORMAL, 'ex-alcoholUse', 'psy', 'restricted']
const TPO = ['TREAT', 'HPAYMT', 'HOPERAT']

interface Permitted {
  /** What is found for each of these purposes; nothing for the others. */
  readonly purposes: readonly string[]
  readonly found: readonly string[]
}
interface Refused {
  /** Why it is no grant, by element. */
  readonly refused: readonly string[]
}

const EXPECTED: Record<string, Permitted | Refused> = {
  'ex-consent-basic-ink': { purposes: TPO, found: EVERYTHING },
  'ex-consent-basic-research': { purposes: ['HRESCH'], found: EVERYTHING },
  // A rejection grants nothing: what was granted before is taken back by Patient/[id]/$revoke-all.
  'ex-consent-basic-reject': { refused: ['Consent.provision.type'] },
  'ex-consent-intermediate-authoredby': { purposes: TPO, found: ['by-practitioner'] },
  'ex-consent-intermediate-data': {
    purposes: TPO,
    found: ['ex-encounter', 'ex-weight', 'ex-weight-2', 'ex-alcoholUse'],
  },
  'ex-consent-intermediate-not-encounter': {
    purposes: TPO,
    found: ['Patient', 'psy', 'in-2022', 'restricted', 'by-practitioner'],
  },
  'ex-consent-intermediate-timeframe': { purposes: TPO, found: ['in-2022', 'ex-alcoholUse'] },
  'ex-consent-advanced-normal': { purposes: TPO, found: NORMAL },
  'ex-consent-advanced-normal-not-restricted': { purposes: TPO, found: NORMAL },
  // What one practitioner may have besides is a second grant.
  'ex-consent-advanced-normal-focused-psy-or-sdv': { refused: ['Consent.provision.provision[0].type'] },
  // Nobody grants what breaking the glass opens: the patient can only forbid it.
  'ex-consent-advanced-normal-break-glass-restricted': {
    refused: ['Consent.provision.provision[0].type', 'Consent.provision.provision[0].purpose[0]'],
  },
  'ex-dissent-intermediate-break-glass': {
    refused: [
      'Consent.provision.type',
      'Consent.provision.provision[0].type',
      'Consent.provision.provision[0].purpose[0]',
    ],
  },
}

/** The record of a new patient; the examples' ids, each behind the patient's. */
async function record(): Promise<{ patient: string; named: (text: string) => string }> {
  const patient = randomUUID()
  const named = (text: string): string =>
    text
      .replaceAll('Patient/ex-patient', `Patient/${patient}`)
      .replaceAll(/(Encounter|Observation)\/([\w-]+)/g, (_, type: string, id: string) => `${type}/${patient}-${id}`)
  const put = async (resource: Resource): Promise<void> => {
    const answer = await gateway.ask('PUT', `/${resource.resourceType}/${resource.id}`, resource)
    expect(answer.status, answer.text).toBe(201)
  }
  await put({ resourceType: 'Patient', id: patient, name: [{ family: 'Smith' }] })
  for (const name of OF_THE_RECORD) {
    const resource = JSON.parse(named(JSON.stringify(readShared(...FOLDER, `${name}.json`)))) as Resource
    await put({ ...resource, id: `${patient}-${resource.id}` })
  }
  for (const [name, content] of Object.entries(MADE)) {
    const [, id] = name.split('/')
    await put({
      resourceType: 'Observation',
      id: `${patient}-${id}`,
      status: 'final',
      code: { text: id },
      subject: { reference: `Patient/${patient}` },
      ...content,
    })
  }
  return { patient, named }
}

/** What the clinic finds by its searches, their totals being what they find. */
async function found(patient: string, as: string): Promise<string[]> {
  const names: string[] = []
  for (const query of [`/Patient?_id=${patient}`, `/Encounter?subject=${patient}`, `/Observation?subject=${patient}`]) {
    const { status, body, text } = await gateway.ask('GET', `${query}&_total=accurate`, undefined, { as })
    expect(status, text).toBe(200)
    const ids = ((body.entry ?? []) as { resource: { id: string } }[]).map(({ resource }) => resource.id)
    expect(body.total, query).toBe(ids.length)
    names.push(...ids.map((id) => (id === patient ? 'Patient' : id.slice(patient.length + 1))))
  }
  return names.toSorted()
}

const tokenFor = (purpose: string): string => (purpose === 'TREAT' ? 'clinic' : `clinic ${purpose}`)

describe.skipIf(!hasSharedData)('the example Consents of IHE PCF', () => {
  it('are all told here what they come to', () => {
    expect(EXAMPLES.map((name) => name.replace(/^Consent-|\.json$/g, '')).toSorted()).toEqual(
      Object.keys(EXPECTED).toSorted(),
    )
  })

  it.each(Object.entries(EXPECTED))('%s', async (name, expected) => {
    const { patient, named } = await record()
    const example = JSON.parse(named(JSON.stringify(readShared(...FOLDER, `Consent-${name}.json`)))) as Resource
    const active = await gateway.ask('POST', '/Consent', { ...example, id: undefined })
    // The ledger alone says what is in force.
    expect(active.status, active.text).toBe(422)
    const consent = await gateway.create({ ...example, status: 'proposed' })
    const signed = await gateway.operation(consent, 'sign', [await gateway.form(patient)], { as: 'wallet' })
    if ('refused' in expected) {
      expect(signed.status, signed.text).toBe(422)
      const places = signed.body.issue.flatMap((issue: { expression?: string[] }) => issue.expression ?? [])
      expect(places).toEqual(expect.arrayContaining([...expected.refused]))
      expect(await found(patient, 'clinic')).toEqual([])
      return
    }
    expect([signed.status, signed.body.status], signed.text).toEqual([200, 'active'])
    // There and back: what the ledger holds is told as it was said.
    const { period: _, ...provision } = signed.body.provision as Record<string, unknown>
    expect(provision).toEqual(example['provision'])
    expect(signed.body.meta.profile).toEqual(example.meta?.profile)
    for (const purpose of [...TPO, 'HRESCH']) {
      const wanted = expected.purposes.includes(purpose) ? [...expected.found] : []
      expect([purpose, await found(patient, tokenFor(purpose))]).toEqual([purpose, wanted.toSorted()])
    }
    const form = await gateway.form(patient)
    expect((await gateway.operation(consent, 'revoke', [form], { as: 'wallet' })).status).toBe(200)
    expect(await found(patient, tokenFor(expected.purposes[0] as string))).toEqual([])
  })

  it('give to every active entity what names no recipient, and to nobody who is none', async () => {
    const { patient, named } = await record()
    const example = JSON.parse(
      named(JSON.stringify(readShared(...FOLDER, 'Consent-ex-consent-advanced-normal.json'))),
    ) as Resource
    const consent = await gateway.create({ ...example, status: 'proposed' })
    expect((await gateway.operation(consent, 'sign', [await gateway.form(patient)], { as: 'wallet' })).status).toBe(200)
    expect(await gateway.mayRead(patient, ANY_ENTITY)).toBe(true)
    const other: Hex = `0x${randomBytes(32).toString('hex')}`
    await gateway.register('other', { entity: other })
    expect((await gateway.ask('GET', `/Patient/${patient}`, undefined, { as: 'other' })).status).toBe(403)
    await gateway.registerClinic(other)
    // The mirror hears of it some moments later.
    await eventually(
      async () => (await gateway.ask('GET', `/Patient/${patient}`, undefined, { as: 'other' })).status,
    ).toBe(200)
    expect(await found(patient, 'other')).toEqual(NORMAL.toSorted())
  })

  it('are all taken back by one operation', async () => {
    const { patient, named } = await record()
    const example = JSON.parse(
      named(JSON.stringify(readShared(...FOLDER, 'Consent-ex-consent-basic-ink.json'))),
    ) as Resource
    const consent = await gateway.create({ ...example, status: 'proposed' })
    expect((await gateway.operation(consent, 'sign', [await gateway.form(patient)], { as: 'wallet' })).status).toBe(200)
    expect(await found(patient, 'clinic')).toEqual(EVERYTHING.toSorted())
    const parameters = { resourceType: 'Parameters', parameter: [await gateway.form(patient)] }
    const foreign = await gateway.ask('POST', `/Patient/${patient}/$revoke-all`, parameters, { as: 'clinic' })
    expect(foreign.status).toBe(403)
    expect(await found(patient, 'clinic')).toEqual(EVERYTHING.toSorted())
    const revoked = await gateway.ask('POST', `/Patient/${patient}/$revoke-all`, parameters, { as: 'wallet' })
    expect([revoked.status, revoked.body.resourceType], revoked.text).toEqual([200, 'OperationOutcome'])
    expect(await found(patient, 'clinic')).toEqual([])
    // The care grant has ended too: the keeper of the record does not read it either.
    expect((await gateway.ask('GET', `/Patient/${patient}`)).status).toBe(403)
  })
})
