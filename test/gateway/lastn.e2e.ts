import { beforeAll, describe, expect, it } from 'vitest'
import { type RunningProcess, tokenOf } from '../support/gateway.js'
import { sharedGateway } from '../support/shared-gateway.js'
import { transactionOf } from '../support/transaction.js'

/** `Observation/$lastn` over HTTP, on one real gateway. */
let data: string
let gateway: RunningProcess
const tokens: Record<string, string> = {}
const LOINC = 'http://loinc.org'
const CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category'

async function ask(method: string, path: string, body?: unknown, as = 'ehr') {
  const response = await fetch(path.startsWith('http') ? path : `${gateway.fhir}${path}`, {
    method,
    headers: { authorization: `Bearer ${tokens[as]}`, 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, text, body: JSON.parse(text) }
}

type Entry = { resource: { resourceType: string; id: string }; search: { mode: string } }

/** Ids in their order. */
async function lastn(query: string, as?: string): Promise<string[]> {
  const answer = await ask('GET', `/Observation/$lastn?${query}`, undefined, as)
  expect(answer.status, answer.text).toBe(200)
  return ids(answer.body)
}
const ids = (bundle: { entry?: Entry[] }): string[] =>
  (bundle.entry ?? []).filter(({ search }) => search.mode === 'match').map(({ resource }) => resource.id)

const of = (reference: string) => ({ reference })
const loinc = (...codes: string[]) => ({ coding: codes.map((code) => ({ system: LOINC, code })) })
const VITAL = { category: [{ coding: [{ system: CATEGORY, code: 'vital-signs' }] }] }
function observation(id: string, code: object, effective: object, more: object = VITAL) {
  return {
    resourceType: 'Observation',
    id,
    status: 'final',
    code,
    subject: of('Patient/last-p'),
    ...effective,
    ...more,
  }
}
const on = (day: string) => ({ effectiveDateTime: `2024-01-${day}` })

beforeAll(async () => {
  ;({ data, running: gateway } = await sharedGateway())
  const token = (client: string, ...options: string[]) => tokenOf(data, client, ...options)
  tokens['ehr'] = await token('ehr')
  tokens['auditor'] = await token('auditor')
  tokens['narrow'] = await token('ehr', '--scope', 'system/Observation.rs?code=http://loinc.org|8867-4')
  tokens['reading'] = await token('ehr', '--scope', 'system/Observation.r')
  const resources = [
    { resourceType: 'Patient', id: 'last-p' },
    { resourceType: 'Patient', id: 'last-q' },
    {
      resourceType: 'Encounter',
      id: 'last-e',
      status: 'finished',
      class: { code: 'AMB' },
      subject: of('Patient/last-p'),
    },
    observation('pulse-1', loinc('8867-4'), on('01')),
    observation('pulse-3', loinc('8867-4'), on('03'), { ...VITAL, encounter: of('Encounter/last-e') }),
    observation('pulse-2', loinc('8867-4'), { effectivePeriod: { start: '2024-01-02', end: '2024-01-02' } }),
    observation('temperature-4', loinc('8310-5'), { effectiveInstant: '2024-01-04T10:00:00Z' }),
    observation('oral-5', { ...loinc('8331-1', '8310-5'), text: 'ignored' }, on('05')),
    observation('pain-a', { text: 'pain' }, on('01'), {}),
    observation('pain-b', { text: 'pain' }, on('02'), {}),
    observation('Pain', { text: 'Pain' }, on('01'), {}),
    observation('others', loinc('8867-4'), on('09'), { ...VITAL, subject: of('Patient/last-q') }),
  ]
  const loaded = await ask('POST', '', transactionOf(resources))
  expect(loaded.status, loaded.text).toBe(200)
}, 300_000)

describe('Observation/$lastn', () => {
  it('is the most recent of each code of a patient, translations being one code', async () => {
    expect(await lastn('patient=last-p&category=vital-signs')).toEqual(['oral-5', 'pulse-3'])
    expect(await lastn('subject=Patient/last-p&category=vital-signs&max=2')).toEqual([
      'oral-5',
      'temperature-4',
      'pulse-3',
      'pulse-2',
    ])
    expect(await lastn('patient=last-p,last-q&code=8867-4')).toEqual(['others'])
    expect(await lastn('patient=last-p&code=8867-4&date=lt2024-01-03')).toEqual(['pulse-2'])
  })

  it('groups codes that are text by the text', async () => {
    expect((await lastn('patient=last-p&code:text=pain')).toSorted()).toEqual(['Pain', 'pain-b'])
  })

  it('takes what shapes a search, and pages', async () => {
    const page = await ask('GET', '/Observation/$lastn?patient=last-p&category=vital-signs&_count=1&_elements=code')
    expect(page.body).toMatchObject({ type: 'searchset', total: 2 })
    expect(page.body.entry[0].resource).not.toHaveProperty('effectiveDateTime')
    const link = (body: { link: { relation: string; url: string }[] }, name: string) =>
      body.link.find(({ relation }) => relation === name)?.url
    expect(link(page.body, 'self')).toContain('/Observation/$lastn?patient=last-p&category=vital-signs&_count=1')
    const next = await ask('GET', link(page.body, 'next') as string)
    expect([ids(page.body), ids(next.body), link(next.body, 'next')]).toEqual([['oral-5'], ['pulse-3'], undefined])
    const with_ = await ask(
      'GET',
      '/Observation/$lastn?patient=last-p&code=8867-4&_include=Observation:encounter&max=1',
    )
    expect(with_.body.entry.map(({ resource }: Entry) => resource.id)).toEqual(['pulse-3', 'last-e'])
    expect(
      (await ask('GET', '/Observation/$lastn?patient=last-p&category=vital-signs&_summary=count')).body,
    ).toMatchObject({
      total: 2,
    })
    expect(await lastn('patient=nobody&code=8867-4')).toEqual([])
  })

  it('is asked by POST, and in a batch, alike', async () => {
    const parameter = [
      { name: 'patient', valueString: 'last-p' },
      { name: 'category', valueCode: 'vital-signs' },
      { name: 'max', valuePositiveInt: 2 },
    ]
    const posted = await ask('POST', '/Observation/$lastn', { resourceType: 'Parameters', parameter })
    expect(posted.status, posted.text).toBe(200)
    expect(ids(posted.body)).toHaveLength(4)
    const referring = [{ name: 'patient', valueReference: { reference: 'Patient/last-p' } }, ...parameter.slice(1)]
    const referred = await ask('POST', '/Observation/$lastn', { resourceType: 'Parameters', parameter: referring })
    expect(ids(referred.body), referred.text).toEqual(ids(posted.body))
    const coded = [...parameter, { name: 'code', valueCoding: { code: '8867-4' } }]
    const refused = await ask('POST', '/Observation/$lastn', { resourceType: 'Parameters', parameter: coded })
    expect([refused.status, refused.body.issue[0].expression]).toEqual([400, ['Parameters.parameter[3]']])
    const entry = [{ request: { method: 'GET', url: 'Observation/$lastn?patient=last-p&category=vital-signs' } }]
    const batch = await ask('POST', '', { resourceType: 'Bundle', type: 'batch', entry })
    expect(batch.body.entry[0].response.status, batch.text).toMatch(/^200/)
    expect(ids(batch.body.entry[0].resource)).toEqual(['oral-5', 'pulse-3'])
  })

  it.each([
    ['code=8867-4', 'required', 'patient'],
    ['patient=last-p', 'required', 'category'],
    ['patient=last-p&date=2024', 'required', 'category'],
    ['patient=&code=8867-4', 'required', 'patient'],
    ['patient=last-p&code=8867-4&max=0', 'value', 'max'],
    ['patient=last-p&code=8867-4&max=1&max=2', 'value', 'max'],
    ['patient=last-p&code=8867-4&_sort=date', 'not-supported', '_sort'],
    ['patient=last-p&code=8867-4&colour=red', 'not-supported', 'colour'],
  ])('?%s is refused', async (query, code, expression) => {
    const { status, body } = await ask('GET', `/Observation/$lastn?${query}`)
    expect([status, body.issue[0].code, body.issue[0].expression]).toEqual([400, code, [expression]])
  })

  it('obeys the scopes of the token as a search does', async () => {
    expect(await lastn('patient=last-p&category=vital-signs', 'narrow')).toEqual(['pulse-3'])
    expect((await ask('GET', '/Observation/$lastn?patient=last-p&code=1', undefined, 'reading')).status).toBe(403)
  })

  it('is in the trail of each patient with its query, and is declared', async () => {
    await lastn('patient=last-p&code=8867-4&max=3')
    const trail = await ask('GET', '/AuditEvent?patient=Patient/last-p&subtype=lastn&_count=200', undefined, 'auditor')
    const queries = (trail.body.entry as { resource: { entity: { query?: string }[] } }[]).flatMap(({ resource }) =>
      resource.entity.flatMap(({ query }) => (query === undefined ? [] : [Buffer.from(query, 'base64').toString()])),
    )
    expect(queries).toContain('patient=last-p&code=8867-4&max=3')
    expect((await ask('GET', '/metadata')).text).toContain('OperationDefinition/Observation-lastn')
  })
})
