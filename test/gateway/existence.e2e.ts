import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomId } from '../ledger/support/consortium.js'
import { type Answer, ConsentGateway, observation } from './consent-gateway.js'

/*
 * Whether something exists that a client may not see is told to no client of another entity and to no application of another patient, by
 * whatever it asks: the same status, the same words, the same headers as for what never was.
 */
let gateway: ConsentGateway
const clinic = randomId()
let own: string
/** What is there of a patient whom neither may see, by type. */
const there: Record<string, string> = {}
const NOBODY = randomUUID()
const CALLERS = ['phone', 'clinic']

const of = (reference: string) => ({ reference })
const parameters = (...parameter: unknown[]) => ({ resourceType: 'Parameters', parameter })
const asked = parameters(
  { name: 'label', valueCode: 'general' },
  { name: 'purpose', valueCode: 'TREAT' },
  { name: 'period', valuePeriod: { end: '2090-12-01T00:00:00Z' } },
  { name: 'reason', valueString: 'To see your laboratory results.' },
)

beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  own = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Own' }] })
  const patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Hidden' }] })
  await gateway.registerClinic(clinic)
  await gateway.register('clinic', { entity: clinic, scopes: 'system/*.cruds' })
  await gateway.register('phone', { patient: own, scopes: 'patient/*.cruds' })
  const subject = of(`Patient/${patient}`)
  there['Patient'] = patient
  there['Observation'] = await gateway.create(observation(patient))
  there['Consent'] = await gateway.propose(patient, clinic)
  there['Composition'] = await gateway.create({
    resourceType: 'Composition',
    status: 'final',
    type: { text: 'Letter' },
    date: '2026-01-01',
    author: [{ display: 'Somebody' }],
    title: 'Letter',
    subject,
  })
  there['Binary'] = await gateway.create({
    resourceType: 'Binary',
    contentType: 'text/plain',
    data: 'aGk=',
    securityContext: subject,
  })
  there['List'] = await gateway.create({ resourceType: 'List', status: 'current', mode: 'working', subject })
  const request = await gateway.ask('POST', `/Patient/${patient}/$request-access`, asked)
  expect(request.status, request.text).toBe(200)
  there['Task'] = request.body.id as string
})
afterAll(() => gateway?.close())

type Ask = (id: string, as: string) => Promise<Answer>
const simple =
  (
    method: string,
    path: (id: string) => string,
    body?: (id: string) => unknown,
    headers?: Record<string, string>,
  ): Ask =>
  (id, as) =>
    gateway.ask(method, path(id), body?.(id), { as, ...(headers === undefined ? {} : { headers }) })
const PATCH = { 'content-type': 'application/json-patch+json' }
const bundle = (type: string, ...entry: object[]) => ({ resourceType: 'Bundle', type, entry })
const entry = (method: string, url: string, resource?: object) => ({
  request: { method, url },
  ...(resource === undefined ? {} : { resource }),
})
const tag = parameters({ name: 'meta', valueMeta: { tag: [{ code: 'x' }] } })
const replaced = (id: string) => observation(own, { id })
const query = (text: string) => ({ query: text })

