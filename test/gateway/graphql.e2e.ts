import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ALL_LABELS_ID } from '../../src/consent/labels.js'
import { ConsentGateway, observation } from './consent-gateway.js'

/**
 * GraphQL over HTTP on a real gateway, attacked: `hidden` is a patient who has revoked the hospital's care grant,
 * `open` and `other` are patients who have not.
 */
let gateway: ConsentGateway
const patients: Record<'hidden' | 'open' | 'other', string> = { hidden: '', open: '', other: '' }
let hiddenResult: string
/** Of `open`, with a member of `hidden`. */
let panel: string
/** Of `hidden`, with a member of `open`. */
let hiddenPanel: string
let otherResult: string
let cursor: string
const CODE = { coding: [{ system: 'urn:x', code: 'attacked' }] }

const graphql = (query: string, variables: object = {}, requestId = 'any') =>
  gateway.ask('POST', '/$graphql', { query, variables }, { headers: { 'x-request-id': requestId } })
const member = (id: string) => ({ hasMember: [{ reference: `Observation/${id}` }] })

beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  for (const name of ['hidden', 'open', 'other'] as const) {
    patients[name] = await gateway.create({ resourceType: 'Patient', name: [{ family: `Family-${name}` }] })
  }
  const result = (of: keyof typeof patients, more: object = {}) =>
    gateway.create(observation(patients[of], { code: CODE, ...more }))
  otherResult = await result('other')
  hiddenResult = await result('hidden', { valueString: 'secret-value' })
  panel = await result('open', member(hiddenResult))
  hiddenPanel = await result('hidden', member(panel))
  const page = await graphql('{ ObservationConnection(code: "urn:x|attacked", _count: 1) { next count } }')
  expect(page.body.data.ObservationConnection.count, page.text).toBe(4)
  cursor = page.body.data.ObservationConnection.next
  const { reader, keys } = await gateway.ledger()
  const ledgerId = await gateway.ledgerId(patients.hidden)
  await gateway.send(reader.contracts.write('ConsentRegistry', 'revoke', ledgerId, keys.id, [ALL_LABELS_ID], 0b111111))
  while ((await gateway.ask('GET', `/Patient/${patients.hidden}`)).status !== 403) await sleep(20)
})
afterAll(() => gateway?.close())

const SECRETS = /secret-value|Family-hidden/

describe('consent holds for', () => {
  it('a reference from a permitted resource to one that is not', async () => {
    const through = await graphql(
      `{ Observation(id: "${panel}") { id hasMember { resource { id ... on Observation { valueString } } } } }`,
    )
    expect([through.status, through.body.data]).toEqual([404, null])
    expect(through.body.errors[0].extensions.resource.issue[0].code).toBe('not-found')
    expect(through.text).not.toMatch(SECRETS)
    const never = await graphql(`{ Observation(id: "${panel}") { id hasMember { resource(optional: true) { id } } } }`)
    expect(never.body.data).toEqual({ Observation: { id: panel, hasMember: [{ resource: null }] } })
  })

  it('reverse lists and their totals', async () => {
    const { body, text } = await graphql(
      `{ Observation(id: "${panel}") { ObservationList(_reference: has_member) { id } ObservationConnection(_reference: has_member) { count edges { resource { id } } } } }`,
    )
    expect(body.data, text).toEqual({
      Observation: { ObservationList: [], ObservationConnection: { count: 0, edges: [] } },
    })
    expect(text).not.toContain(hiddenPanel)
    const instance = await gateway.ask(
      'POST',
      `/Observation/${panel}/$graphql`,
      '{ ObservationList(_reference: has_member) { id } }',
      {
        headers: { 'content-type': 'application/graphql' },
      },
    )
    expect([instance.status, instance.body.data], instance.text).toEqual([200, { ObservationList: [] }])
  })

  it('totals, pages and cursors from before', async () => {
    const { body, text } = await graphql(
      '{ ObservationConnection(code: "urn:x|attacked") { count next edges { resource { id } } } }',
    )
    const connection = body.data.ObservationConnection
    expect([connection.count, connection.next], text).toEqual([2, null])
    const seen = connection.edges.map((e: { resource: { id: string } }) => e.resource.id)
    expect(seen.sort()).toEqual([otherResult, panel].sort())
    let next: string | null = cursor
    const paged: string[] = []
    while (next !== null) {
      const page = await graphql(
        'query ($at: String) { ObservationConnection(_cursor: $at) { next count edges { resource { id } } } }',
        { at: next },
      )
      const { count, edges, next: following } = page.body.data.ObservationConnection
      expect(count).toBe(2)
      paged.push(...edges.map((e: { resource: { id: string } }) => e.resource.id))
      next = following
    }
    expect(paged).not.toContain(hiddenResult)
    expect(paged).not.toContain(hiddenPanel)
    expect(paged.length).toBeGreaterThan(0)
  })

  it.each([
    ['its reference', () => `subject: "Patient/${patients.hidden}"`],
    ['a member of it', () => `has_member: "Observation/${hiddenResult}"`],
    ['its id', () => `_id: "${hiddenResult}"`],
  ])('a search by %s', async (_, argument) => {
    const { body, text } = await graphql(
      `{ ObservationConnection(${argument()}, code: "urn:x|attacked") { count edges { resource { id } } } }`,
    )
    const ids = body.data.ObservationConnection.edges.map((e: { resource: { id: string } }) => e.resource.id)
    // the panel is permitted, and so is what it says about itself
    const expected = argument().startsWith('has_member') ? [panel] : []
    expect([body.data.ObservationConnection.count, ids], text).toEqual([expected.length, expected])
  })

  it('what a FHIRPath argument looks at', async () => {
    const list = (expression: string) =>
      graphql('query ($e: String) { ObservationList(code: "urn:x|attacked", fhirpath: $e) { id } }', { e: expression })
    expect((await list('hasMember.exists()')).body.data).toEqual({ ObservationList: [{ id: panel }] })
    expect((await list("value.ofType(string) = 'secret-value'")).body.data).toEqual({ ObservationList: [] })
  })

  it('an instance of its own', async () => {
    const { status, text, body } = await gateway.ask(
      'GET',
      `/Patient/${patients.hidden}/$graphql?query=${encodeURIComponent('{ name { family } }')}`,
    )
    expect([status, body.data]).toEqual([404, null])
    expect(text).not.toMatch(SECRETS)
  })
})

