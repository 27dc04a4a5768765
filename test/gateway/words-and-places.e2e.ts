import { rm } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { end, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { preparedGateway } from '../support/prepared-data.js'

/** One gateway that is started without an index of words, and then with one: what sites may choose, places, orders, and $meta of many. */
let data: string
let gateway: RunningProcess
let tokens: Record<string, string>

async function start(extra: Record<string, string> = {}): Promise<void> {
  gateway = await startGateway(data, { EMBEDDED_PROXIES: '0', ...extra })
  const conditions = 'system/Condition.rs'
  tokens = { ehr: await tokenOf(data, 'ehr'), narrow: await tokenOf(data, 'ehr', '--scope', conditions) }
}

async function ask(path: string, body?: object, as = 'ehr') {
  const response = await fetch(`${gateway.fhir}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${tokens[as]}`,
      ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  // The tests look into resources of every type.

  return { status: response.status, text, body: JSON.parse(text) }
}

async function ids(path: string): Promise<string[]> {
  const answer = await ask(path)
  expect(answer.status, `${path}: ${answer.text}`).toBe(200)
  const found = ((answer.body.entry ?? []) as { resource: { id: string } }[]).map(({ resource }) => resource.id)
  expect(answer.body.total, path).toBe(found.length)
  return found
}

const div = (text: string) => ({ status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${text}</div>` })
const of = (reference: string) => ({ reference })
const coded = (system: string, code: string) => ({ coding: [{ system, code, display: 'Shown' }] })
const tag = (code: string) => [{ system: 'urn:example:ward', code }]
const RESOURCES: Record<string, object> = {
  'Patient/words': { name: [{ family: 'Wordsworth', given: ['Catherine'] }], meta: { tag: tag('poet') } },
  'Condition/bone': {
    subject: of('Patient/words'),
    code: coded('http://hl7.org/fhir/sid/icd-10', 'C79.5'),
    text: div('Metastases of the <b>bone</b>'),
    meta: { tag: tag('oncology'), profile: ['http://example.org/fhir/StructureDefinition/told-tumour|1.0'] },
  },
  'Condition/liver': {
    subject: of('Patient/words'),
    code: coded('http://hl7.org/fhir/sid/icd-10', 'C22.0'),
    text: div('Carcinoma of the liver'),
    note: [{ text: 'Metastases are looked for' }],
    meta: { tag: tag('oncology') },
  },
  'Condition/cold': { subject: of('Patient/words'), code: coded('http://hl7.org/fhir/sid/icd-10', 'J00') },
  'Observation/ekg': {
    status: 'final',
    subject: of('Patient/words'),
    code: coded('urn:example', 'ekg'),
    valueSampledData: {
      origin: { value: 2048, system: 'http://unitsofmeasure.org', code: 'mV', unit: 'mV' },
      period: 10,
      dimensions: 1,
      data: '-20 5 E 113',
    },
  },
  ...Object.fromEntries(
    ['', '|1.0', '|1.1', '|2.0', '|10'].map((version, i) => [
      `QuestionnaireResponse/r${i}`,
      {
        status: 'completed',
        questionnaire: `http://example.org/Questionnaire/q${version}`,
        subject: of('Patient/words'),
      },
    ]),
  ),
  'Location/vienna': { name: 'Vienna', position: { latitude: 48.2082, longitude: 16.3738 } },
  'Location/bratislava': { name: 'Bratislava', position: { latitude: 48.1486, longitude: 17.1077 } },
  'Location/suva': { name: 'Suva', position: { latitude: -18.1416, longitude: 178.4419 } },
  'Location/nowhere': { name: 'Nowhere' },
  'PractitionerRole/doctor': { location: [of('Location/vienna')] },
}

beforeAll(async () => {
  data = await preparedGateway('consentry-words-')
  await start()
  const entry = Object.entries(RESOURCES).map(([url, elements]) => {
    const [resourceType, id] = url.split('/')
    return { request: { method: 'PUT', url }, resource: { resourceType, id, ...elements } }
  })
  const { status, text } = await ask('', { resourceType: 'Bundle', type: 'transaction', entry })
  expect(status, text).toBe(200)
}, 240_000)
afterAll(async () => {
  await end(gateway.child, 'SIGTERM')
  await rm(data, { recursive: true, force: true })
})

