import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requestToken } from '../../src/cli/access-token.js'
import type { Hex } from '../../src/ledger/hex.js'
import { ConsentGateway } from './consent-gateway.js'

/*
 * Two callers of different consent over HTTP: the hospital, which sees both patients, and a clinic, which one of them has granted to read.
 * The clinic asks every kind of search before and after the other patient's records are there: not one answer may change, while the
 * hospital's do, or the question could not have told.
 */
let gateway: ConsentGateway
const clinic: Hex = `0x${randomBytes(32).toString('hex')}`
const PAGES_AT_MOST = 20

interface Entry {
  readonly resource: { readonly resourceType: string; readonly id: string }
  readonly search: { readonly mode: string }
}

/** All pages of a search: status, totals, and entries in their order. */
async function answers(query: string, as: string): Promise<string[]> {
  const said: string[] = []
  let path: string | undefined = query
  for (let page = 0; path !== undefined && page < PAGES_AT_MOST; page++) {
    const { status, body } = await gateway.ask('GET', path, undefined, { as })
    const entries = ((body.entry ?? []) as Entry[]).map(
      ({ resource, search }) => `${search.mode} ${resource.resourceType}/${resource.id}`,
    )
    const matches = entries.filter((entry) => entry.startsWith('match'))
    const others = entries.filter((entry) => !entry.startsWith('match')).sort()
    said.push(`${status} ${body.total} ${[...matches, ...others].join(', ')}`)
    if (status !== 200) said.push(JSON.stringify(body.issue))
    path = ((body.link ?? []) as { relation: string; url: string }[]).find(({ relation }) => relation === 'next')?.url
  }
  return said
}

const SYSTEM = 'http://example.org/codes'
const of = (reference: string) => ({ reference })