describe('the audit trail', () => {
  it('has an event for each patient that one request named, and for the denial', async () => {
    const query = `{
      a: Observation(id: "${panel}") { subject { resource { ... on Patient { name { family } } } } }
      b: ObservationList(subject: "Patient/${patients.other}") { subject { resource { id } } }
      c: Patient(id: "${patients.hidden}") { id }
    }`
    const before = await counted()
    const { status, body, text } = await graphql(query)
    expect([status, body.data.c], text).toEqual([200, null])
    expect(text).toContain('Family-open')
    const after = await counted()
    // a read and the Patient behind the reference; a search and the Patient behind the reference; a refused read
    expect(after.open - before.open).toBe(2)
    expect(after.other - before.other).toBe(2)
    expect(after.hidden - before.hidden).toBe(1)
    expect(after.denied - before.denied).toBe(1)
  })

  async function counted() {
    const total = async (search: string): Promise<number> =>
      (await gateway.ask('GET', `/AuditEvent?${search}&_summary=count`, undefined, { as: 'auditor' })).body
        .total as number
    return {
      open: await total(`patient=Patient/${patients.open}`),
      other: await total(`patient=Patient/${patients.other}`),
      hidden: await total(`patient=Patient/${patients.hidden}`),
      denied: await total(`patient=Patient/${patients.hidden}&outcome=4`),
    }
  }
})

describe('the way in', () => {
  it('is the FHIR base alone, and with a token', async () => {
    const root = new URL(gateway.fhir).origin
    const body = JSON.stringify({ query: '{ __typename }' })
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${gateway.tokens['ehr']}` }
    for (const path of ['/graphql', '/$graphql', '/', '/graphiql']) {
      for (const method of ['GET', 'POST']) {
        const answer = await fetch(root + path, { method, headers, ...(method === 'POST' ? { body } : {}) })
        expect(`${method} ${path} ${answer.status}`).toBe(`${method} ${path} 404`)
      }
    }
    for (const path of ['/$graphql', `/Patient/${patients.open}/$graphql`]) {
      const answer = await fetch(gateway.fhir + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
      expect(answer.status).toBe(401)
    }
  })

  it('takes the scopes of the token for what is read inside', async () => {
    gateway.tokens['observations'] = await gateway.token('ehr', '--scope', 'system/Observation.rs')
    const subject = (args: string) =>
      gateway.ask(
        'POST',
        '/$graphql',
        {
          query: `{ Observation(id: "${panel}") { subject { resource${args} { ... on Patient { name { family } } } } } }`,
        },
        { as: 'observations' },
      )
    const without = await subject('(optional: true)')
    expect([without.status, without.body.data], without.text).toEqual([
      200,
      { Observation: { subject: { resource: null } } },
    ])
    const refused = await subject('')
    expect([refused.status, refused.body.data], refused.text).toEqual([404, null])
    const list = await gateway.ask('POST', '/$graphql', { query: '{ PatientList { id } }' }, { as: 'observations' })
    expect([list.status, list.body.data], list.text).toEqual([403, null])
  })

  it('tells what is wrong in FHIR’s form, without a stack', async () => {
    const { status, body, text } = await graphql('{ Patient(id: x) { nome } }')
    expect([status, body.data]).toEqual([400, null])
    expect(body.errors[0].locations).toEqual([{ line: 1, column: 20 }])
    expect(body.errors[0].extensions.resource).toMatchObject({
      resourceType: 'OperationOutcome',
      issue: [{ code: 'invalid' }],
    })
    expect(text).not.toMatch(/stack|node_modules|GRAPHQL_/)
  })
})