describe('places', () => {
  it('are found by near, exactly, alone and in a chain, and over the date line', async () => {
    expect(await ids('/Location?near=48.2082|16.3738|60|km&_sort=name')).toEqual(['bratislava', 'vienna'])
    // 54.8 km
    expect(await ids('/Location?near=48.2082|16.3738|54|km')).toEqual(['vienna'])
    expect(await ids('/Location?near=48.2082|16.3738|54000|m')).toEqual(['vienna'])
    expect(await ids('/Location?near=-18.1416|-179.5|250')).toEqual(['suva'])
    expect(await ids('/Location?near=48.2|16.4|5,48.1|17.1|10&_sort=-name')).toEqual(['vienna', 'bratislava'])
    expect(await ids('/Location?near=0|0|1')).toEqual([])
    expect(await ids('/Location?near:missing=true')).toEqual(['nowhere'])
    expect(await ids('/PractitionerRole?location.near=48.2|16.4|5')).toEqual(['doctor'])
    const page = await ask('/Location?near=48.2|16.7|100&_count=1&_sort=name&_total=accurate')
    expect(page.body.total).toBe(2)
    const next = (page.body.link as { relation: string; url: string }[]).find(({ relation }) => relation === 'next')
    const second = await ask(next?.url.slice(gateway.fhir.length) ?? '')
    expect(second.body.entry[0].resource.id).toBe('vienna')
    const refused = await ask('/Location?near=north')
    expect([refused.status, refused.body.issue[0].expression]).toEqual([400, ['near']])
  })
})

describe('an order', () => {
  it('is by code, by reference and by profile, what has none last', async () => {
    expect(await ids('/Condition?_sort=code')).toEqual(['liver', 'bone', 'cold'])
    expect(await ids('/Condition?_sort=-code')).toEqual(['cold', 'bone', 'liver'])
    expect(await ids('/Condition?_sort=_tag,-code')).toEqual(['bone', 'liver', 'cold'])
    expect(await ids('/Condition?_sort=_profile,code')).toEqual(['bone', 'liver', 'cold'])
    expect(await ids('/Condition?_sort=subject,code&_count=10')).toEqual(['liver', 'bone', 'cold'])
    const first = await ask('/Condition?_sort=code&_count=1')
    const next = (first.body.link as { relation: string; url: string }[]).find(({ relation }) => relation === 'next')
    expect((await ask(next?.url.slice(gateway.fhir.length) ?? '')).body.entry[0].resource.id).toBe('bone')
  })
})

describe('canonicals', () => {
  it('are found below a version, whole or not', async () => {
    const q = 'http://example.org/Questionnaire/q'
    const found = async (query: string) => (await ids(`/QuestionnaireResponse?${query}&_sort=_id`)).join()
    expect(await found(`questionnaire:below=${q}`)).toBe('r0,r1,r2,r3,r4')
    expect(await found(`questionnaire:below=${q}|1`)).toBe('r1,r2')
    expect(await found(`questionnaire:below=${q}|1.1`)).toBe('r2')
    expect(await found(`questionnaire:below=${q}|1,${q}|2`)).toBe('r1,r2,r3')
    expect(await found(`questionnaire=${q}|1`)).toBe('')
    for (const query of ['/QuestionnaireResponse?questionnaire:above=x', '/Condition?patient:below=words']) {
      const { status, body } = await ask(query)
      expect([status, body.issue[0].code, body.issue[0].expression?.[0]]).toEqual([
        400,
        'not-supported',
        query.split(/[?=]/)[1],
      ])
    }
  })
})

