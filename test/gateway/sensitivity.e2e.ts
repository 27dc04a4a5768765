import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { IMPLIED_LABEL, LABEL_BASIS } from '../../src/fhir/sensitivity.js'
import type { Hex } from '../../src/ledger/hex.js'
import { ConsentGateway } from './consent-gateway.js'

/*
 * A clinic may read what is labelled general. The hospital writes records whose codes are sensitive, without saying so: the clinic must not
 * see them. The site has a value set of its own, of another code system.
 */
let gateway: ConsentGateway
let packages: string
let patient: string
const clinic: Hex = `0x${randomBytes(32).toString('hex')}`
const ICD = 'http://hl7.org/fhir/sid/icd-10-cm'
const SCT = 'http://snomed.info/sct'
const ASTHMA = { system: ICD, code: 'J45.909' }
const HIV = { system: ICD, code: 'B20' }
const SITE_SET = {
  resourceType: 'ValueSet',
  url: 'urn:site:hiv',
  status: 'active',
  extension: [{ url: IMPLIED_LABEL, valueCode: 'HIV' }],
  compose: { include: [{ system: SCT, concept: [{ code: '86406008' }] }] },
}

const condition = (coding: object, more: object = {}) => ({
  resourceType: 'Condition',
  subject: { reference: `Patient/${patient}` },
  clinicalStatus: {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }],
  },
  code: { coding: [coding] },
  ...more,
})
const found = async (as: string, type = 'Condition'): Promise<number> =>
  (await gateway.ask('GET', `/${type}?_summary=count`, undefined, { as })).body.total as number
const statusFor = async (as: string, path: string): Promise<number> =>
  (await gateway.ask('GET', path, undefined, { as })).status

beforeAll(async () => {
  packages = await mkdtemp(join(tmpdir(), 'consentry-sets-'))
  await mkdir(join(packages, 'site'))
  await writeFile(join(packages, 'site', 'package.json'), '{"name":"site","version":"1.0.0"}')
  await writeFile(join(packages, 'site', 'ValueSet-hiv.json'), JSON.stringify(SITE_SET))
  gateway = await ConsentGateway.open({ FHIR_PACKAGES: packages, EMBEDDED_PROXIES: '1' })
  await gateway.registerClinic(clinic)
  await gateway.register('clinic', { entity: clinic }, ['TREAT'])
  patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Coded' }] })
  const form = await gateway.form(patient)
  const consent = await gateway.propose(patient, clinic)
  while ((await gateway.operation(consent, 'to-sign')).status !== 200) await sleep(20)
  const signed = await gateway.operation(consent, 'sign', [form], { as: 'wallet' })
  expect([signed.status, signed.body.status], signed.text).toEqual([200, 'active'])
  while ((await found('clinic', 'Patient')) !== 1) await sleep(20)
}, 300_000)
afterAll(async () => {
  await gateway?.close()
  await rm(packages, { recursive: true, force: true })
})

describe('a record of a sensitive code, whose author does not say so', () => {
  it('is hidden from who has the general label alone, with ours and the site’s codes', async () => {
    const plain = await gateway.create(condition(ASTHMA))
    expect([await found('clinic'), await found('ehr')]).toEqual([1, 1])
    for (const coding of [HIV, { system: SCT, code: '86406008' }]) {
      const id = await gateway.create(condition(coding))
      expect(await statusFor('clinic', `/Condition/${id}`)).toBe(403)
      const { body } = await gateway.ask('GET', `/Condition/${id}`)
      expect(body.meta.security).toMatchObject([{ code: 'HIV', extension: [{ url: LABEL_BASIS }] }])
    }
    expect([await found('clinic'), await found('ehr')]).toEqual([1, 3])
    expect(await statusFor('clinic', `/Condition/${plain}`)).toBe(200)
    const byLabel = await gateway.ask('GET', '/Condition?_security=HIV&_summary=count')
    expect(byLabel.body.total).toBe(2)
  })

  it('is hidden from its next version on, and told again when the code is gone', async () => {
    const id = await gateway.create(condition(ASTHMA))
    expect(await statusFor('clinic', `/Condition/${id}`)).toBe(200)
    const coded = await gateway.ask('PUT', `/Condition/${id}`, condition(HIV, { id }))
    expect([coded.status, coded.body.meta.security?.[0].code], coded.text).toEqual([200, 'HIV'])
    expect(await statusFor('clinic', `/Condition/${id}`)).toBe(403)
    // As whoever reads, corrects and writes back.
    const { body } = await gateway.ask('GET', `/Condition/${id}`)
    const corrected = await gateway.ask('PUT', `/Condition/${id}`, { ...body, code: { coding: [ASTHMA] } })
    expect([corrected.status, corrected.body.meta.security]).toEqual([200, undefined])
    expect(await statusFor('clinic', `/Condition/${id}`)).toBe(200)
  })

  it('is as hidden in a transaction, in a patch, and in a Bundle that holds it', async () => {
    const before = await found('clinic')
    const entry = [{ resource: condition(HIV), request: { method: 'POST', url: 'Condition' } }]
    expect((await gateway.ask('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })).status).toBe(200)
    const id = await gateway.create(condition(ASTHMA))
    const headers = { 'content-type': 'application/json-patch+json' }
    const patch = [{ op: 'replace', path: '/code/coding/0/code', value: 'F11.20' }]
    expect((await gateway.ask('PATCH', `/Condition/${id}`, patch, { headers })).body.meta.security[0].code).toBe(
      'OPIOIDUD',
    )
    expect(await found('clinic')).toBe(before)
    const collection = { resourceType: 'Bundle', type: 'collection', entry: [{ resource: condition(HIV) }] }
    const made = await gateway.ask('POST', '/Bundle', collection)
    expect([made.status, made.body.meta?.security?.[0].code], made.text).toEqual([201, 'HIV'])
    expect(await statusFor('clinic', `/Bundle/${made.body.id as string}`)).toBe(403)
  })
})
