import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { validate } from '../../src/fhir/validate.js'
import { end, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { preparedGateway } from '../support/prepared-data.js'
import { transactionOf } from '../support/transaction.js'

/*
 * What of a resource is told when less than all of it is asked for: `_summary` and `_elements`
 * (https://hl7.org/fhir/R4/search.html#summary, #elements), over HTTP.
 */
let data: string
let gateway: RunningProcess
let token: string
const SUBSETTED = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(path.startsWith('http') ? path : `${gateway.fhir}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, text, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
}

interface Entry {
  readonly resource: Record<string, unknown> & { readonly meta: { readonly tag?: object[] } }
  readonly search: { readonly mode: string }
}

async function found(query: string): Promise<Entry[]> {
  const { status, text, body } = await ask('GET', query)
  expect(status, text).toBe(200)
  expect(validate({ ...body, entry: undefined, link: undefined, total: 0 }).issues).toEqual([])
  return body.entry as Entry[]
}

const QUESTIONNAIRE = {
  resourceType: 'Questionnaire',
  id: 'q',
  meta: { tag: [{ system: 'urn:example', code: 'kept' }] },
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Form</div>' },
  url: 'http://example.org/form',
  version: '1',
  title: 'Form',
  status: 'draft',
  description: 'Not of the summary',
  item: [{ linkId: '1', type: 'string', text: 'Name' }],
}
const OBSERVATION = {
  resourceType: 'Observation',
  id: 'o',
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">1.50</div>' },
  status: 'final',
  _status: { extension: [{ url: 'http://example.org/why', valueString: 'signed' }] },
  code: { coding: [{ system: 'http://loinc.org', code: '718-7', display: 'Haemoglobin' }], text: 'Hb' },
  subject: { reference: 'Patient/p' },
  effectiveDateTime: '2024-01-01',
  valueQuantity: { value: 1.5, unit: 'mmol/L' },
  note: [{ text: 'Not of the summary' }],
  method: { text: 'Not of the summary' },
}
const PATIENT = {
  resourceType: 'Patient',
  id: 'p',
  name: [{ family: 'Rowan' }],
  maritalStatus: { text: 'Not of the summary' },
  contact: [{ name: { family: 'Elder' } }],
}

/** Small ones, that are met with little. */
const LIMITS = {
  PAGE_SIZE: '2',
  MAX_PAGE_SIZE: '3',
  MAX_INCLUDED: '1',
  MAX_INCLUDE_ROUNDS: '1',
  MAX_CHAIN: '1',
  MAX_BUNDLE_ENTRIES: '10',
  MAX_BODY_BYTES: '20000',
}
const of = (reference: string) => ({ reference })
const ENCOUNTER = {
  resourceType: 'Encounter',
  id: 'e',
  status: 'finished',
  class: { code: 'AMB' },
  subject: of('Patient/p'),
}
const REPORT = {
  resourceType: 'DiagnosticReport',
  id: 'r',
  status: 'final',
  code: { text: 'Panel' },
  subject: of('Patient/p'),
  result: [of('Observation/n1')],
}
const NUMBERED = [1, 2, 3, 4].map((n) => ({
  resourceType: 'Observation',
  id: `n${n}`,
  status: 'preliminary',
  code: { text: 'Number' },
  subject: of('Patient/p'),
  encounter: of('Encounter/e'),
}))

beforeAll(async () => {
  data = await preparedGateway('consentry-results-')
  gateway = await startGateway(data, { EMBEDDED_PROXIES: '0', ...LIMITS })
  token = await tokenOf(data, 'ehr')
  const resources = [PATIENT, OBSERVATION, QUESTIONNAIRE, ENCOUNTER, REPORT, ...NUMBERED]
  const loaded = await ask('POST', '', transactionOf(resources))
  expect(loaded.status, loaded.text).toBe(200)
}, 300_000)

afterAll(async () => {
  if (gateway) await end(gateway.child, 'SIGTERM')
  await rm(data, { recursive: true, force: true })
})

/** Names of elements but those of every answer. */
const elements = (entry: Entry | undefined): string[] =>
  Object.keys(entry?.resource ?? {}).filter((name) => !['resourceType', 'id', 'meta'].includes(name))

describe('_summary', () => {
  it('=true: "a limited subset of elements", those marked as summary', async () => {
    const [observation] = await found('/Observation?_id=o&_summary=true')
    expect(elements(observation)).toEqual([
      'status',
      '_status',
      'code',
      'subject',
      'effectiveDateTime',
      'valueQuantity',
    ])
    expect(observation?.resource.meta.tag).toContainEqual(SUBSETTED)
    const [patient] = await found('/Patient?_id=p&_summary=true')
    expect(elements(patient)).toEqual(['name'])
    const [form] = await found('/Questionnaire?_id=q&_summary=true')
    expect(elements(form)).toEqual(['url', 'version', 'title', 'status'])
  })

  it('=text: "only the text, id, meta, and top-level mandatory elements"', async () => {
    const [observation] = await found('/Observation?_id=o&_summary=text')
    expect(elements(observation)).toEqual(['text', 'status', '_status', 'code'])
    expect(observation?.resource.meta.tag).toContainEqual(SUBSETTED)
    const [form] = await found('/Questionnaire?_id=q&_summary=text')
    expect(elements(form)).toEqual(['text', 'status'])
  })

  it('=data: "remove the text element"', async () => {
    const [observation] = await found('/Observation?_id=o&_summary=data')
    expect(elements(observation)).toEqual(
      Object.keys(OBSERVATION).filter((name) => !/^(resourceType|id|text)$/.test(name)),
    )
    expect(observation?.resource.meta.tag).toContainEqual(SUBSETTED)
  })

  it('=count: "search only: just return a count of the matching resources, without returning the actual matches"', async () => {
    const { body } = await ask('GET', '/Observation?_id=o&_summary=count')
    expect([body.type, body.total, body.entry]).toEqual(['searchset', 1, undefined])
    expect((body.link as { relation: string }[]).map(({ relation }) => relation)).toEqual(['self'])
  })

  it('=false: "return all parts of the resource(s)", not marked', async () => {
    const [form] = await found('/Questionnaire?_id=q&_summary=false')
    expect(elements(form)).toEqual(Object.keys(QUESTIONNAIRE).filter((name) => !/^(resourceType|id|meta)$/.test(name)))
    expect(form?.resource.meta.tag).toEqual(QUESTIONNAIRE.meta.tag)
  })

  it('keeps the tags that are there, and summarises what is included as well', async () => {
    const [form] = await found('/Questionnaire?_id=q&_summary=true')
    expect(form?.resource.meta.tag).toEqual([...QUESTIONNAIRE.meta.tag, SUBSETTED])
    const entries = await found('/Observation?_id=o&_summary=true&_include=Observation:subject')
    expect(
      entries.map(({ search, resource }) => [search.mode, resource['resourceType'], resource['maritalStatus']]),
    ).toEqual([
      ['match', 'Observation', undefined],
      ['include', 'Patient', undefined],
    ])
  })

  it.each(['maybe', 'TRUE', 'true&_summary=false'])('=%s is refused', async (value) => {
    const { status, body } = await ask('GET', `/Observation?_summary=${value}`)
    expect([status, body.issue[0].expression]).toEqual([400, ['_summary']])
  })
})

describe('_elements', () => {
  it('"SHOULD include all mandatory elements", and modifiers, and those that are asked for, with what stands beside primitives', async () => {
    const [observation] = await found('/Observation?_id=o&_elements=note')
    expect(elements(observation)).toEqual(['status', '_status', 'code', 'note'])
    expect(observation?.resource.meta.tag).toContainEqual(SUBSETTED)
    const [several] = await found('/Observation?_id=o&_elements=value,effective,method')
    expect(elements(several)).toEqual(['status', '_status', 'code', 'effectiveDateTime', 'valueQuantity', 'method'])
  })

  it('is of what is searched: "included resources" stay whole', async () => {
    const entries = await found('/Observation?_id=o&_elements=code&_include=Observation:subject')
    expect(elements(entries[1])).toEqual(['name', 'maritalStatus', 'contact'])
    expect(entries[1]?.resource.meta.tag).toBeUndefined()
  })

  it('keeps numbers digit for digit', async () => {
    const exact = `{"resourceType":"Observation","id":"exact","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}`
    const put = await fetch(`${gateway.fhir}/Observation/exact`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
      body: exact,
    })
    expect(put.status).toBe(201)
    expect((await ask('GET', '/Observation?_id=exact&_elements=value')).text).toContain('"value":1.50')
  })

  it('is refused for what is no name of an element', async () => {
    const { status, body } = await ask('GET', '/Observation?_elements=code.text')
    expect([status, body.issue[0].expression]).toEqual([400, ['_elements']])
  })
})

