import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { end, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { preparedGateway } from '../support/prepared-data.js'
import { tarball } from '../support/package.js'

/** A real gateway with a package of one profile, which every Observation must conform to, and one that may be claimed. */
let data: string
let gateway: RunningProcess
const tokens: Record<string, string> = {}
const PROFILE = 'http://a.org/StructureDefinition/named'

const definition = (url: string, type: string, element: object[]): string =>
  JSON.stringify({
    resourceType: 'StructureDefinition',
    url,
    type,
    baseDefinition: `http://hl7.org/fhir/StructureDefinition/${type}`,
    differential: { element: [{ id: type, path: type }, ...element] },
  })

beforeAll(async () => {
  data = await preparedGateway('consentry-validate-')
  const packages = join(data, 'packages')
  mkdirSync(packages)
  writeFileSync(
    join(packages, 'a.tgz'),
    tarball({
      'package/package.json': '{"name":"a.b","version":"1.0.0"}',
      'package/named.json': definition(PROFILE, 'Patient', [{ id: 'Patient.name', path: 'Patient.name', min: 1 }]),
      'package/colour.json': JSON.stringify({
        resourceType: 'CodeSystem',
        id: 'colour',
        url: 'http://a.org/CodeSystem/colour',
        version: '1.0.0',
        name: 'Colour',
        status: 'active',
        content: 'complete',
        text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Colours</div>' },
        concept: [{ code: 'red' }],
      }),
      'package/dated.json': definition('http://a.org/dated', 'Observation', [
        { id: 'Observation.effective[x]', path: 'Observation.effective[x]', min: 1 },
      ]),
    }),
  )
  gateway = await startGateway(data, {
    EMBEDDED_PROXIES: '0',
    FHIR_PACKAGES: packages,
    FHIR_PROFILES: 'http://a.org/dated',
  })
  for (const name of ['ehr', 'auditor']) tokens[name] = await tokenOf(data, name)
})

afterAll(async () => {
  if (gateway) await end(gateway.child, 'SIGTERM')
  await rm(data, { recursive: true, force: true })
})

interface Issue {
  readonly severity: string
  readonly code: string
  readonly diagnostics: string
  readonly expression?: string[]
}

async function ask(method: string, path: string, body?: unknown, as = 'ehr') {
  const response = await fetch(`${gateway.fhir}${path}`, {
    method,
    headers: { authorization: `Bearer ${tokens[as]}`, 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const answer = JSON.parse(text) as { resourceType: string; id: string; issue: Issue[]; entry?: unknown[] }
  return { status: response.status, body: answer }
}

const parameters = (...parameter: object[]): object => ({ resourceType: 'Parameters', parameter })
const resource = (value: object): object => ({ name: 'resource', resource: value })
const errors = ({ body }: { body: { issue: Issue[] } }): string[] =>
  body.issue.filter(({ severity }) => severity === 'error').map(({ diagnostics }) => diagnostics)

const patient = { resourceType: 'Patient', name: [{ family: 'Wren' }] }
const nameless = { resourceType: 'Patient', active: true }

describe('definitions of packages', () => {
  interface Page {
    readonly total: number
    readonly entry?: readonly { readonly fullUrl: string; readonly resource: { readonly id: string } }[]
  }
  const found = async (path: string): Promise<string[]> => {
    const { status, body } = await ask('GET', path)
    expect(status, path).toBe(200)
    const page = body as unknown as Page // a searchset
    expect(page.total).toBe(page.entry?.length ?? 0)
    return (page.entry ?? []).map(({ resource: { id } }) => id)
  }

  it('are read by name and found by URL, name and all else, and say what was left out', async () => {
    const { status, body } = await ask('GET', '/CodeSystem/colour')
    expect([status, body]).toMatchObject([200, { url: 'http://a.org/CodeSystem/colour', concept: [{ code: 'red' }] }])
    expect(JSON.stringify(body)).toContain('SUBSETTED')
    expect(body).not.toHaveProperty('text')
    // without an id in the package, the last part of its URL
    expect((await ask('GET', '/StructureDefinition/named')).body).toMatchObject({ url: PROFILE, id: 'named' })
    for (const query of [
      'url=http://a.org/CodeSystem/colour',
      'name=Colour',
      '_id=colour',
      'version=1.0.0&status=active',
    ]) {
      expect(await found(`/CodeSystem?${query}`)).toContain('colour')
    }
    expect(await found(`/StructureDefinition?url=${PROFILE}`)).toEqual(['named'])
    expect(await found('/StructureDefinition?url=http://a.org/none')).toEqual([])
    expect((await ask('GET', '/CodeSystem/colours')).status).toBe(404)
  })

  it('of R4 itself are read by name and found by URL, id and name', async () => {
    for (const [type, id, url, name] of [
      ['StructureDefinition', 'Patient', 'http://hl7.org/fhir/StructureDefinition/Patient', 'Patient'],
      ['SearchParameter', 'individual-phonetic', 'http://hl7.org/fhir/SearchParameter/individual-phonetic', 'phonetic'],
      ['CodeSystem', 'administrative-gender', 'http://hl7.org/fhir/administrative-gender', 'AdministrativeGender'],
      [
        'ValueSet',
        'administrative-gender',
        'http://hl7.org/fhir/ValueSet/administrative-gender',
        'AdministrativeGender',
      ],
    ] as const) {
      const { status, body } = await ask('GET', `/${type}/${id}`)
      expect([status, body], `${type}/${id}`).toMatchObject([200, { resourceType: type, id, url, name }])
      expect(await found(`/${type}?url=${url}`)).toEqual([id])
      expect(await found(`/${type}?_id=${id}&url=${url}`)).toEqual([id])
      expect(await found(`/${type}?name=${name}`)).toContain(id)
      expect(await found(`/${type}?url=${url}&status=retired`)).toEqual([])
      expect((await ask('GET', `/${type}/${id}`, undefined, 'auditor')).status).toBe(403)
    }
    // lists of what a site has do not begin with all of R4
    expect(await found('/StructureDefinition?type=Observation')).toEqual(['dated'])
  })

  it('need the scope, and are in the trail', async () => {
    tokens['narrow'] = await tokenOf(data, 'ehr', '--scope', 'system/Patient.rs')
    tokens['other'] = await tokenOf(data, 'ehr', '--scope', 'system/CodeSystem.rs?name=Size')
    for (const [path, as] of [
      ['/CodeSystem/colour', 'narrow'],
      ['/CodeSystem?name=Colour', 'narrow'],
      ['/CodeSystem/colour', 'other'],
    ] as const) {
      expect((await ask('GET', path, undefined, as)).status, `${path} as ${as}`).toBe(403)
    }
    expect((await ask('GET', '/CodeSystem?name=Colour', undefined, 'other')).body).toMatchObject({ total: 0 })
    const trail = await ask('GET', '/AuditEvent?entity=CodeSystem/colour&_count=50', undefined, 'auditor')
    const outcomes = (trail.body.entry as { resource: { outcome: string } }[]).map(
      ({ resource: { outcome } }) => outcome,
    )
    expect(outcomes).toEqual(expect.arrayContaining(['0', '4']))
  })

  it('stand behind what somebody stores under the same name', async () => {
    const mine = {
      resourceType: 'CodeSystem',
      id: 'colour',
      url: 'http://b.org/colour',
      status: 'draft',
      content: 'fragment',
    }
    expect((await ask('PUT', '/CodeSystem/colour', mine)).status).toBe(201)
    expect((await ask('GET', '/CodeSystem/colour')).body).toMatchObject({ url: 'http://b.org/colour' })
    expect(await found('/CodeSystem?url=http://a.org/CodeSystem/colour')).toEqual([])
    expect(await found('/CodeSystem?_id=colour')).toEqual(['colour'])
  })
})

describe('$validate', () => {
  it('says of a good resource that it is good', async () => {
    for (const body of [
      patient,
      parameters(resource(patient)),
      parameters(resource(patient), { name: 'mode', valueCode: 'create' }),
    ]) {
      const answer = await ask('POST', '/Patient/$validate', body)
      expect(answer.status).toBe(200)
      expect(errors(answer)).toEqual([])
      expect(answer.body.issue.at(-1)).toMatchObject({ severity: 'information', code: 'informational' })
    }
  })

  it('answers 200 with every issue of a bad one, warnings too', async () => {
    const answer = await ask(
      'POST',
      '/Patient/$validate',
      parameters(resource({ ...nameless, gender: 'man', birthDate: '1/1/2000' })),
    )
    expect(answer.status).toBe(200)
    expect(errors(answer)).toEqual([
      expect.stringMatching(/^Patient\.gender: the code is not in the required value set/),
      expect.stringMatching(/^Patient\.birthDate: must be a date/),
    ])
    const warned = await ask('POST', '/Patient/$validate', { ...patient, meta: { profile: ['http://b.org/unknown'] } })
    expect(warned.body.issue.map(({ severity, diagnostics }) => `${severity} ${diagnostics}`)).toEqual([
      expect.stringMatching(/^warning Patient: dom-6/),
      'warning Patient: the profile http://b.org/unknown is not loaded, so nothing was checked by it.',
      expect.stringMatching(/^information/),
    ])
    expect(
      errors(
        await ask('POST', '/Patient/$validate', { resourceType: 'Observation', status: 'final', code: { text: 'x' } }),
      ),
    ).toContain('resourceType: the URL is of Patient, so the resource must be a Patient.')
  })

  it('judges by a profile, in the body or the query', async () => {
    const issue = 'Patient.name: the element must be there at least 1 time, not 0.'
    const inBody = parameters(resource(nameless), { name: 'profile', valueUri: PROFILE })
    expect(errors(await ask('POST', '/Patient/$validate', inBody))).toEqual([issue])
    expect(errors(await ask('POST', `/Patient/$validate?profile=${encodeURIComponent(PROFILE)}`, nameless))).toEqual([
      issue,
    ])
    const unknown = await ask('POST', '/Patient/$validate?profile=http://b.org/unknown', nameless)
    expect(errors(unknown)).toEqual([
      'profile: the profile http://b.org/unknown is not loaded here, so nothing was checked by it.',
    ])
  })

  it('holds an update to the id of the URL, and judges what is stored when nothing is sent', async () => {
    const { body } = await ask('POST', '/Patient', nameless)
    const update = parameters(resource({ ...nameless, id: 'other' }), { name: 'mode', valueCode: 'update' })
    expect(errors(await ask('POST', `/Patient/${body.id}/$validate`, update))).toEqual([
      `Patient.id: the id of the resource must be the id of the URL, '${body.id}'.`,
    ])
    const stored = await ask('GET', `/Patient/${body.id}/$validate?profile=${encodeURIComponent(PROFILE)}`)
    expect(errors(stored)).toEqual(['Patient.name: the element must be there at least 1 time, not 0.'])
    const gone = await ask('POST', `/Patient/${body.id}/$validate?mode=delete`)
    expect([gone.status, errors(gone)]).toEqual([200, []])
    expect((await ask('GET', `/Patient/${body.id}`)).status).toBe(200)
    expect((await ask('GET', '/Patient/none/$validate')).status).toBe(404)
  })

  it.each<[string, string, unknown, RegExp]>([
    [
      'a mode that there is not',
      '/Patient/$validate?mode=maybe',
      patient,
      /mode is one of create, update, delete, profile/,
    ],
    ['update of no resource', '/Patient/$validate?mode=update', patient, /is for one resource/],
    ['nothing', '/Patient/$validate', undefined, /nothing to validate/],
    [
      'a parameter that there is not',
      '/Patient/$validate',
      parameters({ name: 'depth' }),
      /are resource, mode and profile/,
    ],
    ['a profile that is no URL', '/Patient/$validate?profile=<b>', patient, /canonical URL/],
    ['no JSON', '/Patient/$validate', '{"resourceType":', /JSON/],
  ])('refuses %s', async (_, path, body, words) => {
    const answer = await ask('POST', path, body)
    expect(answer.status).toBe(400)
    expect(answer.body.issue[0]?.diagnostics).toMatch(words)
  })

  it('asks for a scope, and leaves a record of who asked', async () => {
    expect((await ask('POST', '/Patient/$validate', patient, 'auditor')).status).toBe(403)
    const events = await ask('GET', '/AuditEvent?subtype=%24validate&_count=1', undefined, 'auditor')
    expect([events.status, events.body.issue]).toEqual([200, undefined])
  })

  it('is the same that a write asks', async () => {
    const undated = { resourceType: 'Observation', status: 'final', code: { text: 'x' } }
    const issue = 'Observation.effective: the element must be there at least 1 time, not 0.'
    expect(errors(await ask('POST', '/Observation/$validate', undated))).toEqual([issue])
    const refused = await ask('POST', '/Observation', undated)
    expect([refused.status, errors(refused)]).toEqual([422, [issue]])
    const claimed = await ask('POST', '/Patient', { ...nameless, meta: { profile: [PROFILE] } })
    expect([claimed.status, errors(claimed)]).toEqual([
      422,
      ['Patient.name: the element must be there at least 1 time, not 0.'],
    ])
    const transaction = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [{ resource: undated, request: { method: 'POST', url: 'Observation' } }],
    }
    const whole = await ask('POST', '', transaction)
    expect([whole.status, whole.body.issue[0]?.expression]).toEqual([422, ['Bundle.entry[0].resource.effective']])
  })
})

describe('packages', () => {
  it('that cannot be read, or lack a configured profile, keep the gateway from starting', async () => {
    const bad = join(data, 'bad')
    mkdirSync(bad)
    writeFileSync(join(bad, 'b.tgz'), readFileSync(new URL(import.meta.url)))
    await expect(startGateway(join(data, 'other'), { FHIR_PACKAGES: bad })).rejects.toThrow(
      /b\.tgz cannot be used: is not gzip/,
    )
    await expect(startGateway(join(data, 'other'), { FHIR_PROFILES: 'http://b.org/none' })).rejects.toThrow(
      /http:\/\/b\.org\/none is not loaded/,
    )
  })
})
