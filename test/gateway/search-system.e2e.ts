import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { end, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { preparedGateway } from '../support/prepared-data.js'

/** One real gateway: searches of the system and of compartments, as one client would ask them. */
let data: string
let gateway: RunningProcess
const tokens: Record<string, string> = {}

interface Answer {
  readonly status: number
  readonly text: string
  // The tests look into resources of every type.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any
}

async function ask(method: string, path: string, body?: unknown, as = 'ehr'): Promise<Answer> {
  const form = typeof body === 'string'
  const response = await fetch(path.startsWith('http') ? path : `${gateway.fhir}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${tokens[as]}`,
      ...(body === undefined
        ? {}
        : { 'content-type': form ? 'application/x-www-form-urlencoded' : 'application/fhir+json' }),
    },
    ...(body === undefined ? {} : { body: form ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, text, body: text === '' ? undefined : JSON.parse(text) }
}

interface Entry {
  readonly resource: { readonly resourceType: string; readonly id: string }
  readonly search: { readonly mode: string }
}

const named = ({ body }: Answer, mode = 'match'): string[] =>
  ((body.entry ?? []) as Entry[])
    .filter(({ search }) => search.mode === mode)
    .map(({ resource }) => `${resource.resourceType}/${resource.id}`)
    .sort()

async function found(path: string, as?: string): Promise<string[]> {
  const answer = await ask('GET', path, undefined, as)
  expect(answer.status, `${path}: ${answer.text}`).toBe(200)
  expect(answer.body.total, path).toBe(named(answer).length)
  return named(answer)
}

const issue = (answer: Answer) => answer.body.issue[0] as { code: string; diagnostics: string; expression?: string[] }
const tag = { system: 'urn:example:ward', code: 'ward-3' }
const code = { coding: [{ system: 'http://loinc.org', code: '718-7' }] }
const of = (reference: string) => ({ reference })

const LIST_USES = 'http://terminology.hl7.org/CodeSystem/list-example-use-codes'
const list = (subject: string, mode: string, [system, listed]: [string, string], ...items: string[]) => ({
  status: 'current',
  mode,
  code: { coding: [{ system, code: listed }] },
  subject: of(subject),
  entry: items.map((item) => ({ item: of(item) })),
})

const made = (patient: string, coded?: string) => ({
  subject: of(`Patient/${patient}`),
  meta: { tag: [{ system: 'urn:example:set', code: 'dated' }] },
  ...(coded === undefined ? {} : { code: { coding: [{ system: 'urn:example', code: coded }] } }),
})
const active = {
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' }],
}

/** Two patients, each with an encounter and what belongs to it; the first also with what a practitioner, a relative and a device did. */
const RESOURCES: Record<string, object> = {
  'Patient/p1': { name: [{ family: 'Rowan' }], link: [{ type: 'seealso', other: of('Patient/p1') }] },
  'Patient/p2': { name: [{ family: 'Elder' }], meta: { tag: [tag] } },
  'Practitioner/d1': { name: [{ family: 'Hawthorn' }] },
  'Device/m1': { deviceName: [{ name: 'Monitor', type: 'user-friendly-name' }] },
  'RelatedPerson/r1': { patient: of('Patient/p1') },
  'Encounter/e1': { status: 'finished', class: { code: 'AMB' }, subject: of('Patient/p1') },
  'Encounter/e2': { status: 'finished', class: { code: 'AMB' }, subject: of('Patient/p2') },
  'Observation/o1': {
    status: 'final',
    code,
    subject: of('Patient/p1'),
    encounter: of('Encounter/e1'),
    device: of('Device/m1'),
    performer: [of('Practitioner/d1')],
    meta: { tag: [tag] },
  },
  'Observation/o2': { status: 'final', code, subject: of('Patient/p1'), performer: [of('RelatedPerson/r1')] },
  'Observation/o3': { status: 'final', code, subject: of('Patient/p2'), encounter: of('Encounter/e2') },
  'Condition/c1': { subject: of('Patient/p1'), encounter: of('Encounter/e1'), code },
  'AllergyIntolerance/nuts': { patient: of('Patient/p1'), clinicalStatus: active },
  'AllergyIntolerance/dust': { patient: of('Patient/p1'), clinicalStatus: active },
  'AllergyIntolerance/cats': { patient: of('Patient/p2'), clinicalStatus: active },
  'List/allergies-1': list('Patient/p1', 'working', ['http://loinc.org', '52472-8'], 'AllergyIntolerance/nuts'),
  'List/allergies-then': list('Patient/p1', 'snapshot', ['http://loinc.org', '52472-8'], 'AllergyIntolerance/dust'),
  'List/allergies-2': list('Patient/p2', 'working', [LIST_USES, 'allergies'], 'AllergyIntolerance/cats'),
  'List/problems-1': list('Patient/p1', 'working', [LIST_USES, 'problems'], 'Condition/c1', 'Observation/o1'),
  'List/problems-before': {
    ...list('Patient/p1', 'working', [LIST_USES, 'problems'], 'Observation/o2'),
    status: 'retired',
  },
}

const transactionOf = (resources: Record<string, object>) => ({
  resourceType: 'Bundle',
  type: 'transaction',
  entry: Object.entries(resources).map(([url, elements]) => {
    const [resourceType, id] = url.split('/')
    return { request: { method: 'PUT', url }, resource: { resourceType, id, ...elements } }
  }),
})

beforeAll(async () => {
  data = await preparedGateway('consentry-system-search-')
  gateway = await startGateway(data, { EMBEDDED_PROXIES: '0' })
  const token = (client: string, ...options: string[]) => tokenOf(data, client, ...options)
  tokens['ehr'] = await token('ehr')
  tokens['auditor'] = await token('auditor')
  tokens['observations'] = await token('ehr', '--scope', 'system/Observation.rs system/Patient.r')
  tokens['final'] = await token('ehr', '--scope', 'system/Observation.rs?_id=o1 system/Condition.rs')
  const loaded = await ask('POST', '', transactionOf(RESOURCES))
  expect(loaded.status, loaded.text).toBe(200)
}, 300_000)

afterAll(async () => {
  if (gateway) await end(gateway.child, 'SIGTERM')
  await rm(data, { recursive: true, force: true })
})

describe('a search of the system', () => {
  it('finds what all types have in common, of all types or of those that are named', async () => {
    expect(await found('/?_tag=urn:example:ward|ward-3')).toEqual(['Observation/o1', 'Patient/p2'])
    expect(await found('/?_type=Observation&_tag=ward-3')).toEqual(['Observation/o1'])
    expect(await found('/?_type=Condition,Encounter')).toEqual(['Condition/c1', 'Encounter/e1', 'Encounter/e2'])
    expect(await found('/?_type=Condition&_type=Device')).toEqual(['Condition/c1', 'Device/m1'])
    expect(await found('/?_id=o1,c1')).toEqual(['Condition/c1', 'Observation/o1'])
    expect(await found('/?_id:not=o1&_type=Observation')).toEqual(['Observation/o2', 'Observation/o3'])
    // what comes with the server lies beside what was loaded
    const all = await found('/?_count=200')
    expect(all.filter((name) => Object.hasOwn(RESOURCES, name))).toEqual(Object.keys(RESOURCES).sort())
  })

  it('takes what all named types have', async () => {
    expect(await found('/?_type=Observation,Condition&code=718-7&subject=Patient/p1')).toEqual([
      'Condition/c1',
      'Observation/o1',
      'Observation/o2',
    ])
    expect(await found('/?_type=Observation,Condition&subject:Patient.family=Elder')).toEqual(['Observation/o3'])
    expect(await found('/?_type=Encounter,Condition&_has:Observation:encounter:_tag=ward-3')).toEqual(['Encounter/e1'])
  })

  it('is asked with POST too, sorts by columns, and pages', async () => {
    expect(named(await ask('POST', '/_search', '_type=Condition&_type=Device'))).toEqual(['Condition/c1', 'Device/m1'])
    const ids: string[] = []
    let path: string | undefined = '/?_type=Observation,Condition,Encounter&_sort=_id&_count=2'
    while (path !== undefined) {
      const answer: Answer = await ask('GET', path)
      expect(answer.status, answer.text).toBe(200)
      expect(answer.body.total).toBe(6)
      ids.push(...(answer.body.entry as Entry[]).map(({ resource }) => resource.id))
      path = (answer.body.link as { relation: string; url: string }[]).find(({ relation }) => relation === 'next')?.url
    }
    expect(ids).toEqual(['c1', 'e1', 'e2', 'o1', 'o2', 'o3'])
    const page = await ask('GET', '/?_type=Condition&_include=Condition:encounter&_revinclude=Observation:encounter')
    expect(named(page, 'include')).toEqual(['Encounter/e1'])
  })

  it('refuses what a type does not know, what is no type, and an order that types do not share', async () => {
    const refusals: [string, string, string][] = [
      ['/?_type=Observation,Patient&code=718-7', 'Patient has no search parameter code', 'code'],
      ['/?family=Elder', 'has no search parameter family', 'family'],
      ['/?_type=Observations', 'must name resource types', '_type'],
      ['/?_type=Observation,Patient&_sort=code', 'which is no search parameter of Patient', '_sort'],
      ['/?_sort=_tag', 'more than 10 types is sorted by _lastUpdated or _id', '_sort'],
      ['/?_type=Patient,Observation&_sort=address', 'which is no search parameter of Observation', '_sort'],
      [
        '/?_type=Observation,RiskEvidenceSynthesis&_sort=date,code',
        'no search parameter of RiskEvidenceSynthesis',
        '_sort',
      ],
      ['/?_type=Immunization,Consent&_sort=date,status-reason', 'no search parameter of Consent', '_sort'],
      ['/?_type=Goal,MeasureReport&_sort=category', 'MeasureReport', '_sort'],
    ]
    for (const [path, word, place] of refusals) {
      const answer = await ask('GET', path)
      expect([answer.status, answer.body.resourceType], path).toEqual([400, 'OperationOutcome'])
      expect(issue(answer).diagnostics, path).toContain(word)
      expect(issue(answer).expression).toEqual([place])
    }
  })

  it('leaves out for all types what one does not know, if the client is lenient, and says so', async () => {
    const response = await fetch(`${gateway.fhir}/?_type=Observation,Patient&code=718-7&_tag=ward-3`, {
      headers: { authorization: `Bearer ${tokens['ehr']}`, prefer: 'handling=lenient' },
    })
    const body = await response.json()
    expect(named({ status: 200, text: '', body })).toEqual(['Observation/o1', 'Patient/p2'])
    expect(JSON.stringify(body)).toContain('The parameter code was left out')
  })

  it('reaches what the token reaches, and of the trail nothing but for an auditor', async () => {
    expect(await found('/?_id=o1,c1', 'observations')).toEqual(['Observation/o1'])
    expect((await ask('GET', '/?_type=Condition', undefined, 'observations')).status).toBe(403)
    expect((await ask('GET', '/?_type=Patient', undefined, 'observations')).status).toBe(403)
    expect(await found('/?_id:not=x', 'final')).toEqual(['Condition/c1', 'Observation/o1'])
    expect((await found('/?_count=1000')).filter((name) => name.startsWith('AuditEvent/'))).toEqual([])
    expect((await ask('GET', '/?_type=AuditEvent')).status).toBe(403)
    const trail = await ask('GET', '/?_type=AuditEvent,Provenance&_count=3', undefined, 'auditor')
    expect(trail.status).toBe(200)
    expect(named(trail).every((name) => name.startsWith('AuditEvent/'))).toBe(true)
  })

  it('is in the trail of the patients whom it finds, denials too', async () => {
    await ask('GET', '/?_id=c1&_tag:missing=true')
    await ask('GET', '/?_type=Condition', undefined, 'observations')
    const { body } = await ask('GET', '/AuditEvent?patient=Patient/p1&_count=500', undefined, 'auditor')
    const queries = JSON.stringify(body)
    expect(queries).toContain('"search-system"')
    expect(queries).toContain(Buffer.from('_id=c1&_tag%3Amissing=true').toString('base64'))
    const denied = await ask('GET', '/AuditEvent?outcome=4&_count=500', undefined, 'auditor')
    expect(JSON.stringify(denied.body)).toContain(Buffer.from('_type=Condition').toString('base64'))
  })
})

describe('lists', () => {
  it('of a function are those in force that are worked on, whatever code says so', async () => {
    expect(await found('/AllergyIntolerance?patient=p1&_list=$current-allergies')).toEqual(['AllergyIntolerance/nuts'])
    expect(await found('/AllergyIntolerance?patient=p2&_list=$current-allergies')).toEqual(['AllergyIntolerance/cats'])
    expect(await found('/AllergyIntolerance?patient=p1')).toHaveLength(2)
    expect(await found('/Patient/p1/AllergyIntolerance?_list=$current-allergies,allergies-then')).toHaveLength(2)
    expect(await found('/?_type=Condition,Observation&_list=$current-problems')).toEqual([
      'Condition/c1',
      'Observation/o1',
    ])
    expect(await found('/MedicationRequest?patient=p1&_list=$current-medications')).toEqual([])
    expect(await found('/List?patient=p1&mode=snapshot')).toEqual(['List/allergies-then'])
    // a list that the token may not search lists nothing
    expect((await ask('GET', '/Observation?_list=$current-problems', undefined, 'observations')).status).toBe(403)
  })

  it('and queries that nobody knows are refused by name', async () => {
    for (const [path, word, place] of [
      ['/AllergyIntolerance?patient=p1&_list=$current-drug-allergies', 'ask $current-allergies', '_list'],
      ['/Condition?_list=$favourites', 'served are ids of Lists, $current-problems', '_list'],
      [
        '/Patient?_query=current-high-risk&ward=1A',
        'The parameter _query names a query, and this server knows none',
        '_query',
      ],
      ['/?_query=everyone', 'names a query', '_query'],
      ['/Patient/p1/Observation?_query=latest', 'names a query', '_query'],
    ] as const) {
      const answer = await ask('GET', path)
      expect([answer.status, answer.body.resourceType], path).toEqual([400, 'OperationOutcome'])
      expect(issue(answer).diagnostics, path).toContain(word)
      expect(issue(answer).expression).toEqual([place])
    }
    const lenient = await fetch(`${gateway.fhir}/Patient?_query=everyone`, {
      headers: { authorization: `Bearer ${tokens['ehr']}`, prefer: 'handling=lenient' },
    })
    expect(lenient.status).toBe(400)
  })
})

describe('a search of a compartment', () => {
  it('finds what its definition puts into it, of one type', async () => {
    expect(await found('/Patient/p1/Observation')).toEqual(['Observation/o1', 'Observation/o2'])
    expect(await found('/Patient/p1/Observation?encounter=Encounter/e1&code=718-7')).toEqual(['Observation/o1'])
    expect(await found('/Patient/p2/Observation?encounter=Encounter/e1')).toEqual([])
    expect(await found('/Encounter/e1/Condition')).toEqual(['Condition/c1'])
    expect(await found('/Encounter/e1/Encounter')).toEqual(['Encounter/e1'])
    expect(await found('/Practitioner/d1/Observation')).toEqual(['Observation/o1'])
    expect(await found('/Device/m1/Observation')).toEqual(['Observation/o1'])
    expect(await found('/RelatedPerson/r1/Observation')).toEqual(['Observation/o2'])
    // "Patient: link": a Patient is in the compartment of whom it is linked to, by the definition
    expect(await found('/Patient/p1/Patient')).toEqual(['Patient/p1'])
    expect(await found('/Patient/p2/Patient')).toEqual([])
  })

  it('finds what is in it of all types, or of those that are named, with GET and POST', async () => {
    const all = ['Condition/c1', 'Encounter/e1', 'Observation/o1', 'Observation/o2', 'Patient/p1', 'RelatedPerson/r1']
    expect((await found('/Patient/p1/*')).filter((name) => !/^(?:AllergyIntolerance|List)/.test(name))).toEqual(all)
    expect(await found('/Patient/p1/*?_type=List,AllergyIntolerance&_list=$current-allergies')).toEqual([
      'AllergyIntolerance/nuts',
    ])
    expect(await found('/Patient/p1/*?_tag=ward-3')).toEqual(['Observation/o1'])
    expect(await found('/Patient/p1/*?_type=Condition,Encounter')).toEqual(['Condition/c1', 'Encounter/e1'])
    expect(await found('/Encounter/e1/*')).toEqual(['Condition/c1', 'Encounter/e1', 'Observation/o1'])
    expect(await found('/Practitioner/d1/*')).toEqual(['Observation/o1', 'Practitioner/d1'])
    expect(await found('/RelatedPerson/r1/*')).toEqual(['Observation/o2', 'RelatedPerson/r1'])
    expect(named(await ask('POST', '/Patient/p1/_search', '_type=Condition'))).toEqual(['Condition/c1'])
    expect(named(await ask('POST', '/Patient/p1/Observation/_search', 'encounter=e1'))).toEqual(['Observation/o1'])
    const page = await ask('GET', '/Patient/p1/Observation?_count=1')
    const next = (page.body.link as { relation: string; url: string }[]).find(({ relation }) => relation === 'next')
    expect(next?.url).toContain('/Patient/p1/Observation?')
    expect(named(await ask('GET', next?.url ?? ''))).toHaveLength(1)
  })

  it('of an owner that does not exist holds nothing, and one that R4 does not define is refused', async () => {
    expect(await found('/Patient/nobody/Observation')).toEqual([])
    expect(await found('/Patient/nobody/*')).toEqual([])
    const other = await ask('GET', '/Patient/p1/Location')
    expect([other.status, issue(other).diagnostics]).toEqual([400, 'A compartment of Patient holds no Location.'])
    expect((await ask('GET', '/Patient/p1/*?_type=Location')).status).toBe(400)
    expect((await ask('GET', '/Patient/p1/*?code=718-7')).status).toBe(400)
    expect((await ask('GET', '/Location/l1/Observation')).status).toBe(404)
  })

  it('reaches what the token reaches, in the trail of its patient', async () => {
    expect(await found('/Patient/p1/*', 'observations')).toEqual(['Observation/o1', 'Observation/o2'])
    expect(await found('/Patient/p1/*', 'final')).toEqual(['Condition/c1', 'Observation/o1'])
    expect(await found('/Patient/p1/Observation', 'final')).toEqual(['Observation/o1'])
    expect((await ask('GET', '/Patient/p1/Condition', undefined, 'observations')).status).toBe(403)
    const { body } = await ask('GET', '/AuditEvent?patient=Patient/p1&_count=500', undefined, 'auditor')
    expect(JSON.stringify(body)).toContain(Buffer.from('encounter=Encounter%2Fe1&code=718-7').toString('base64'))
  })

  it('is answered in a batch too', async () => {
    const entry = ['Patient/p1/Observation', 'Patient/p1/*?_type=Condition', '?_type=Device'].map((url) => ({
      request: { method: 'GET', url },
    }))
    const { body, text } = await ask('POST', '', { resourceType: 'Bundle', type: 'batch', entry })
    const totals = (body.entry as { resource?: { total: number } }[]).map(({ resource }) => resource?.total)
    expect(totals, text).toEqual([2, 1, 1])
  })
})

describe('the CapabilityStatement', () => {
  it('names the search of the system and the compartments', async () => {
    const [rest] = (await ask('GET', '/metadata')).body.rest
    expect(rest.interaction).toContainEqual({ code: 'search-system' })
    expect(rest.compartment).toEqual(
      ['device', 'encounter', 'patient', 'practitioner', 'relatedPerson'].map(
        (name) => `http://hl7.org/fhir/CompartmentDefinition/${name}`,
      ),
    )
    for (const { name } of rest.searchParam as { name: string }[]) {
      const value = name === '_lastUpdated' ? 'gt2020' : 'x'
      expect((await ask('GET', `/?${name}=${value}`)).status, name).toBe(200)
    }
  })
})

describe('an order of several types', () => {
  const DATED: Record<string, object> = {
    'Patient/q1': { name: [{ family: 'Quince' }] },
    'Patient/q2': { name: [{ family: 'Quill' }] },
    'Observation/do1': { ...made('q1', 'b'), status: 'final', effectiveDateTime: '2020-01-01' },
    'Encounter/de1': {
      ...made('q1'),
      status: 'finished',
      class: { code: 'AMB' },
      period: { start: '2020-02', end: '2020-02' },
    },
    'Procedure/dp1': { ...made('q1', 'c'), status: 'completed', performedDateTime: '2020-03-01T10:00:00Z' },
    'Observation/do2': { ...made('q2', 'a'), status: 'final', effectiveDateTime: '2020-04' },
    'Encounter/de2': {
      ...made('q2'),
      status: 'finished',
      class: { code: 'AMB' },
      period: { start: '2020-05-01', end: '2020-05-02' },
    },
  }

  beforeAll(async () => {
    const loaded = await ask('POST', '', transactionOf(DATED))
    expect(loaded.status, loaded.text).toBe(200)
  })

  it('is by what all named types have, page by page', async () => {
    const order = async (path: string): Promise<string[][]> => {
      const pages: string[][] = []
      for (let next: string | undefined = path; next !== undefined;) {
        const answer: Answer = await ask('GET', next)
        expect(answer.status, answer.text).toBe(200)
        pages.push(((answer.body.entry ?? []) as Entry[]).map(({ resource }) => resource.id))
        next = (answer.body.link as { relation: string; url: string }[]).find(
          ({ relation }) => relation === 'next',
        )?.url
      }
      return pages
    }
    const dated = '_type=Observation,Encounter,Procedure&_tag=dated'
    expect(await order(`/?${dated}&_sort=date&_count=2`)).toEqual([['do1', 'de1'], ['dp1', 'do2'], ['de2']])
    expect(await order(`/?${dated}&_sort=-date`)).toEqual([['de2', 'do2', 'dp1', 'de1', 'do1']])
    expect(await order(`/?${dated}&_sort=-subject,date&_count=3`)).toEqual([
      ['do2', 'de2', 'do1'],
      ['de1', 'dp1'],
    ])
    expect(await order('/?_type=Observation,Procedure&_tag=dated&_sort=code,-date&_count=1')).toEqual([
      ['do2'],
      ['do1'],
      ['dp1'],
    ])
    expect(await order('/Patient/q1/*?_type=Observation,Encounter,Procedure&_tag=dated&_sort=-date')).toEqual([
      ['dp1', 'de1', 'do1'],
    ])
    const total = await ask('GET', `/?${dated}&_sort=date&_summary=count`)
    expect([total.status, total.body.total]).toEqual([200, 5])
  })
})