describe('a read', () => {
  // "The following parameters are defined for use with all interactions" (https://hl7.org/fhir/R4/http.html#general)
  it('is cut by _summary and _elements as a search is, and marked, and a version too', async () => {
    for (const path of ['/Observation/o', '/Observation/o/_history/1']) {
      const summary = await ask('GET', `${path}?_summary=text`)
      expect(elements({ resource: summary.body, search: { mode: '' } })).toEqual(['text', 'status', '_status', 'code'])
      const cut = await ask('GET', `${path}?_elements=note`)
      expect(elements({ resource: cut.body, search: { mode: '' } })).toEqual(['status', '_status', 'code', 'note'])
      expect([cut.body.meta.tag, cut.headers.get('etag')]).toEqual([[SUBSETTED], 'W/"1"'])
    }
  })

  it('of a definition that comes with the server is cut alike', async () => {
    const { body } = await ask('GET', '/OperationDefinition/Patient-ledger-id?_summary=true')
    expect([body.code, body.parameter, body.meta.tag]).toEqual(['ledger-id', undefined, [SUBSETTED]])
  })

  it('has no count, and refuses what it does not know', async () => {
    for (const [query, expression] of [
      ['_summary=count', '_summary'],
      ['_summary=maybe', '_summary'],
      ['_elements=a.b', '_elements'],
    ]) {
      const { status, body } = await ask('GET', `/Observation/o?${query}`)
      expect([status, body.issue[0].expression], query).toEqual([400, [expression]])
    }
  })
})