/** What a patient has; `tell` is part of every name, so that both patients' records lie among each other in any order. */
function records(patient: string, mark: string, at: number): Record<string, object> {
  const id = (name: string): string => `${mark}-${name}`
  const day = (n: number): string => `2024-0${at + n}-01`
  return {
    [`Encounter/${id('e')}`]: { status: 'finished', class: { code: 'AMB' }, subject: of(`Patient/${patient}`) },
    ...Object.fromEntries(
      [0, 2, 4].map((n) => [
        `Observation/${id(`o${n}`)}`,
        {
          status: n === 4 ? 'preliminary' : 'final',
          meta: { tag: [{ system: SYSTEM, code: 'shared' }] },
          code: { coding: codes(mark, n), text: 'Sodium level' },
          subject: of(`Patient/${patient}`),
          encounter: of(`Encounter/${id('e')}`),
          effectiveDateTime: day(n),
          valueQuantity: { value: 10 * (at + n), unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
        },
      ]),
    ),
    [`DiagnosticReport/${id('r')}`]: {
      status: 'final',
      code: { coding: [{ system: SYSTEM, code: 'panel' }] },
      subject: of(`Patient/${patient}`),
      encounter: of(`Encounter/${id('e')}`),
      result: [of(`Observation/${id('o0')}`), of(`Observation/${id('o2')}`)],
    },
    [`List/${id('l')}`]: {
      status: 'current',
      mode: 'working',
      code: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/list-example-use-codes', code: 'problems' }] },
      subject: of(`Patient/${patient}`),
      entry: [{ item: of(`Observation/${id('o0')}`) }, { item: of(`Encounter/${id('e')}`) }],
    },
  }
}

/** The hidden patient's are translated into those of the next, which makes one group of all for who sees them. */
const codes = (mark: string, n: number) =>
  [`c${n}`, ...(mark === 'unseen' ? [`c${(n + 2) % 6}`] : [])].map((code) => ({ system: SYSTEM, code }))

async function put(resources: Record<string, object>): Promise<void> {
  const entry = Object.entries(resources).map(([url, elements]) => {
    const [resourceType, id] = url.split('/')
    return { request: { method: 'PUT', url }, resource: { resourceType, id, ...elements } }
  })
  const { status, text } = await gateway.ask('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })
  expect(status, text).toBe(200)
}

const newPatient = (id: string, family: string) =>
  put({ [`Patient/${id}`]: { name: [{ family, given: ['Robin'] }], gender: 'other', birthDate: '1970-01-01' } })

const QUERIES: readonly string[] = [
  '/Observation?_sort=date',
  '/Observation?_sort=-date&_count=1',
  '/Observation?_sort=status,-value-quantity&_count=2',
  '/Observation?_sort=-_lastUpdated&_count=2',
  '/Observation?_sort=code,-subject&_count=2',
  '/Observation?_sort=-encounter,category,identifier&_count=1',
  '/DiagnosticReport?_sort=-result,_profile&_count=1',
  '/Patient?_sort=family&_count=1',
  '/Patient?_sort=-_id',
  '/Patient?name:contains=ow',
  '/Patient?phonetic=robyn',
  '/Patient?family:missing=false',
  '/Observation?status:not=preliminary',
  '/Observation?code:text=sodium&_summary=count',
  '/Observation?code-value-quantity=c2$gt5',
  '/Observation?subject:Patient.given=Robin',
  '/Observation?encounter.subject:Patient.family:contains=ow',
  '/Patient?_has:Observation:patient:status=final',
  '/Patient?_has:Encounter:subject:_has:Observation:encounter:code=c0',
  '/Encounter?_has:DiagnosticReport:encounter:result.status=final',
  '/DiagnosticReport?_include=DiagnosticReport:result&_include:iterate=Observation:encounter',
  '/DiagnosticReport?_include=*',
  '/Patient?_revinclude=Observation:patient&_revinclude:iterate=DiagnosticReport:result',
  '/Encounter?_revinclude=*',
  '/Observation?_elements=status&_total=accurate',
  '/?_tag=shared',
  '/?_type=Observation,Encounter&_sort=_id&_count=2',
  '/?_type=Observation,Encounter&_sort=-subject,date&_count=2',
  '/?_type=Observation,DiagnosticReport&_sort=code,-date&_count=1',
  '/?_type=Patient,DiagnosticReport,List',
  '/Patient/seen/*',
  '/Patient/unseen/*',
  '/Patient/unseen/Observation',
  '/Encounter/unseen-e/*',
  '/Encounter/seen-e/Observation?_sort=-date',
  '/Observation?_filter=status eq final and value-quantity ge 10||mmol/L',
  '/Observation?_filter=not (subject.given eq "robin") or status pr true',
  '/Patient?_filter=family co "ow" and not (birthdate lt 1960)',
  '/Patient?_filter=_has:Observation:patient:code eq c0',
  '/Observation?_list=unseen-l',
  '/Observation?_list=seen-l',
  '/?_type=Observation,Encounter&_list=seen-l,unseen-l',
  '/?_type=Observation,Encounter&_list=$current-problems',
  '/List?item=Observation/unseen-o0',
  '/Patient/unseen/$everything',
  '/Observation/$lastn?subject:Patient.given=Robin&code=c0,c2,c4',
  '/Observation/$lastn?patient.gender=other&code:missing=false&max=2&_count=1',
  '/Observation/$lastn?patient=seen,unseen&code:text=sodium&_include=Observation:encounter&_summary=data',
  '/Observation/$lastn?patient:Patient._id=unseen&code=c0',
]
/** Asked of what the clinic may see alone, or of nothing that is hidden, so the hospital's answer need not change. */
const INDIFFERENT: ReadonlySet<string> = new Set([
  '/Patient/seen/*',
  '/Encounter/seen-e/Observation?_sort=-date',
  '/Observation?_list=seen-l',
])

beforeAll(async () => {
  gateway = await ConsentGateway.open({ EMBEDDED_PROXIES: '1' })
  await gateway.registerClinic(clinic)
  const { privateKey } = await generateKeyPair('ES384', { extractable: true })
  const key = { ...(await exportJWK(privateKey)), kid: 'clinic-1', alg: 'ES384', use: 'sig' } satisfies JWK
  const { d: _, ...publicKey } = key
  const scopes = 'system/*.rs'
  const client = { id: 'clinic', entity: clinic, scopes, role: 'system', jwks: { keys: [publicKey] } }
  await writeFile(join(gateway.data, 'clients.json'), JSON.stringify([client]))
  const asked = { baseUrl: gateway.fhir, clientId: 'clinic', privateKey: key, scope: scopes }
  gateway.tokens['clinic'] = (await requestToken(asked)).accessToken
  await newPatient('seen', 'Rowan')
  await put(records('seen', 'seen', 2))
  const form = await gateway.form('seen')
  const consent = await gateway.propose('seen', clinic)
  while ((await gateway.operation(consent, 'to-sign')).status !== 200) await sleep(20)
  const signed = await gateway.operation(consent, 'sign', [form], { as: 'wallet' })
  expect([signed.status, signed.body.status], signed.text).toEqual([200, 'active'])
  while ((await answers('/Patient', 'clinic'))[0] !== '200 1 match Patient/seen') await sleep(20)
}, 300_000)
afterAll(() => gateway?.close())

describe('what one caller may not see', () => {
  const before = new Map<string, string[]>()
  const known = new Map<string, string[]>()

  beforeAll(async () => {
    for (const query of QUERIES) {
      before.set(query, await answers(query, 'clinic'))
      known.set(query, await answers(query, 'ehr'))
    }
    await newPatient('unseen', 'Crowther')
    await put(records('unseen', 'unseen', 1))
  }, 300_000)

  it.each(QUERIES)('shows in no total, page, order, include, chain or error of %s', async (query) => {
    const [first = ''] = before.get(query) ?? []
    expect(await answers(query, 'clinic')).toEqual(before.get(query))
    const hospital = await answers(query, 'ehr')
    expect(hospital.join(), 'the hospital is answered').toContain('200')
    if (!INDIFFERENT.has(query)) expect(hospital, 'the question could have told').not.toEqual(known.get(query))
    // questions about what the clinic may see find it, or the comparison would be of nothing with nothing
    if (!query.includes('unseen') && !query.includes('count')) expect(first).toMatch(/^200 [1-9]/)
  })

  it('shows in no $meta of many', async () => {
    const told = async (path: string, as: string) => (await gateway.ask('GET', path, undefined, { as })).text
    const known = [await told('/$meta', 'clinic'), await told('/Encounter/$meta', 'clinic')]
    expect(known[0]).toContain('"shared"')
    const meta = { tag: [{ system: 'urn:example:ward', code: 'hidden-ward' }] }
    const subject = { reference: 'Patient/unseen' }
    await put({ 'Encounter/unseen-tagged': { status: 'finished', class: { code: 'AMB' }, subject, meta } })
    expect([await told('/$meta', 'clinic'), await told('/Encounter/$meta', 'clinic')]).toEqual(known)
    expect(await told('/Encounter/$meta', 'ehr')).toContain('hidden-ward')
  })

  it('is told alike whether it is there or not', async () => {
    for (const path of ['/Patient/unseen', '/Observation/unseen-o0', '/Patient/unseen/$everything']) {
      const there = await gateway.ask('GET', path, undefined, { as: 'clinic' })
      const nowhere = await gateway.ask('GET', path.replaceAll('unseen', 'nobody'), undefined, { as: 'clinic' })
      expect([there.status, JSON.stringify(there.body.issue)], path).toEqual([
        nowhere.status,
        JSON.stringify(nowhere.body.issue),
      ])
      expect(there.status).toBe(403)
    }
  })
})
