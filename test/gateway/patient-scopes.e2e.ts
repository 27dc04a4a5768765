import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requestToken } from '../../src/cli/access-token.js'
import { makeClient } from '../support/clients.js'
import { entityKeys } from '../../src/embedded/entity-keys.js'
import { Keystore } from '../../src/vault/keystore.js'
import { type RunningProcess, tokenOf } from '../support/gateway.js'
import { sharedGateway } from '../support/shared-gateway.js'

/** An application of one patient: what its token reaches beyond the compartment. */
let data: string
let gateway: RunningProcess
const tokens: Record<string, string> = {}

async function ask(path: string, as = 'app', method = 'GET', body?: object) {
  const response = await fetch(`${gateway.fhir}${path}`, {
    method,
    headers: { authorization: `Bearer ${tokens[as]}`, 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  // The tests look into resources of every type.

  return { status: response.status, text, body: text === '' ? undefined : JSON.parse(text) }
}

async function found(path: string, as = 'app'): Promise<string[]> {
  const { status, text, body } = await ask(path, as)
  expect(status, text).toBe(200)
  const entries = (body.entry ?? []) as { resource: { resourceType: string; id: string } }[]
  return entries.map(({ resource: { resourceType, id } }) => `${resourceType}/${id}`).sort()
}

const of = (reference: string) => ({ reference })
const encounter = (patient: string, practitioner: string, organization: string) => ({
  status: 'finished',
  class: { code: 'AMB' },
  subject: of(`Patient/${patient}`),
  participant: [{ individual: of(`Practitioner/${practitioner}`) }],
  serviceProvider: of(`Organization/${organization}`),
})
const RESOURCES: Record<string, object> = {
  'Patient/mine': { name: [{ family: 'Mine' }] },
  'Patient/other': { name: [{ family: 'Other' }], generalPractitioner: [of('Practitioner/stranger')] },
  'Practitioner/known': { name: [{ family: 'Known' }] },
  'Practitioner/stranger': { name: [{ family: 'Stranger' }] },
  'Organization/known': { name: 'Known', partOf: of('Organization/parent') },
  'Organization/parent': { name: 'Parent' },
  'Organization/stranger': { name: 'Stranger' },
  'Basic/nobodys': { code: { text: 'x' } },
  'Encounter/mine': encounter('mine', 'known', 'known'),
  'Encounter/other': encounter('other', 'stranger', 'stranger'),
}

beforeAll(async () => {
  ;({ data, running: gateway } = await sharedGateway())
  tokens['ehr'] = await tokenOf(data, 'ehr')
  const passphrase = (await readFile(join(data, 'passphrase'), 'utf8')).trim()
  const { id: entity } = await entityKeys(await Keystore.open(join(data, 'keystore.json'), passphrase))
  const scopes = { app: 'patient/*.cruds', narrow: 'patient/Encounter.rs patient/Practitioner.r' }
  const clients = await Promise.all(
    Object.entries(scopes).map(([id, of]) => makeClient(id, { entity, patient: 'mine', role: 'patient', scopes: of })),
  )
  await writeFile(join(data, 'clients.json'), JSON.stringify(clients.map(({ registration }) => registration)))
  for (const { registration, privateKey } of clients) {
    const asked = { baseUrl: gateway.fhir, clientId: registration.id, privateKey, scope: registration.scopes }
    tokens[registration.id] = (await requestToken(asked)).accessToken
  }
  const entry = Object.entries(RESOURCES).map(([url, elements]) => {
    const [resourceType, id] = url.split('/')
    return { request: { method: 'PUT', url }, resource: { resourceType, id, ...elements } }
  })
  const { status, text } = await ask('', 'ehr', 'POST', { resourceType: 'Bundle', type: 'transaction', entry })
  expect(status, text).toBe(200)
}, 240_000)
afterAll(() => writeFile(join(data, 'clients.json'), '[]'))

describe('a token with patient scopes', () => {
  it('reads whom and what the records of its patient refer to, and no others', async () => {
    expect((await ask('/Practitioner/known')).status).toBe(200)
    expect((await ask('/Practitioner/known/_history/1')).status).toBe(200)
    expect((await ask('/Organization/known')).status).toBe(200)
    for (const path of ['/Practitioner/stranger', '/Organization/stranger', '/Organization/parent', '/Basic/nobodys']) {
      expect((await ask(path)).status, path).toBe(403)
      expect((await ask(path, 'ehr')).status, path).toBe(200)
    }
  })

  it('finds them and nothing else, in includes, chains and histories too', async () => {
    expect(await found('/Practitioner')).toEqual(['Practitioner/known'])
    expect(await found('/Organization?name=stranger')).toEqual([])
    expect(await found('/Organization?_has:Encounter:service-provider:status=finished')).toEqual(['Organization/known'])
    expect(await found('/Encounter?participant:Practitioner.family=Stranger')).toEqual([])
    expect(await found('/Encounter?_include=*')).toEqual([
      'Encounter/mine',
      'Organization/known',
      'Patient/mine',
      'Practitioner/known',
    ])
    expect(await found('/Practitioner/_history')).toEqual(['Practitioner/known'])
    expect(await found('/Organization?_include=Organization:partof')).toEqual(['Organization/known'])
  })

  it('needs the scope for them, and writes none of them', async () => {
    expect((await ask('/Practitioner/known', 'narrow')).status).toBe(200)
    expect((await ask('/Organization/known', 'narrow')).status).toBe(403)
    expect((await ask('/Practitioner', 'narrow')).status).toBe(403)
    const changed = { resourceType: 'Practitioner', id: 'known', name: [{ family: 'Changed' }] }
    expect((await ask('/Practitioner/known', 'app', 'PUT', changed)).status).toBe(403)
    expect((await ask('/Practitioner', 'app', 'POST', { resourceType: 'Practitioner' })).status).toBe(403)
    expect((await ask('/Practitioner/known', 'app', 'DELETE')).status).toBe(403)
  })

  it('reaches them no more when nothing of the patient refers to them', async () => {
    expect((await ask('/Encounter/mine', 'ehr', 'DELETE')).status).toBe(204)
    expect((await ask('/Practitioner/known')).status).toBe(403)
    expect(await found('/Practitioner')).toEqual([])
  })
})
