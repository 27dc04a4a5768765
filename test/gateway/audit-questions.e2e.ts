import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConsentGateway, observation } from './consent-gateway.js'

/*
 * What an auditor asks, as the README says it, after a patient has granted and revoked, a record was written, read and searched, and
 * somebody was refused.
 */
const [, SECTION = ''] = readFileSync('README.md', 'utf8').split('## What an auditor asks')
/** The last cell of a row of the table, by its first. */
const QUESTIONS = new Map(
  SECTION.split('\n## ')[0]!
    .split('\n')
    .filter((line) => line.startsWith('| ') && line.includes('`'))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|')))
    .map(([, first = '', last = '']) => [first, last]),
)

let gateway: ConsentGateway
/** Others have used the gateway before. Blocks have whole seconds. */
const since = `ge${new Date(Math.floor(Date.now() / 1000) * 1000).toISOString()}`
let patient: string
let record: string
let consent: string
let party: string
const CLINIC = `0x${'c1'.repeat(32)}` as const
beforeAll(async () => {
  gateway = await ConsentGateway.shared()
  await gateway.registerClinic(CLINIC)
  await gateway.register('clinic', { entity: CLINIC })
  patient = await gateway.create({ resourceType: 'Patient' })
  record = await gateway.create(observation(patient))
  consent = await gateway.propose(patient, CLINIC)
  for (const operation of ['to-sign', 'sign', 'revoke']) {
    const given = operation === 'to-sign' ? [] : [await gateway.form(patient)]
    const { status, text } = await gateway.operation(consent, operation, given, { as: given.length ? 'wallet' : 'ehr' })
    expect(status, text).toBe(200)
  }
  await gateway.ask('GET', `/Observation/${record}`)
  await gateway.ask('GET', `/Observation?patient=${patient}`)
  await gateway.ask('GET', `/Observation/${record}/_history`)
  await gateway.ask('GET', `/Patient/${patient}/$everything`)
  expect((await gateway.ask('GET', `/Observation/${record}`, undefined, { as: 'clinic' })).status).toBe(403)
  const [{ resource }] = (await asked(`AuditEvent?entity=Observation/${record}&subtype=read`)).entry
  party = resource.agent[1].who.identifier.value
})
afterAll(() => gateway?.close())

async function asked(query: string) {
  const { status, body, text } = await gateway.ask('GET', `/${query}`, undefined, { as: 'auditor' })
  expect(status, text).toBe(200)
  return body
}

/** The searches of a cell, with what stands in brackets and dots filled in. */
function searchesOf(cell: string): string[] {
  const ids: Record<string, string> = { Patient: patient, Observation: record, Consent: consent }
  const [first = '', ...others] = cell.matchAll(/`([^`]+)`/g).map(([, text = '']) => text)
  const same = first.slice(0, first.indexOf('=') + 1)
  return [first, ...others]
    .map((text) => {
      if (text.includes('?')) return text
      if (text.startsWith('…/sid/')) return `${same}https://consentry.health/fhir${text.slice(1)}`
      return text.includes('=') ? `AuditEvent?${text}` : `${same}${text}`
    })
    .filter((text) => text.includes('=') && !text.includes('$'))
    .map((text) => text.replace(/(\w+)\/\[id\]/g, (_, type) => `${type}/${ids[type]}`).replace('0x…', party))
}

describe('what the README says that an auditor asks', () => {
  it('is found by each of its searches', async () => {
    const searches = [...QUESTIONS.values()].flatMap(searchesOf)
    expect(searches.length).toBeGreaterThan(10)
    for (const search of searches) {
      const date = search.startsWith('Provenance') ? 'recorded' : 'date'
      const found = async () =>
        (await asked(`${search}&${date}=${since}&${date}=lt2099&_sort=-${date}&_count=1`)).total as number
      // Nothing has failed by a fault; what is anchored is told a moment later.
      if (search.includes('outcome=8,12')) expect(await found()).toBe(0)
      else await expect.poll(found, { message: search, timeout: 30_000 }).toBeGreaterThan(0)
    }
  })

  it('is, of grants and revocations, each with the transaction that the Consent names too', async () => {
    const [search = ''] = searchesOf(QUESTIONS.get('grants and revocations with their transactions') ?? '')
    const evidence = (resource: { extension: { url: string; extension: { url: string; valueString: string }[] }[] }) =>
      resource.extension
        .find(({ url }) => url.endsWith('/ledger-evidence'))
        ?.extension.find(({ url }) => url === 'transaction')?.valueString
    const told = async () =>
      ((await asked(`${search}&_sort=date`)).entry ?? []).map(
        ({ resource }: { resource: Parameters<typeof evidence>[0] & { subtype: { code: string }[] } }) => [
          resource.subtype[0]?.code,
          evidence(resource),
        ],
      )
    const versions = (await gateway.ask('GET', `/Consent/${consent}/_history`)).body.entry.map(
      ({ resource }: { resource: never }) => resource,
    )
    const [revoked, granted] = versions.map((version: object) =>
      'extension' in version ? evidence(version as never) : '',
    )
    await expect.poll(told, { timeout: 30_000 }).toEqual([
      // The entity's own care, at registration.
      ['ConsentGranted', expect.stringMatching(/^0x/)],
      ['ConsentGranted', granted],
      ['ConsentRevoked', revoked],
    ])
  })
})
