import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AuditTrail } from '../../src/audit/audit-trail.js'
import type { Occurrence } from '../../src/audit/occurrence.js'
import { wellKnownOfTrail } from '../../src/audit/well-known.js'
import { parseJson } from '../../src/fhir/json.js'
import { parseSearch } from '../../src/fhir/search-query.js'
import { matches, subjectOf } from '../../src/fhir/search/matches.js'
import type { Resource } from '../../src/fhir/types.js'
import { BlindIndex } from '../../src/records/blind-index.js'
import { RecordStore } from '../../src/records/record-store.js'
import type { Clause } from '../../src/clauses/clause.js'
import type { NewAuditRecord } from '../../src/records/types.js'
import { ENGINES, type OpenDatabase } from '../records/open.js'
import { EVERYTHING, hex, INDEX_KEY, version } from '../records/versions.js'

const PARTY = 'https://consentry.health/fhir/sid/party'
const source = { entity: hex(), baseUrl: 'https://hospital.example/fhir' }
const wellKnown = new BlindIndex(INDEX_KEY, wellKnownOfTrail(source))
const byUser = { clientId: 'ehr', entity: hex(), role: 'system', purposes: ['TREAT'] } as const

const happened: Pick<Occurrence, 'interaction' | 'outcome' | 'agent' | 'query'>[] = [
  { interaction: 'create', outcome: '0', agent: { ...byUser, address: '10.0.0.7' } },
  { interaction: 'read', outcome: '4', agent: { ...byUser, address: 'hospital.example' } },
  { interaction: 'search-type', outcome: '0', agent: { ...byUser, address: '::1' }, query: 'code=1' },
  { interaction: '$verify', outcome: '8', agent: { self: true } },
  { interaction: 'delete', outcome: '12', agent: { anonymous: true, address: '10.0.0.8' } },
]