describe('sampled data', () => {
  it('is found by the bounds of its values, in any unit of its kind', async () => {
    const mV = 'http://unitsofmeasure.org|mV'
    for (const [value, there] of [
      [`gt2160|${mV}`, true],
      [`gt2161|${mV}`, false],
      [`lt2029|${mV}`, true],
      [`lt2028|${mV}`, false],
      ['gt2|http://unitsofmeasure.org|V', true],
      ['gt2||V', false],
      ['sa2000', true],
    ] as const) {
      expect(await ids(`/Observation?value-quantity=${value}`), value).toEqual(there ? ['ekg'] : [])
    }
    expect(await ids(`/Observation?combo-value-quantity=ap2100|${mV}`)).toEqual(['ekg'])
  })
})

describe('names', () => {
  it('are found by how their words sound, in chains and compartments too', async () => {
    expect(await ids('/Patient?phonetic=kathryn')).toEqual(['words'])
    expect(await ids('/Patient?phonetic=kathryn wurdswurth')).toEqual(['words'])
    expect(await ids('/Patient?phonetic=kathryn smith')).toEqual([])
    expect(await ids('/Patient?phonetic=smith,katrin')).toEqual(['words'])
    expect(await ids('/Condition?patient.phonetic=katrina&code=J00')).toEqual(['cold'])
    expect(await ids('/Patient?phonetic:missing=true')).toEqual([])
    const { status, body } = await ask('/Patient?phonetic:contains=kat')
    expect([status, body.issue[0].expression]).toEqual([400, ['phonetic:contains']])
  })
})

describe('$meta of many', () => {
  const value = (answer: { body: { parameter: { valueMeta: unknown }[] } }) => answer.body.parameter[0]?.valueMeta

  it('tells the profiles, tags and labels of a type or of all, of what the token reaches', async () => {
    const oncology = { system: 'urn:example:ward', code: 'oncology' }
    const profile = ['http://example.org/fhir/StructureDefinition/told-tumour|1.0']
    expect(value(await ask('/Condition/$meta'))).toEqual({ profile, tag: [oncology] })
    expect(value(await ask('/$meta'))).toMatchObject({ profile, tag: [oncology, { code: 'poet' }] })
    expect(value(await ask('/$meta', undefined, 'narrow'))).toEqual({ profile, tag: [oncology] })
    expect(value(await ask('/Observation/$meta'))).toEqual({})
    expect((await ask('/Patient/$meta', undefined, 'narrow')).status).toBe(403)
    expect((await ask('/AuditEvent/$meta')).status).not.toBe(200)
  })
})

describe('words', () => {
  it(
    'are refused where the site does not want an index of them, and found when it has come to',
    { timeout: 240_000 },
    async () => {
      for (const [name, setting] of [
        ['_text', 'narrative'],
        ['_content', 'content'],
      ] as const) {
        const { status, body } = await ask(`/Condition?${name}=bone`)
        expect([status, body.issue[0].code, body.issue[0].expression]).toEqual([400, 'not-supported', [name]])
        expect(body.issue[0].diagnostics).toContain(`FULL_TEXT_INDEX=${setting}`)
      }
      await end(gateway.child, 'SIGTERM')
      await start({ FULL_TEXT_INDEX: 'content' })
      // records from before are indexed in the background
      while ((await ask('/Condition?_text=bone')).status !== 200) await setTimeout(50)
      expect(await ids('/Condition?_text=BONE')).toEqual(['bone'])
      expect(await ids('/Condition?_text=(bone or liver) and metastases')).toEqual(['bone'])
      expect(await ids('/Condition?_text=not bone&_sort=code')).toEqual(['liver', 'cold'])
      expect(await ids('/Condition?_content=metastases&_sort=code')).toEqual(['liver', 'bone'])
      expect(await ids('/Patient?_has:Condition:patient:_text=liver')).toEqual(['words'])
      const { body } = await ask('/metadata')
      const of = (body.rest[0].resource as { type: string; searchParam: { name: string }[] }[]).find(
        ({ type }) => type === 'Condition',
      )
      expect(of?.searchParam.map(({ name }) => name)).toEqual(expect.arrayContaining(['_text', '_content']))
    },
  )
})