describe('a limit that is configured', () => {
  const entries = async (query: string) =>
    (await found(query)).map(({ resource, search }) => `${search.mode} ${String(resource['id'])}`)
  const issue = (body: { issue: { code: string; expression?: string[] }[] }) => body.issue[0]

  it('PAGE_SIZE, MAX_PAGE_SIZE: so many come on a page', async () => {
    expect(await entries('/Observation?status=preliminary')).toHaveLength(2)
    expect(await entries('/Observation?status=preliminary&_count=100')).toHaveLength(3)
  })

  it('MAX_INCLUDED: so many are included, and what is left out is told', async () => {
    const all = await entries('/DiagnosticReport?_include=DiagnosticReport:result&_include=DiagnosticReport:subject')
    expect(all.map((each) => each.split(' ')[0])).toEqual(['match', 'include', 'outcome'])
  })

  it('MAX_INCLUDE_ROUNDS: so far :iterate goes', async () => {
    const query = '/DiagnosticReport?_include=DiagnosticReport:result&_include:iterate=Observation:encounter'
    expect(await entries(query)).toEqual(['match r', 'include n1'])
  })

  it('MAX_CHAIN: so many references a chain goes through', async () => {
    expect((await ask('GET', '/DiagnosticReport?result.status=preliminary')).status).toBe(200)
    for (const query of [
      '/DiagnosticReport?result.encounter.status=finished',
      '/Patient?_has:Observation:patient:encounter.status=finished',
    ]) {
      const { status, body } = await ask('GET', query)
      expect([status, issue(body)?.code], query).toEqual([400, 'too-costly'])
    }
  })

  it.each(['batch', 'transaction'])('MAX_BUNDLE_ENTRIES: so many entries a %s has', async (type) => {
    const entry = (n: number) => Array.from({ length: n }, () => ({ request: { method: 'GET', url: 'Observation/o' } }))
    const status = async (n: number) =>
      (await ask('POST', '', { resourceType: 'Bundle', type, entry: entry(n) })).status
    expect([await status(10), await status(11)]).toEqual([200, 413])
  })

  it('MAX_BODY_BYTES: so large is a body', async () => {
    const { status, body } = await ask('POST', '/Observation', { ...OBSERVATION, note: [{ text: 'x'.repeat(20_000) }] })
    expect([status, body.resourceType]).toEqual([413, 'OperationOutcome'])
  })
})

describe('Prefer: respond-async', () => {
  // "must ignore those tokens and continue processing instead of signaling an error" (RFC 7240, section 2)
  it('is answered at once, with what else is preferred', async () => {
    for (const prefer of ['respond-async', 'respond-async, wait=10', 'handling=strict, respond-async']) {
      const { status, body, headers } = await ask('GET', '/Observation?_id=o', undefined, { prefer })
      expect([status, body.total, headers.get('content-location')], prefer).toEqual([200, 1, null])
    }
    const { status, text } = await ask(
      'POST',
      '/Observation',
      { ...OBSERVATION, id: undefined },
      { prefer: 'respond-async, return=minimal' },
    )
    expect([status, text]).toEqual([201, ''])
  })

  it('is said so in the CapabilityStatement', async () => {
    expect((await ask('GET', '/metadata')).body.rest[0].documentation).toContain('respond-async')
  })
})
