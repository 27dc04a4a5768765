import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ConsentReceipt } from '../../src/consent/receipt.js'
import { verifyReceipt } from '../../src/consent/receipt-verdict.js'
import { requireSaysNoMore } from '../../src/gateway/consent/receipt-consent.js'
import type { Hex } from '../../src/ledger/hex.js'
import { ConsentGateway } from './consent-gateway.js'

/*
 * What a word of the ledger cannot hold, over HTTP: a patient grants a clinic what a policy document narrows, and the clinic finds, counts
 * and reads just that.
 */
let gateway: ConsentGateway
const clinic: Hex = `0x${randomBytes(32).toString('hex')}`
const CLINIC = { as: 'clinic' }

beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  await gateway.registerClinic(clinic)
  await gateway.register('clinic', { entity: clinic }, ['TREAT', 'HRESCH'])
})
afterAll(() => gateway?.close())

const of = (reference: string) => ({ reference })
const code = { coding: [{ system: 'http://loinc.org', code: '718-7' }] }

/** A patient's record; names are local to the test, ids begin with the patient's. */
async function record(): Promise<{ patient: string; id: (name: string) => string }> {
  const patient = randomUUID()
  const id = (name: string): string => `${patient}-${name}`
  const put = async (type: string, name: string, content: object): Promise<void> => {
    const answer = await gateway.ask('PUT', `/${type}/${name}`, { resourceType: type, id: name, ...content })
    expect(answer.status, answer.text).toBe(201)
  }
  await put('Patient', patient, { name: [{ family: 'Willing' }] })
  const subject = of(`Patient/${patient}`)
  const encounter = (start: string) => ({
    status: 'finished',
    class: { code: 'AMB' },
    subject,
    period: { start, end: start },
  })
  const observed = (day: string | undefined, by: string, at: string) => ({
    status: 'final',
    code,
    subject,
    performer: [of(`Practitioner/${by}`)],
    encounter: of(`Encounter/${id(at)}`),
    ...(day === undefined ? {} : { effectiveDateTime: day }),
  })
  await put('Encounter', id('e22'), encounter('2022-03-01'))
  await put('Encounter', id('e21'), encounter('2021-03-01'))
  await put('Observation', id('a22'), observed('2022-05-01', 'a', 'e22'))
  await put('Observation', id('b21'), observed('2021-05-01', 'b', 'e21'))
  await put('Observation', id('b22'), observed('2022-12-31', 'b', 'e22'))
  await put('Observation', id('undated'), observed(undefined, 'a', 'e21'))
  return { patient, id }
}
const ALL = ['Patient', 'e22', 'e21', 'a22', 'b21', 'b22', 'undated']

async function sign(patient: string, provision: object): Promise<string> {
  const consent = await gateway.propose(patient, clinic, {}, provision)
  const signed = await gateway.operation(consent, 'sign', [await gateway.form(patient)], { as: 'wallet' })
  expect([signed.status, signed.body.status], signed.text).toEqual([200, 'active'])
  return consent
}

/** What the clinic finds and counts, and then what it reads by name: one and the same. */
async function seen({ patient, id }: Awaited<ReturnType<typeof record>>, as = 'clinic'): Promise<string[]> {
  const found: string[] = []
  for (const query of [`/Patient?_id=${patient}`, `/Encounter?subject=${patient}`, `/Observation?subject=${patient}`]) {
    const { status, body, text } = await gateway.ask('GET', `${query}&_total=accurate`, undefined, { as })
    expect(status, text).toBe(200)
    const names = ((body.entry ?? []) as { resource: { id: string } }[]).map(({ resource }) => resource.id)
    expect(body.total, query).toBe(names.length)
    found.push(...names.map((name) => (name === patient ? 'Patient' : name.slice(patient.length + 1))))
  }
  for (const name of ALL) {
    const type = name === 'Patient' ? 'Patient' : name.startsWith('e') ? 'Encounter' : 'Observation'
    const { status } = await gateway.ask('GET', `/${type}/${name === 'Patient' ? patient : id(name)}`, undefined, {
      as,
    })
    expect([name, status]).toEqual([name, found.includes(name) ? 200 : 403])
  }
  return found.toSorted()
}

type Named = (name: string) => string
const data = (meaning: string, reference: string) => [{ meaning, reference: of(reference) }]
const deny = (what: object) => ({ provision: [{ type: 'deny', ...what }] })
const PURPOSE = 'http://terminology.hl7.org/CodeSystem/v3-ActReason'

