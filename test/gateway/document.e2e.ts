import { beforeAll, expect, it } from 'vitest'
import { validate } from '../../src/fhir/validate.js'
import { type RunningProcess, tokenOf } from '../support/gateway.js'
import { sharedGateway } from '../support/shared-gateway.js'
import { transactionOf } from '../support/transaction.js'

let data: string
let gateway: RunningProcess
const tokens: Record<string, string> = {}

async function ask(method: string, path: string, body?: unknown, as = 'ehr') {
  const response = await fetch(`${gateway.fhir}${path}`, {
    method,
    headers: { authorization: `Bearer ${tokens[as]}`, 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  // The tests look into resources of every type.

  return { status: response.status, text, body: JSON.parse(text) }
}

const of = (reference: string) => ({ reference })
const composition = (id: string, entry: object[]) => ({
  resourceType: 'Composition',
  id,
  status: 'final',
  type: { text: 'Summary' },
  subject: of('Patient/whole'),
  date: '2026-01-01',
  author: [of('Practitioner/whole')],
  title: 'Summary',
  section: [{ title: 'Results', entry }],
})

beforeAll(async () => {
  ;({ data, running: gateway } = await sharedGateway())
  const token = (client: string, ...options: string[]) => tokenOf(data, client, ...options)
  tokens['ehr'] = await token('ehr')
  tokens['auditor'] = await token('auditor')
  tokens['narrow'] = await token('ehr', '--scope', 'system/Composition.r system/Patient.r system/Practitioner.r')
  const code = { text: 'Sodium' }
  const resources = [
    { resourceType: 'Patient', id: 'whole' },
    { resourceType: 'Practitioner', id: 'whole' },
    { resourceType: 'Observation', id: 'whole', status: 'final', code, subject: of('Patient/whole') },
    composition('whole', [of('Observation/whole'), of('Observation/whole')]),
    composition('dangling', [of('Observation/nowhere')]),
  ]
  const loaded = await ask('POST', '', transactionOf(resources))
  expect(loaded.status, loaded.text).toBe(200)
}, 300_000)

it('is a document of the Composition and all that it refers to, each once, valid by R4', async () => {
  for (const path of [
    '/Composition/whole/$document',
    '/Composition/$document?id=whole',
    '/Composition/whole/$document?persist=false',
  ]) {
    const { status, text, body } = await ask('GET', path)
    expect(status, text).toBe(200)
    expect(body.type).toBe('document')
    expect(body.entry.map(({ fullUrl }: { fullUrl: string }) => fullUrl.slice(gateway.fhir.length + 1))).toEqual([
      'Composition/whole',
      'Patient/whole',
      'Practitioner/whole',
      'Observation/whole',
    ])
    expect(validate(body).issues).toEqual([])
  }
  expect((await ask('GET', '/metadata')).text).toContain('OperationDefinition/Composition-document')
  const trail = await ask('GET', '/AuditEvent?patient=Patient/whole&_count=200', undefined, 'auditor')
  expect(trail.text).toContain('"document"')
})

it('is refused whole where something of it may not be read or is not there, in the same words', async () => {
  const narrow = await ask('GET', '/Composition/whole/$document', undefined, 'narrow')
  const dangling = await ask('GET', '/Composition/dangling/$document')
  expect([narrow.status, dangling.status]).toEqual([403, 403])
  expect(narrow.body.issue[0].diagnostics).toBe(dangling.body.issue[0].diagnostics)
  expect((await ask('GET', '/Composition/nowhere/$document')).status).toBe(404)
})

it.each([
  '/Composition/whole/$document?persist=true',
  '/Composition/whole/$document?graph=urn:x',
  '/Composition/$document',
  '/Composition/whole/$document?id=whole',
])('%s is refused', async (path) => {
  const { status, body } = await ask('GET', path)
  expect([status, body.resourceType]).toEqual([400, 'OperationOutcome'])
})