describe.each(ENGINES)('well-known values of the trail on $name', ({ open }) => {
  let opened: OpenDatabase
  let store: RecordStore
  const subjects: { id: string; subject: ReturnType<typeof subjectOf> }[] = []
  const all: NewAuditRecord[] = []
  const patient = version({
    type: 'Patient',
    index: wellKnown.entries('Patient', [{ param: 'identifier', kind: 'token', system: 'urn:mrn', code: '7' }]),
  })

  beforeAll(async () => {
    opened = await open()
    store = new RecordStore(opened.database, wellKnown)
    // Half of the rows as they were before anything was well known, and one of a gateway with another address.
    for (const [index, baseUrl] of [
      [new BlindIndex(INDEX_KEY), source.baseUrl],
      [wellKnown, source.baseUrl],
      [wellKnown, 'https://hospital.example/fhir/2'],
    ] as const) {
      const trail = new AuditTrail(source.entity, baseUrl, index, async (items) =>
        items.map(({ id, body }) => {
          const resource = parseJson(Buffer.from(body)) as unknown as Resource
          subjects.push({ id: id.slice('AuditEvent/'.length), subject: subjectOf(resource, source.baseUrl) })
          return { body, contentHash: new Uint8Array(32), salt: new Uint8Array(32) }
        }),
      )
      const rows = await trail.records(
        happened.map((one, i) => ({
          ...one,
          recorded: Date.UTC(2026, 0, i + 1),
          requestId: `request-${i}`,
          patients: i === 0 ? [{ id: hex(), reference: `Patient/${patient.id}` }] : [],
          data: one.query === undefined ? [{ reference: `Observation/o${i}`, version: 1 }] : [],
        })),
      )
      all.push(...rows)
    }
    await store.commit({ versions: [patient], audit: all })
  })
  afterAll(() => opened.close())

  const found = async (query: string): Promise<string[]> => {
    const search = parseSearch('AuditEvent', [...new URLSearchParams(query)], 'strict', { base: source.baseUrl })
    const { rows } = await store.search(
      { type: 'AuditEvent', clauses: search.clauses, count: 1000, total: false },
      EVERYTHING,
    )
    return rows.map(({ id }) => id).sort()
  }

  it.each([
    ...['create', 'verify', 'http://hl7.org/fhir/restful-interaction|read'].map((code) => `subtype=${code}`),
    ...['rest', 'http://terminology.hl7.org/CodeSystem/audit-event-type|'].map((code) => `type=${code}`),
    ...['0', '4,8', 'http://hl7.org/fhir/audit-event-outcome|12', 'http://hl7.org/fhir/audit-event-outcome|'].map(
      (code) => `outcome=${code}`,
    ),
    ...['action=C', 'action=E,D', 'date=ge2026-01-03', 'date=2026-01-02', '_lastUpdated=gt2020-01-01'],
    ...['1', '2', 'http://terminology.hl7.org/CodeSystem/audit-entity-type|'].map((code) => `entity-type=${code}`),
    ...['1', '4,24', 'http://terminology.hl7.org/CodeSystem/object-role|24'].map((code) => `entity-role=${code}`),
    ...['h', 'HTTPS', 'https://hospital.example/fhir', 'https://hospital.example/fhir/2', '10.0.0', 'hospital'].map(
      (address) => `address=${address}`,
    ),
    ...['https://hospital.example/fhir', 'https://hospital.example', '::1'].map((url) => `address:exact=${url}`),
    ...[source.entity, `${PARTY}|`, `${PARTY}|${source.entity}`, 'ehr', `${PARTY}|${byUser.entity}`].flatMap((who) => [
      `agent:identifier=${who}`,
      `source:identifier=${who}`,
    ]),
    ...['entity:identifier=request-1', `patient=Patient/${patient.id}`, 'entity=Observation/o1'],
    `address=https&outcome=0&subtype=create&agent:identifier=${source.entity}`,
  ])('finds what %s says of the plain resource', async (query) => {
    const search = parseSearch('AuditEvent', [...new URLSearchParams(query)], 'strict', { base: source.baseUrl })
    const expected = subjects.filter(({ subject }) => matches(subject, search)).map(({ id }) => id)
    expect(await found(query)).toEqual(expected.sort())
  })

  it('finds rows of before and after, and of another address', async () => {
    expect(await found('outcome=0')).toHaveLength(6)
    expect(await found('address=https')).toHaveLength(15)
    expect(await found('address:exact=https://hospital.example/fhir')).toHaveLength(10)
    expect(await found(`agent:identifier=${byUser.entity}`)).toHaveLength(9)
  })

  it('finds through chains, of which a clause of a well-known value is the end', async () => {
    const ids = async (type: string, clause: Clause): Promise<string[]> => {
      const { rows } = await store.search({ type, clauses: [clause], count: 1000, total: false }, EVERYTHING)
      return rows.map(({ id }) => id)
    }
    const token = (param: string, code: string): Clause => ({ is: 'filter', param, kind: 'token', values: [{ code }] })
    const ofPatient = (clause: Clause): Clause => ({
      is: 'chain',
      param: 'patient',
      targets: [{ type: 'Patient', clause }],
    })
    expect(await ids('AuditEvent', ofPatient(token('identifier', '7')))).toHaveLength(3)
    expect(await ids('AuditEvent', ofPatient(token('identifier', '8')))).toEqual([])
    const has = (clause: Clause): Clause => ({ is: 'has', type: 'AuditEvent', param: 'patient', clause })
    expect(await ids('Patient', has(token('outcome', '0')))).toEqual([patient.id])
    expect(await ids('Patient', has(token('outcome', '4')))).toEqual([])
  })

  it('needs less than half of the tokens', () => {
    const [before = 0, now = 0] = [0, happened.length].map((i) => all[i]?.index?.tokens.length)
    expect(now).toBeLessThan(before / 2)
  })

  it('knows only what is the same whoever does something to whom', () => {
    const { strings, codes } = wellKnownOfTrail(source)
    expect(strings.map(({ value }) => value)).toEqual([source.baseUrl])
    expect(codes.filter(({ system }) => system === PARTY)).toEqual([{ system: PARTY, code: source.entity }])
  })
})