describe('a grant with a policy document', () => {
  it.each<[string, (id: Named) => object, string[]]>([
    ['a period of data', () => ({ dataPeriod: { start: '2022-01-01', end: '2022-12-31' } }), ['e22', 'a22', 'b22']],
    ['a period of data without end', () => ({ dataPeriod: { start: '2022-05' } }), ['a22', 'b22']],
    [
      'a period of data that ends within a day',
      () => ({ dataPeriod: { end: '2022-12-31T12:00:00Z' } }),
      ['e22', 'e21', 'a22', 'b21'],
    ],
    ['an author', () => ({ data: data('authoredby', 'Practitioner/a') }), ['a22', 'undated']],
    ['a single record', (id) => ({ data: data('instance', `Observation/${id('b21')}`) }), ['b21']],
    [
      'what is related to an encounter',
      (id) => ({ data: data('related', `Encounter/${id('e21')}`) }),
      ['e21', 'b21', 'undated'],
    ],
    [
      'an author in a period',
      () => ({ data: data('authoredby', 'Practitioner/a'), dataPeriod: { end: '2022' } }),
      ['a22'],
    ],
    [
      'an encounter refused',
      (id) => deny({ data: data('related', `Encounter/${id('e22')}`) }),
      ['Patient', 'e21', 'b21', 'undated'],
    ],
    [
      'a record refused',
      (id) => deny({ data: data('instance', `Observation/${id('a22')}`) }),
      ALL.filter((name) => name !== 'a22'),
    ],
    // Of what has no date nobody knows that it is not of then.
    ['a period of data refused', () => deny({ dataPeriod: { start: '2022-04-01' } }), ['e22', 'e21', 'b21']],
    [
      'an author refused of a single record',
      (id) => ({
        data: data('dependents', `Encounter/${id('e22')}`),
        ...deny({ data: data('authoredby', 'Practitioner/b') }),
      }),
      ['e22', 'a22'],
    ],
    [
      'a refusal of another party',
      () =>
        deny({
          actor: [
            {
              role: { text: 'x' },
              reference: {
                identifier: { system: 'https://consentry.health/fhir/sid/party', value: `0x${'77'.repeat(32)}` },
              },
            },
          ],
        }),
      ALL,
    ],
  ])('that has %s gives just that', async (_, narrowing, expected) => {
    const about = await record()
    const provision = narrowing(about.id)
    const consent = await sign(about.patient, provision)
    expect(await seen(about)).toEqual(expected.toSorted())
    const told = await gateway.ask('GET', `/Consent/${consent}`)
    expect(told.body.provision).toMatchObject(provision)
    expect(
      (await gateway.operation(consent, 'revoke', [await gateway.form(about.patient)], { as: 'wallet' })).status,
    ).toBe(200)
    expect(await seen(about)).toEqual([])
  })

  it('refuses one purpose of those that it is for', async () => {
    const about = await record()
    const purpose = ['TREAT', 'HRESCH'].map((one) => ({ system: PURPOSE, code: one }))
    await sign(about.patient, {
      purpose,
      ...deny({ purpose: [purpose[1]], data: data('authoredby', 'Practitioner/a') }),
    })
    expect(await seen(about)).toEqual(ALL.toSorted())
    expect(await seen(about, 'clinic HRESCH')).toEqual(['Patient', 'e21', 'e22', 'b21', 'b22'].toSorted())
  })

  it('shows no version whose author, encounter or date was another one than now', async () => {
    const about = await record()
    await sign(about.patient, { data: data('authoredby', 'Practitioner/a') })
    const path = `/Observation/${about.id('a22')}`
    const { body } = await gateway.ask('GET', path)
    expect((await gateway.ask('PUT', path, { ...body, performer: [of('Practitioner/b')] })).status).toBe(200)
    expect((await gateway.ask('GET', `${path}/_history/1`, undefined, CLINIC)).status).toBe(403)
    expect(await seen(about)).toEqual(['undated'])
    expect((await gateway.ask('PUT', path, { ...body, valueString: 'x' })).status).toBe(200)
    expect((await gateway.ask('GET', `${path}/_history/1`, undefined, CLINIC)).status).toBe(200)
    expect((await gateway.ask('GET', `${path}/_history/2`, undefined, CLINIC)).status).toBe(403)
    const history = await gateway.ask('GET', `${path}/_history`, undefined, CLINIC)
    expect([
      history.body.total,
      history.body.entry.map((e: { resource: { meta: object } }) => e.resource.meta),
    ]).toMatchObject([2, [{ versionId: '3' }, { versionId: '1' }]])
  })

  it('includes nothing that it does not give', async () => {
    const about = await record()
    await sign(about.patient, { data: data('authoredby', 'Practitioner/a') })
    const { body } = await gateway.ask(
      'GET',
      `/Observation?subject=${about.patient}&_include=Observation:encounter&_include=Observation:subject`,
      undefined,
      CLINIC,
    )
    expect(body.entry.map((e: { search: { mode: string } }) => e.search.mode)).toEqual(['match', 'match'])
    const chained = await gateway.ask(
      'GET',
      `/Observation?encounter.date=2022&subject=${about.patient}&_total=accurate`,
      undefined,
      CLINIC,
    )
    expect(chained.body.total).toBe(0)
  })

  it('is proved with its document by a receipt, which says no more', async () => {
    const { patient } = await record()
    const consent = await sign(patient, { dataPeriod: { start: '2022-01-01', end: '2022-12-31' } })
    const { body, status, text } = await gateway.ask('GET', `/Consent/${consent}/$receipt`)
    expect(status, text).toBe(200)
    const { valueAttachment } = body.parameter.find(({ name }: { name: string }) => name === 'receipt')
    const receipt = JSON.parse(Buffer.from(valueAttachment.data, 'base64').toString()) as ConsentReceipt
    const verdict = verifyReceipt(receipt)
    expect(verdict.words.map(({ state }) => state)).toEqual(['in force'])
    expect(() => requireSaysNoMore(receipt, verdict)).not.toThrow()
    const { dataPeriod: _, ...wide } = receipt.consent['provision'] as Record<string, unknown>
    expect(() => requireSaysNoMore({ ...receipt, consent: { ...receipt.consent, provision: wide } }, verdict)).toThrow(
      'Consent.provision.data',
    )
    const { policy = '', ...ledger } = receipt.ledger
    expect(() =>
      verifyReceipt({ ...receipt, ledger: { ...ledger, policy: policy.replace('consentry', 'another') } }),
    ).toThrow('policy document')
    expect(() => verifyReceipt({ ...receipt, ledger })).toThrow('policy document')
  })

  it.each<[string, object, string]>([
    [
      'a class of data',
      { class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }] },
      'Consent.provision.class',
    ],
    ['data by a search', { data: data('instance', 'Observation?code=1') }, 'Consent.provision.data[0].reference'],
    [
      'data of another server',
      { data: data('instance', 'http://other.example/Observation/1') },
      'Consent.provision.data[0].reference',
    ],
    [
      'a permission inside',
      { provision: [{ type: 'permit', dataPeriod: { start: '2022' } }] },
      'Consent.provision.provision[0].type',
    ],
    [
      'a refusal for some time',
      { provision: [{ type: 'deny', dataPeriod: { start: '2022' }, period: { start: '2022-01-01T00:00:00Z' } }] },
      'Consent.provision.provision[0].period',
    ],
    [
      'a refusal within a refusal',
      { provision: [{ type: 'deny', dataPeriod: { start: '2022' }, provision: [{ type: 'deny' }] }] },
      'Consent.provision.provision[0].provision',
    ],
    ['a refusal of everything', { provision: [{ type: 'deny' }] }, 'Consent.provision.provision[0]'],
    [
      'a narrowed grant to write alone',
      {
        dataPeriod: { start: '2022' },
        action: [{ coding: [{ system: 'https://consentry.health/fhir/CodeSystem/consent-action', code: 'create' }] }],
      },
      'Consent.provision.action',
    ],
  ])('is refused by name for %s', async (_, provision, expression) => {
    const patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Willing' }] })
    // Without the claim of the profile, which would be refused already.
    const consent = await gateway.propose(patient, clinic, { meta: undefined }, provision)
    const refused = await gateway.operation(consent, 'sign', [await gateway.form(patient)], { as: 'wallet' })
    expect(refused.status, refused.text).toBe(422)
    expect(refused.body.issue.flatMap((issue: { expression?: string[] }) => issue.expression ?? [])).toContain(
      expression,
    )
  })
})