const ATTEMPTS: Record<string, Record<string, Ask>> = {
  Observation: {
    read: simple('GET', (id) => `/Observation/${id}`),
    head: simple('HEAD', (id) => `/Observation/${id}`),
    vread: simple('GET', (id) => `/Observation/${id}/_history/1`),
    history: simple('GET', (id) => `/Observation/${id}/_history`),
    delete: simple('DELETE', (id) => `/Observation/${id}`),
    'delete of a version': simple('DELETE', (id) => `/Observation/${id}`, undefined, { 'if-match': 'W/"9"' }),
    patch: simple(
      'PATCH',
      (id) => `/Observation/${id}`,
      () => [{ op: 'test', path: '/status', value: 'final' }],
      PATCH,
    ),
    'a patch that is none': simple(
      'PATCH',
      (id) => `/Observation/${id}`,
      () => [{ op: 'nonsense' }],
      PATCH,
    ),
    $meta: simple('GET', (id) => `/Observation/${id}/$meta`),
    '$meta-add': simple(
      'POST',
      (id) => `/Observation/${id}/$meta-add`,
      () => tag,
    ),
    $validate: simple('GET', (id) => `/Observation/${id}/$validate`),
    '$validate for deletion': simple('POST', (id) => `/Observation/${id}/$validate?mode=delete`),
    'GraphQL at it': simple(
      'POST',
      (id) => `/Observation/${id}/$graphql`,
      () => query('{ status }'),
      {
        'content-type': 'application/json',
      },
    ),
    GraphQL: simple(
      'POST',
      () => '/$graphql',
      (id) => query(`{ Observation(id: "${id}") { status } }`),
    ),
    'search by id': simple('GET', (id) => `/Observation?_id=${id}`),
    'search by what refers to it': simple('GET', (id) => `/Observation?has-member=Observation/${id}`),
    'conditional deletion': simple('DELETE', (id) => `/Observation?_id=${id}`),
    'conditional patch': simple(
      'PATCH',
      (id) => `/Observation?_id=${id}`,
      () => [],
      PATCH,
    ),
    batch: simple(
      'POST',
      () => '',
      (id) => bundle('batch', entry('GET', `Observation/${id}`), entry('DELETE', `Observation/${id}`)),
    ),
    'transaction that reads': simple(
      'POST',
      () => '',
      (id) => bundle('transaction', entry('GET', `Observation/${id}`)),
    ),
    'transaction that deletes': simple(
      'POST',
      () => '',
      (id) => bundle('transaction', entry('DELETE', `Observation/${id}`)),
    ),
    'transaction that refers by a condition': simple(
      'POST',
      () => '',
      (id) =>
        bundle(
          'transaction',
          entry('POST', 'Observation', observation(own, { hasMember: [of(`Observation?_id=${id}`)] })),
        ),
    ),
  },
  Patient: {
    read: simple('GET', (id) => `/Patient/${id}`),
    '$ledger-id': simple('GET', (id) => `/Patient/${id}/$ledger-id`),
    $everything: simple('GET', (id) => `/Patient/${id}/$everything`),
    '$request-access': simple(
      'POST',
      (id) => `/Patient/${id}/$request-access`,
      () => asked,
    ),
    '$emergency-veto': simple(
      'POST',
      (id) => `/Patient/${id}/$emergency-veto`,
      () => parameters({ name: 'vetoed', valueBoolean: true }),
    ),
    $claim: simple(
      'POST',
      (id) => `/Patient/${id}/$claim`,
      () => parameters({ name: 'controller', valueString: `0x${'12'.repeat(20)}` }),
    ),
    '$revoke-all': simple(
      'POST',
      (id) => `/Patient/${id}/$revoke-all`,
      () => parameters({ name: 'signature', valueString: '0x00' }),
    ),
    'compartment search': simple('GET', (id) => `/Patient/${id}/Observation`),
    'search by subject': simple('GET', (id) => `/Observation?subject=Patient/${id}`),
    $lastn: simple('GET', (id) => `/Observation/$lastn?patient=${id}&code=x`),
  },
  Consent: {
    '$to-sign': simple('POST', (id) => `/Consent/${id}/$to-sign`),
    $revoke: simple(
      'POST',
      (id) => `/Consent/${id}/$revoke`,
      () => parameters({ name: 'signature', valueString: '0x00' }),
    ),
    $sign: simple(
      'POST',
      (id) => `/Consent/${id}/$sign`,
      () => parameters({ name: 'signature', valueString: '0x00' }),
    ),
    $receipt: simple('GET', (id) => `/Consent/${id}/$receipt`),
  },
  Task: Object.fromEntries(
    ['accept', 'refuse', 'withdraw', 'review'].map((name) => [
      `$${name}`,
      simple(
        'POST',
        (id) => `/Task/${id}/$${name}`,
        () => (name === 'review' ? parameters({ name: 'outcome', valueCode: 'justified' }) : undefined),
      ),
    ]),
  ),
  Composition: { $document: simple('GET', (id) => `/Composition/${id}/$document`) },
  Binary: {
    read: simple('GET', (id) => `/Binary/${id}`),
    'bytes in its place': simple(
      'PUT',
      (id) => `/Binary/${id}`,
      () => 'hello',
      { 'content-type': 'text/plain' },
    ),
  },
  List: {
    'search by list': simple('GET', (id) => `/Observation?_list=${id}`),
    'history by list': simple('GET', (id) => `/Observation/_history?_list=${id}`),
  },
}

/** What a client sees of an answer, but for what it has said itself and what differs by time. */
function seen({ status, headers, text }: Answer, id: string): unknown[] {
  const said = text
    .replaceAll(id, 'ID')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'UUID')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
  return [status, said, [...headers.keys()].filter((name) => name !== 'content-length').toSorted()]
}

describe.each(Object.entries(ATTEMPTS))('a %s that may not be seen', (type, attempts) => {
  it.each(Object.entries(attempts))('is what never was: %s', async (_, ask) => {
    for (const as of CALLERS) {
      const id = there[type] as string
      expect([as, ...seen(await ask(id, as), id)]).toEqual([as, ...seen(await ask(NOBODY, as), NOBODY)])
    }
  })
})

it('is as it was afterwards', async () => {
  for (const [type, id] of Object.entries(there)) {
    const { status, body } = await gateway.ask('GET', `/${type}/${id}`, undefined, {
      headers: { accept: 'application/fhir+json' },
    })
    expect([type, status, type === 'Task' ? '2' : body.meta.versionId]).toEqual([
      type,
      200,
      type === 'Task' ? '2' : '1',
    ])
  }
  expect(
    (
      await gateway.ask('PUT', `/Observation/${there['Observation']}`, replaced(there['Observation'] as string), {
        as: 'phone',
      })
    ).status,
  ).toBe(403)
})

describe('a definition that comes with the server', () => {
  const name = 'ValueSet/yesnodontknow'
  const url = 'http://hl7.org/fhir/ValueSet/yesnodontknow'
  const seen = async (as: string) => {
    const read = await gateway.ask('GET', `/${name}`, undefined, { as })
    const found = await gateway.ask('GET', `/ValueSet?url=${url}`, undefined, { as })
    return [read.status, read.body.url, found.status, found.body.total]
  }

  it('stays what it is to those who may not see what was stored under its name', async () => {
    expect(await seen('clinic')).toEqual([200, url, 200, 1])
    const mine = { resourceType: 'ValueSet', id: 'yesnodontknow', url: 'urn:example:mine', status: 'draft' }
    expect((await gateway.ask('PUT', `/${name}`, mine)).status).toBe(201)
    expect(await seen('ehr')).toEqual([200, 'urn:example:mine', 200, 0])
    expect(await seen('clinic')).toEqual([200, url, 200, 1])
    expect((await gateway.ask('DELETE', `/${name}`)).status).toBeLessThan(300)
    expect(await seen('clinic')).toEqual([200, url, 200, 1])
  })
})
