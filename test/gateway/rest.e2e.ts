import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { end, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { preparedData } from '../support/prepared-data.js'

/** One real gateway, everything embedded, for the whole file. */
let data: string
let gateway: RunningProcess
const tokens: Record<string, string> = {}

beforeAll(async () => {
  data = await preparedData('consentry-rest-')
  gateway = await startGateway(data, { EMBEDDED_PROXIES: '0', MAX_BODY_BYTES: '300000' })
  for (const name of ['ehr', 'auditor']) tokens[name] = await tokenOf(data, name)
})

afterAll(async () => {
  if (gateway) await end(gateway.child, 'SIGTERM')
  await rm(data, { recursive: true, force: true })
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // The tests look into resources of every type.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any
}

async function ask(method: string, path: string, body?: unknown, more: Record<string, string> = {}): Promise<Answer> {
  const { as = 'ehr', ...headers } = more
  const response = await fetch(`${gateway.fhir}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${tokens[as]}`,
      ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
      ...headers,
    },
    ...(body === undefined
      ? {}
      : { body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text.startsWith('{') ? JSON.parse(text) : text,
  }
}

const issue = (answer: Answer) => answer.body.issue[0] as { code: string; diagnostics: string; expression?: string[] }
const newPatient = (family: string, more: object = {}) => ({ resourceType: 'Patient', name: [{ family }], ...more })
const result = (patient: string, more: object = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] },
  subject: { reference: `Patient/${patient}` },
  ...more,
})

async function patient(family: string): Promise<string> {
  const { status, body } = await ask('POST', '/Patient', newPatient(family))
  expect(status).toBe(201)
  return body.id as string
}

it('names the profiles that it holds resources to', async () => {
  const { resource } = (await ask('GET', '/metadata')).body.rest[0]
  const named = resource.flatMap(({ type, supportedProfile = [] }: { type: string; supportedProfile?: string[] }) =>
    supportedProfile.map((url) => `${type} ${url.replace('https://consentry.health/fhir/StructureDefinition/', '')}`),
  )
  expect(named).toEqual(['Consent consentry-grant', 'Provenance ledger-provenance'])
})

it('names its version as package.json does', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect((await ask('GET', '/metadata')).body.software).toMatchObject({ version })
  const cut = (await ask('GET', '/metadata?_elements=software')).body
  expect([cut.software.version, cut.description, cut.meta.tag[0].code]).toEqual([version, undefined, 'SUBSETTED'])
  const short = await ask('GET', '/metadata?_summary=true')
  expect([short.status, short.body.text]).toEqual([200, undefined])
  expect((await ask('GET', '/metadata?_summary=many')).status).toBe(400)
})

describe('create, read, update, delete, history', () => {
  it('keeps what was sent, decimals included, under an id and version of the server', async () => {
    const id = await patient('Quill')
    const text = JSON.stringify(result(id)).replace(/}$/, ',"valueQuantity":{"value":1.50,"unit":"g"}}')
    const created = await ask('POST', '/Observation', text)
    expect(created.status).toBe(201)
    expect(created.headers.get('etag')).toBe('W/"1"')
    expect(created.headers.get('location')).toMatch(/\/Observation\/[^/]+\/_history\/1$/)
    const read = await ask('GET', `/Observation/${created.body.id}`)
    expect(read.text).toBe(created.text)
    expect(read.text).toContain('"value":1.50')
    const unchanged = await ask('GET', `/Observation/${created.body.id}`, undefined, { 'if-none-match': 'W/"1"' })
    expect([unchanged.status, unchanged.text]).toEqual([304, ''])
    for (const [held, status] of [
      ['*', 304],
      ['W/"7", "1"', 304],
      ['W/"7", W/"8"', 200],
      ['one', 400],
    ] as const) {
      const answer = await ask('GET', `/Observation/${created.body.id}`, undefined, { 'if-none-match': held })
      expect([held, answer.status]).toEqual([held, status])
    }
  })

  it('updates with versions, refuses a stale If-Match, shows history, and is gone after a delete', async () => {
    const id = await patient('Rook')
    const update = (family: string, headers = {}) =>
      ask('PUT', `/Patient/${id}`, { ...newPatient(family), id }, headers)
    expect((await update('Rook-Two', { 'if-match': 'W/"1"' })).headers.get('etag')).toBe('W/"2"')
    const stale = await update('Rook-Three', { 'if-match': 'W/"1"' })
    expect(stale.status).toBe(412)
    expect(issue(stale).diagnostics).toContain('current version is 2')
    expect((await ask('GET', `/Patient/${id}/_history/1`)).body.name[0].family).toBe('Rook')
    expect((await ask('DELETE', `/Patient/${id}`)).status).toBe(204)
    expect((await ask('GET', `/Patient/${id}`)).status).toBe(410)
    const { body: history } = await ask('GET', `/Patient/${id}/_history`)
    expect(history.total).toBe(3)
    expect(history.entry.map((e: { request: { method: string } }) => e.request.method)).toEqual([
      'DELETE',
      'PUT',
      'POST',
    ])
    expect((await ask('GET', `/Patient?_id=${id}`)).body.total).toBe(0)
  })

  it('creates under the id of a PUT', async () => {
    const put = await ask('PUT', '/Patient/chosen-1', { ...newPatient('Chosen'), id: 'chosen-1' })
    expect(put.status).toBe(201)
    expect((await ask('GET', '/Patient/chosen-1')).body.name[0].family).toBe('Chosen')
  })
})

describe('search', () => {
  it('finds by string prefix, token, reference, date, and pages without repeating or missing', async () => {
    const id = await patient('Zumthor')
    const days = ['2020-01-01', '2020-06-15', '2021-03-01', '2022-09-09', '2023-02-02']
    for (const day of days) await ask('POST', '/Observation', result(id, { effectiveDateTime: day }))
    expect((await ask('GET', '/Patient?name=zumt')).body.entry[0].resource.id).toBe(id)
    expect((await ask('GET', '/Patient?name:exact=zumthor')).body.total).toBe(0)
    const of = `patient=Patient/${id}&code=http://loinc.org|718-7`
    expect((await ask('GET', `/Observation?${of}&date=ge2021&date=lt2023`)).body.total).toBe(2)
    const seen: string[] = []
    let next: string | undefined = `/Observation?${of}&_count=2&_sort=_lastUpdated`
    while (next !== undefined) {
      const { body } = await ask('GET', next)
      seen.push(...body.entry.map((e: { resource: { id: string } }) => e.resource.id))
      const url = body.link.find((l: { relation: string }) => l.relation === 'next')?.url as string | undefined
      next = url?.slice(gateway.fhir.length)
    }
    expect(new Set(seen).size).toBe(days.length)
    expect(seen.length).toBe(days.length)
  })

  it('goes on in the form that the first page was asked in, as do a history and $everything', async () => {
    const id = await patient('Format')
    for (const status of ['final', 'amended']) await ask('POST', '/Observation', result(id, { status }))
    await ask('PUT', `/Patient/${id}`, newPatient('Formatted', { id }))
    for (const path of [`Observation?patient=${id}`, `Patient/${id}/_history?`, `Patient/${id}/$everything?`]) {
      const first = await ask('GET', `/${path}&_count=1&_format=xml&_pretty=true`)
      expect(first.text).toMatch(/^<Bundle xmlns="http:\/\/hl7.org\/fhir">\n/)
      const next = /<relation value="next"\/>\s*<url value="([^"]*)"/.exec(first.text)?.[1]?.replaceAll('&amp;', '&')
      expect((await ask('GET', String(next).slice(gateway.fhir.length))).text).toMatch(/^<Bundle [^\n]*>\n/)
    }
    const posted = await ask('POST', '/Observation/_search', `patient=${id}&_count=1&_format=json`, {
      'content-type': 'application/x-www-form-urlencoded',
    })
    expect(posted.body.link[0].url).toMatch(/&_count=1&_format=json$/)
    expect(issue(await ask('GET', '/Observation?_cursor=made-up')).expression).toEqual(['_cursor'])
  })

  it('refuses an unknown parameter, and leaves it out and says so when asked to be lenient', async () => {
    const strict = await ask('GET', '/Patient?colour=blue')
    expect([strict.status, issue(strict).expression]).toEqual([400, ['colour']])
    const lenient = await ask('GET', '/Patient?colour=blue&_count=1', undefined, { prefer: 'handling=lenient' })
    expect(lenient.status).toBe(200)
    expect(lenient.body.link[0].url).not.toContain('colour')
    expect(lenient.body.entry.at(-1).search.mode).toBe('outcome')
  })
})

describe('conditional create', () => {
  it('makes one resource of many concurrent requests', async () => {
    const body = newPatient('Once', { identifier: [{ system: 'urn:x', value: 'once' }] })
    const headers = { 'if-none-exist': 'identifier=urn:x|once' }
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask('POST', '/Patient', body, headers)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 201])
    expect((await ask('GET', '/Patient?identifier=urn:x|once')).body.total).toBe(1)
  })

  it('answers with what is there, as a create does, and to whoever may read it', async () => {
    const identifier = [{ system: 'urn:x', value: 'there' }]
    const made = await ask('POST', '/Patient', newPatient('There', { identifier }))
    const again = (headers: Record<string, string> = {}) =>
      ask('POST', '/Patient', newPatient('Other', { identifier }), {
        'if-none-exist': 'identifier=urn:x|there',
        ...headers,
      })
    const found = await again()
    expect([found.status, found.text]).toEqual([200, made.text])
    for (const header of ['etag', 'location', 'last-modified']) {
      expect(found.headers.get(header)).toBe(made.headers.get(header))
    }
    expect((await again({ prefer: 'return=minimal' })).text).toBe('')
    expect((await again({ prefer: 'return=OperationOutcome' })).body.resourceType).toBe('OperationOutcome')
    const token = await tokenOf(data, 'ehr', '--scope', 'system/Patient.cs')
    const unread = await again({ authorization: `Bearer ${token}` })
    expect([unread.status, unread.text]).toEqual([200, ''])
  })

  it('refuses a condition that several fulfil', async () => {
    await patient('Double')
    await patient('Double')
    const refused = await ask('POST', '/Patient', newPatient('Double'), { 'if-none-exist': 'family=double' })
    expect([refused.status, issue(refused).code]).toEqual([412, 'multiple-matches'])
  })
})

const entry = (method: string, url: string, resource?: object, fullUrl?: string) => ({
  ...(fullUrl === undefined ? {} : { fullUrl }),
  ...(resource === undefined ? {} : { resource }),
  request: { method, url },
})
const bundle = (type: string, ...entries: object[]) => ({ resourceType: 'Bundle', type, entry: entries })
const URN = 'urn:uuid:0b9a7d1e-6a3c-4d0e-9a55-6d3c1a0f1d11'

describe('transaction', () => {
  it('resolves urn:uuid and conditional references, and answers in the order of the request', async () => {
    await ask('POST', '/Practitioner', {
      resourceType: 'Practitioner',
      identifier: [{ system: 'urn:npi', value: '77' }],
    })
    const observation = {
      ...result('x'),
      subject: { reference: URN },
      performer: [{ reference: 'Practitioner?identifier=urn:npi|77' }],
    }
    const { status, body } = await ask(
      'POST',
      '',
      bundle(
        'transaction',
        entry('POST', 'Observation', observation),
        entry('POST', 'Patient', newPatient('Urn'), URN),
      ),
    )
    expect(status).toBe(200)
    expect(body.entry.map((e: { response: { status: string } }) => e.response.status)).toEqual([
      '201 Created',
      '201 Created',
    ])
    const { body: stored } = await ask('GET', `/${body.entry[0].response.location.replace(/\/_history.*/, '')}`)
    expect(stored.subject.reference).toBe(body.entry[1].response.location.replace(/\/_history.*/, ''))
    expect(stored.performer[0].reference).toMatch(/^Practitioner\/[0-9a-f-]{36}$/)
  })

  it.each([
    [
      'an unknown patient',
      [entry('POST', 'Patient', newPatient('Half')), entry('POST', 'Observation', result('nobody'))],
      422,
    ],
    [
      'an invalid resource',
      [entry('POST', 'Patient', newPatient('Half')), entry('POST', 'Observation', { resourceType: 'Observation' })],
      400,
    ],
    [
      'an unresolved urn:uuid',
      [
        entry('POST', 'Patient', newPatient('Half')),
        entry('POST', 'Observation', { ...result('x'), subject: { reference: URN } }),
      ],
      422,
    ],
    [
      'a conditional reference without a match',
      [
        entry('POST', 'Patient', newPatient('Half')),
        entry('POST', 'Observation', { ...result('x'), subject: { reference: 'Patient?identifier=urn:x|nobody' } }),
      ],
      422,
    ],
    [
      'two entries of one identity',
      [entry('PUT', 'Patient/half', { ...newPatient('Half'), id: 'half' }), entry('DELETE', 'Patient/half')],
      400,
    ],
  ])('does nothing when there is %s', async (_, entries, status) => {
    const refused = await ask('POST', '', bundle('transaction', ...entries))
    expect([refused.status, refused.body.resourceType]).toEqual([status, 'OperationOutcome'])
    expect(JSON.stringify(refused.body.issue)).toContain('Bundle.entry[')
    expect((await ask('GET', '/Patient?family=half')).body.total).toBe(0)
  })

  it('admits more patients at once than a block has room for', async () => {
    const entry = Array.from({ length: 150 }, (_, i) => ({
      resource: newPatient(`Many${i}`),
      request: { method: 'POST', url: 'Patient' },
    }))
    const answer = await ask('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })
    expect(answer.status, answer.text.slice(0, 300)).toBe(200)
    expect(
      answer.body.entry.every((one: { response: { status: string } }) => one.response.status.startsWith('201')),
    ).toBe(true)
  })

  it('answers each entry of a batch for itself', async () => {
    const { status, body } = await ask(
      'POST',
      '',
      bundle(
        'batch',
        entry('POST', 'Patient', newPatient('Batch')),
        entry('GET', 'Patient/not-there'),
        entry('POST', 'Observation', result('nobody')),
        entry('GET', 'Patient?family=batch&_summary=count'),
      ),
    )
    expect(status).toBe(200)
    const statuses = body.entry.map((e: { response: { status: string } }) => e.response.status.slice(0, 3))
    expect(statuses).toEqual(['201', '404', '422', '200'])
  })

  it.each<[string, object, number]>([
    ['a read', entry('GET', 'Patient/not-there'), 404],
    ['a version', entry('GET', 'Patient/not-there/_history/1'), 404],
    ['a search', entry('GET', 'Patient?colour=blue'), 400],
    ['a history', entry('GET', 'Patient/not-there/_history'), 404],
    ['an operation', entry('GET', 'Patient/not-there/$everything'), 404],
    ['what is not served', entry('GET', 'Patient/not-there/$nonsense'), 501],
    [
      'an operation that changes something',
      entry('POST', 'Patient/not-there/$meta-add', { resourceType: 'Parameters' }),
      400,
    ],
  ])('does nothing when %s in it is refused', async (_, asked, status) => {
    const id = await patient('Mixed')
    const refused = await ask('POST', '', bundle('transaction', asked, entry('POST', 'Observation', result(id))))
    expect([refused.status, refused.body.resourceType], refused.text).toEqual([status, 'OperationOutcome'])
    expect(issue(refused).expression?.[0]).toMatch(/^Bundle\.entry\[0\]\.request/)
    expect((await ask('GET', `/Observation?patient=Patient/${id}&_summary=count`)).body.total).toBe(0)
  })

  it('reads the state that it makes: what it writes, what it searches, and not what it deletes', async () => {
    const id = await patient('State')
    const made = { ...newPatient('State-Made'), id: 'state-made' }
    const done = await ask(
      'POST',
      '',
      bundle(
        'transaction',
        entry('GET', 'Patient/state-made'),
        entry('GET', `Patient/${id}`),
        entry('GET', `Patient/${id}/_history/2`),
        entry('GET', `Observation?patient=Patient/${id}&_summary=count`),
        entry('GET', 'Patient/state-made/_history'),
        entry('GET', 'metadata'),
        entry('POST', 'Observation', result(id)),
        entry('PUT', `Patient/${id}`, { ...newPatient('State-Changed'), id }),
        entry('PUT', 'Patient/state-made', made),
      ),
    )
    expect(done.status, done.text).toBe(200)
    const [own, changed, version, found, history, metadata] = done.body.entry.map(
      (e: { resource: unknown }) => e.resource,
    )
    expect(own).toMatchObject({ id: 'state-made', meta: { versionId: '1' }, name: [{ family: 'State-Made' }] })
    expect(changed).toMatchObject({ meta: { versionId: '2' }, name: [{ family: 'State-Changed' }] })
    expect(version).toEqual(changed)
    expect((await ask('GET', `/Patient/${id}`)).body).toEqual(changed)
    expect([found.total, history.total, metadata.resourceType]).toEqual([1, 1, 'CapabilityStatement'])
    const gone = await ask(
      'POST',
      '',
      bundle('transaction', entry('DELETE', 'Patient/state-made'), entry('GET', 'Patient/state-made')),
    )
    expect([gone.status, issue(gone)]).toMatchObject([
      410,
      { code: 'deleted', expression: ['Bundle.entry[1].request'] },
    ])
    expect((await ask('GET', '/Patient/state-made')).status).toBe(200)
  })

  it('is answered in the same shape as a batch', async () => {
    const identifier = [{ system: 'urn:shape', value: 's' }]
    const shapes = await Promise.all(
      ['transaction', 'batch'].map(async (type) => {
        const id = `shape-${type}`
        await ask(
          'POST',
          '/Practitioner',
          { resourceType: 'Practitioner', identifier },
          { 'if-none-exist': 'identifier=urn:shape|s' },
        )
        const conditional = { request: { method: 'POST', url: 'Practitioner', ifNoneExist: 'identifier=urn:shape|s' } }
        const entries = bundle(
          type,
          entry('POST', 'Organization', { resourceType: 'Organization', name: 'x' }),
          entry('PUT', `Patient/${id}`, { ...newPatient('Shape'), id }),
          { ...conditional, resource: { resourceType: 'Practitioner', identifier } },
          entry('GET', `Patient/${id}`),
        )
        const whole = await ask('POST', '', entries, { prefer: 'return=representation' })
        const answer = await ask('POST', '', entries)
        const outcome = await ask('POST', '', entries, { prefer: 'return=OperationOutcome' })
        const gone = await ask(
          'POST',
          '',
          bundle(type, entry('DELETE', `Patient/${id}`), entry('DELETE', 'Patient/never')),
        )
        const { response } = answer.body.entry[1]
        expect(response.location).toBe(`Patient/${id}/_history/2`)
        expect(response.lastModified).toBe(answer.body.entry[3].resource.meta.lastUpdated)
        return [whole, answer, outcome, gone].map(({ body }) =>
          body.entry.map((e: { response: object; resource?: object }) => [
            Object.keys(e),
            Object.entries(e.response).map(([name, value]) =>
              name === 'status' || name === 'etag'
                ? value
                : name === 'location'
                  ? String(value).split('/').length
                  : name,
            ),
            e.resource && Object.keys(e.resource),
          ]),
        )
      }),
    )
    expect(shapes[0]).toEqual(shapes[1])
  })
})

describe('scopes', () => {
  const as = async (scope: string): Promise<{ as: string }> => {
    tokens[scope] = await tokenOf(data, 'ehr', '--scope', scope)
    return { as: scope }
  }

  it('tell nothing by a condition without the right to search', async () => {
    const id = await patient('Sought')
    await ask('POST', '/Observation', result(id))
    const creating = await as('system/Observation.c')
    const headers = { ...creating, 'if-none-exist': `patient=Patient/${id}` }
    const conditional = await ask('POST', '/Observation', result(id), headers)
    expect([conditional.status, conditional.headers.get('location')]).toEqual([403, null])
    const referring = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          fullUrl: 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a',
          resource: result(id, { subject: { reference: 'Patient?family=sought' } }),
          request: { method: 'POST', url: 'Observation' },
        },
      ],
    }
    expect((await ask('POST', '', referring, creating)).status).toBe(403)
    expect((await ask('POST', '', referring)).status).toBe(200)
  })

  it('that are granular write nothing and show no earlier version', async () => {
    const id = await patient('Narrow')
    const laboratory = [{ coding: [{ code: 'laboratory' }] }]
    const made = await ask('POST', '/Observation', result(id))
    const path = `/Observation/${made.body.id}`
    const changed = await ask('PUT', path, { ...made.body, category: laboratory })
    expect(changed.status).toBe(200)
    const granular = await as('system/Observation.cruds?category=laboratory')
    expect((await ask('GET', path, undefined, granular)).status).toBe(200)
    expect((await ask('GET', `${path}/_history/2`, undefined, granular)).status).toBe(200)
    expect((await ask('GET', `${path}/_history/1`, undefined, granular)).status).toBe(403)
    expect((await ask('GET', `${path}/_history`, undefined, granular)).status).toBe(403)
    expect((await ask('POST', '/Observation', result(id), granular)).status).toBe(403)
    expect((await ask('PUT', path, changed.body, granular)).status).toBe(403)
    expect((await ask('DELETE', path, undefined, granular)).status).toBe(403)
  })
})

describe('definitions that come with the server', () => {
  const canonical = (name: string) => `https://consentry.health/fhir/${name}`
  const ids = (answer: Answer) =>
    (answer.body.entry ?? []).map((e: { resource: { id: string } }) => e.resource.id) as string[]

  it('are found by search where they are read, by whoever may search their type', async () => {
    for (const name of [
      'StructureDefinition/consentry-grant',
      'CodeSystem/label',
      'OperationDefinition/Consent-sign',
    ]) {
      const [type = '', id = ''] = name.split('/')
      const found = await ask('GET', `/${type}?url=${canonical(name)}`)
      expect([found.body.total, ids(found)], found.text).toEqual([1, [id]])
      expect(found.body.entry[0].fullUrl).toBe(`${gateway.fhir}/${name}`)
      expect((await ask('GET', `/${name}`)).body).toEqual(found.body.entry[0].resource)
    }
    expect((await ask('GET', `/StructureDefinition?url=${canonical('StructureDefinition/none')}`)).body.total).toBe(0)
    const narrow = await tokenOf(data, 'ehr', '--scope', 'system/Patient.rs')
    const as = { authorization: `Bearer ${narrow}` }
    expect((await ask('GET', '/StructureDefinition', undefined, as)).status).toBe(403)
    const granular = await tokenOf(data, 'ehr', '--scope', 'system/CodeSystem.rs?name=Label')
    const inside = { authorization: `Bearer ${granular}` }
    const all = (await ask('GET', '/CodeSystem?_summary=count')).body.total as number
    expect((await ask('GET', '/CodeSystem', undefined, inside)).body.total).toBeLessThan(all)
  })

  it('come before what is stored, page by page, none twice', async () => {
    const before = (await ask('GET', '/NamingSystem?_summary=count')).body.total as number
    expect(before).toBeGreaterThan(1)
    const made: string[] = []
    for (const name of ['A', 'B', 'C']) {
      const uniqueId = [{ type: 'uri', value: `http://example.org/${name}` }]
      const resource = { resourceType: 'NamingSystem', name, status: 'active', kind: 'root', date: '2026', uniqueId }
      made.push((await ask('POST', '/NamingSystem', resource)).body.id as string)
    }
    for (const count of [1, 2, before, before + 1, 50]) {
      const seen: string[] = []
      let next: string | undefined = `/NamingSystem?_count=${count}`
      while (next !== undefined) {
        const page: Answer = await ask('GET', next)
        expect([page.status, page.body.total]).toEqual([200, before + 3])
        expect(ids(page).length).toBeLessThanOrEqual(count)
        expect(ids(page).length).toBeGreaterThan(0)
        seen.push(...ids(page))
        const url = page.body.link.find((l: { relation: string }) => l.relation === 'next')?.url as string | undefined
        next = url?.slice(gateway.fhir.length)
      }
      expect([seen.length, new Set(seen).size, seen.slice(before).toSorted()]).toEqual([
        before + 3,
        before + 3,
        made.toSorted(),
      ])
    }
    const sorted = await ask('GET', `/NamingSystem?_sort=-date,name&_count=${before}`)
    expect([sorted.status, sorted.body.total, ids(sorted).length]).toEqual([200, before + 3, before])
    expect((await ask('GET', '/NamingSystem?_sort=name&_summary=count')).body.total).toBe(before + 3)
    const untold = await ask('GET', '/NamingSystem?_count=1&_total=none')
    expect([untold.status, untold.body.total]).toEqual([200, undefined])
  })
})

describe('what would be believed and is not so', () => {
  it('is refused: a Subscription that nobody serves, wherever it stands', async () => {
    const subscription = (status: string) => ({
      resourceType: 'Subscription',
      status,
      reason: 'x',
      criteria: 'Observation?code=x',
      channel: { type: 'rest-hook', endpoint: 'http://127.0.0.1:1/' },
    })
    for (const status of ['requested', 'active']) {
      const refused = await ask('POST', '/Subscription', subscription(status))
      expect([refused.status, issue(refused)]).toMatchObject([
        422,
        { code: 'not-supported', expression: ['Subscription.status'] },
      ])
      const bundled = await ask('POST', '', bundle('batch', entry('POST', 'Subscription', subscription(status))))
      expect(bundled.body.entry[0].response.status).toMatch(/^422/)
      const judged = await ask('POST', '/Subscription/$validate?mode=create', subscription(status))
      expect(judged.text).toContain('Subscriptions are not served')
    }
    const kept = await ask('POST', '/Subscription', subscription('off'))
    expect(kept.status).toBe(201)
    const patch = [{ op: 'replace', path: '/status', value: 'requested' }]
    const headers = { 'content-type': 'application/json-patch+json' }
    expect((await ask('PATCH', `/Subscription/${kept.body.id}`, patch, headers)).status).toBe(422)
  })

  it('is refused: something new of a Patient who was deleted, or never was', async () => {
    const id = await patient('Departed')
    const before = (await ask('POST', '/Observation', result(id))).body
    const both = bundle('transaction', entry('DELETE', `Patient/${id}`), entry('POST', 'Observation', result(id)))
    expect((await ask('POST', '', both)).status).toBe(422)
    expect((await ask('DELETE', `/Patient/${id}`)).status).toBe(204)
    const refused = await ask('POST', '/Observation', result(id))
    expect([refused.status, issue(refused)]).toMatchObject([
      422,
      { expression: ['Observation.subject'], diagnostics: expect.stringContaining('was deleted') as string },
    ])
    const corrected = await ask('PUT', `/Observation/${before.id}`, { ...before, status: 'entered-in-error' })
    expect(corrected.status, corrected.text).toBe(200)
    const back = bundle(
      'transaction',
      entry('PUT', `Patient/${id}`, { ...newPatient('Departed'), id }),
      entry('POST', 'Observation', result(id)),
    )
    expect((await ask('POST', '', back)).status).toBe(200)
    expect((await ask('POST', '/Observation', result(id))).status).toBe(201)
  })
})

describe('the trail of what was refused', () => {
  interface Event {
    readonly outcomeDesc?: string
    readonly entity: readonly { readonly what?: { readonly reference?: string } }[]
  }
  const events = async (query: string): Promise<Event[]> =>
    ((await ask('GET', `/AuditEvent?${query}&_count=50`, undefined, { as: 'auditor' })).body.entry ?? []).map(
      ({ resource }: { resource: Event }) => resource,
    )

  it('says the codes of what was wrong, and nothing of what was sent', async () => {
    const start = new Date().toISOString()
    await ask('POST', '/Patient', { resourceType: 'Patient', gender: 'Secret-Word' })
    await ask('POST', '/Patient', '<x/>', { 'content-type': 'text/plain' })
    await ask('GET', '/Patient/not-there/$validate')
    const told = await events(`date=ge${start}&outcome=4`)
    expect(told.map(({ outcomeDesc }) => outcomeDesc).toSorted()).toEqual([
      'HTTP 415: not-supported',
      expect.stringMatching(/^malformed: /),
      'not-found: not-found',
    ])
    expect(JSON.stringify(told)).not.toContain('Secret-Word')
    expect(JSON.stringify(told)).toContain('Patient/not-there')
  })

  it('names the patients whose records a condition met, and the patient of a delete that is refused', async () => {
    const family = `Met-${Date.now()}`
    const ids = [await patient(family), await patient(family)]
    for (const [method, body] of [
      ['PUT', newPatient(family)],
      ['DELETE', undefined],
    ] as const) {
      expect((await ask(method, `/Patient?family=${family}`, body)).status).toBe(412)
    }
    await ask('POST', '/Patient', newPatient(family), { 'if-none-exist': `family=${family}` })
    for (const id of ids) {
      const told = await events(`patient=Patient/${id}&outcome=4`)
      expect(told.map(({ outcomeDesc }) => outcomeDesc)).toEqual(
        Array.from({ length: 3 }, () => 'precondition-failed: multiple-matches'),
      )
    }
    const [id = ''] = ids
    const observation = (await ask('POST', '/Observation', result(id))).body.id as string
    expect((await ask('DELETE', `/Observation/${observation}`, undefined, { 'if-match': 'W/"7"' })).status).toBe(412)
    const told = await events(`patient=Patient/${id}&entity=Observation/${observation}&outcome=4`)
    expect(told).toHaveLength(1)
  })
})

describe('what only the server says', () => {
  it('is not said by a client: a Provenance with evidence of the ledger', async () => {
    const base = 'https://consentry.health/fhir/StructureDefinition'
    const provenance = {
      resourceType: 'Provenance',
      target: [{ reference: `Patient/${await patient('Forged')}` }],
      recorded: '2026-01-01T00:00:00Z',
      agent: [{ who: { display: 'somebody' } }],
    }
    const evidence = [{ url: `${base}/ledger-evidence`, extension: [{ url: 'chainId', valueString: '1' }] }]
    expect((await ask('POST', '/Provenance', { ...provenance, extension: evidence })).status).toBe(403)
    const claimed = { ...provenance, meta: { profile: [`${base}/ledger-provenance`] } }
    expect((await ask('POST', '/Provenance', claimed)).status).toBe(403)
    expect((await ask('POST', '/Provenance', provenance)).status).toBe(201)
  })
})

describe('bad input', () => {
  it.each<[string, () => Promise<Answer>, number, string]>([
    ['malformed JSON', () => ask('POST', '/Patient', '{"resourceType":"Patient",'), 400, 'JSON'],
    [
      'another content type',
      () => ask('POST', '/Patient', 'x', { 'content-type': 'text/plain' }),
      415,
      'application/fhir+json',
    ],
    ['an unknown type', () => ask('GET', '/Patiemt/1'), 404, "'Patiemt'. Did you mean Patient"],
    ['a broken encoding', () => ask('GET', '/Patient?family=%zz'), 400, 'value of family'],
    ['a wrong element', () => ask('POST', '/Patient', { resourceType: 'Patient', nmae: 'x' }), 400, 'nmae'],
    ['another type than the URL', () => ask('POST', '/Patient', { resourceType: 'Observation' }), 400, 'Patient'],
    ['an id that is not that of the URL', () => ask('PUT', '/Patient/a', { ...newPatient('A'), id: 'b' }), 400, "'a'"],
    ['an oversized body', () => ask('POST', '/Patient', newPatient('x'.repeat(400_000))), 413, 'larger'],
    ['an unknown patient', () => ask('POST', '/Observation', result('nobody')), 422, 'Patient/nobody'],
    ['no token', () => ask('GET', '/Patient', undefined, { authorization: '' }), 401, 'Bearer'],
    ['a forged token', () => ask('GET', '/Patient', undefined, { authorization: 'Bearer e30.e30.e30' }), 401, 'token'],
    ['a scope that is missing', () => ask('GET', '/Patient', undefined, { as: 'auditor' }), 403, 'system/Patient'],
    ['an AuditEvent by a client', () => ask('POST', '/AuditEvent', { resourceType: 'AuditEvent' }), 405, 'AuditEvent'],
    ['an AuditEvent for a client', () => ask('GET', '/AuditEvent'), 403, 'auditors'],
    ['an operation that is not served', () => ask('POST', '/Patient/$fly', {}), 501, 'Patient/$fly is not served'],
    [
      'an unknown value set',
      () => ask('GET', '/ValueSet/$expand?url=http://x.example/none'),
      404,
      'http://x.example/none',
    ],
    ['an unknown parameter of a history', () => ask('GET', '/Patient/_history?colour=red'), 400, 'colour'],
    ['an empty condition', () => ask('DELETE', '/Patient'), 412, 'search parameter of Patient'],
    ['a page of nonsense', () => ask('GET', '/Patient?_count=many'), 400, '_count'],
    ['a forged cursor', () => ask('GET', '/Patient?_cursor=abc'), 400, 'cursor'],
  ])('%s has an outcome that names it', async (_, request, status, word) => {
    const answer = await request()
    expect([answer.status, answer.body.resourceType]).toEqual([status, 'OperationOutcome'])
    expect(JSON.stringify(answer.body.issue)).toContain(word)
  })

  const unread = '{"resourceType":"Patient",\n "name":[{"given":["Zumthor",]}]}'
  const unreadXml = '<Patient xmlns="http://hl7.org/fhir">\n<name><given value="Zumthor" value="x"/></name></Patient>'
  const batch = `{"resourceType":"Bundle","type":"batch","entry":[{"request":{},\n"resource":{"id":01}}]}`
  const large = `{"resourceType":"Patient",\n"text":{"div":"${'x'.repeat(100_000)}"},"active":tru}`
  const bytesOf = (text: string) => ask('POST', '/Patient', Buffer.from(text, 'latin1'))
  it.each<[string, () => Promise<Answer>, RegExp, string | undefined]>([
    ['a resource', () => ask('POST', '/Patient', unread), /line 2, column 30.* comma/, 'Patient.name[0].given'],
    ['an update', () => ask('PUT', '/Patient/a', unread), /line 2, column 30/, 'Patient.name[0].given'],
    [
      'what is validated',
      () => ask('POST', '/Patient/$validate', unread),
      /line 2, column 30/,
      'Patient.name[0].given',
    ],
    ['a batch', () => ask('POST', '', batch), /line 2, column 18.* number/, 'Bundle.entry[0].resource.id'],
    ['a large resource', () => ask('POST', '/Patient', large), /line 2, column 100028.* value/, 'Patient.active'],
    [
      'a resource in XML',
      () => ask('POST', '/Patient', unreadXml, { 'content-type': 'application/fhir+xml' }),
      /there twice.*line 2, column 40/,
      'Patient.name[0].given[0]',
    ],
    [
      'a patch',
      () => ask('PATCH', '/Patient/a', '[{"op":"test",\n}]', { 'content-type': 'application/json-patch+json' }),
      /line 2, column 1.* comma/,
      undefined,
    ],
    [
      'a query of GraphQL',
      () => ask('POST', '/$graphql', '{"query":\n}', { 'content-type': 'application/json' }),
      /line 2, column 1.* value/,
      'query',
    ],
    [
      'no query of GraphQL',
      () => ask('POST', '/$graphql', 'null', { 'content-type': 'application/json' }),
      /JSON object with a member query/,
      undefined,
    ],
    ['what is no UTF-8', () => bytesOf('{"resourceType":\n"é"}'), /UTF-8 \(line 2, column 2\)/, undefined],
  ])('that is not even read names the place: %s', async (_, request, diagnostics, expression) => {
    const answer = await request()
    expect([answer.status, answer.body.resourceType], answer.text).toEqual([400, 'OperationOutcome'])
    expect(issue(answer).diagnostics).toMatch(diagnostics)
    expect(issue(answer).expression).toEqual(expression === undefined ? undefined : [expression])
    expect(answer.text).not.toContain('Zumthor')
  })
})

describe('GraphQL', () => {
  it('places what is missing at the end of a query where that ends', async () => {
    const query = '{ Patient(id: x)\n{ id '
    const { status, body } = await ask('POST', '/$graphql', { query }, { 'content-type': 'application/json' })
    expect([status, body.errors[0].locations]).toEqual([400, [{ line: 2, column: 6 }]])
  })

  it('follows references through the same interactions', async () => {
    const id = await patient('Graph')
    await ask('POST', '/Observation', result(id))
    const query = `{ Patient(id: "${id}") { name { family } } ObservationList(patient: "Patient/${id}") { subject { resource { ... on Patient { name { family } } } } } }`
    const { status, body } = await ask('POST', '/$graphql', { query }, { 'content-type': 'application/json' })
    expect(status).toBe(200)
    expect(body.data.Patient.name[0].family).toBe('Graph')
    expect(body.data.ObservationList[0].subject.resource.name[0].family).toBe('Graph')
  })
})

describe('the audit trail', () => {
  it('has one event for each access and each patient, denials included, before the client is told', async () => {
    const id = await patient('Traced')
    const made = await ask('POST', '/Observation', result(id))
    await ask('GET', `/Observation/${made.body.id}`)
    await ask('GET', `/Observation?patient=Patient/${id}`)
    const events = await ask('GET', `/AuditEvent?patient=Patient/${id}&_count=100&_sort=_lastUpdated`, undefined, {
      as: 'auditor',
    })
    const byClient = events.body.entry
      .map(
        (e: { resource: { agent: { who: { identifier?: { value: string } } }[]; subtype: { code: string }[] } }) =>
          e.resource,
      )
      .filter(
        (event: { agent: { who: { identifier?: { value: string } } }[] }) =>
          event.agent[0]?.who.identifier?.value === 'ehr',
      )
    const subtypes = byClient.map((event: { subtype: { code: string }[] }) => event.subtype.at(-1)?.code)
    expect(subtypes).toEqual(['create', 'create', 'read', 'search-type'])
    const before = await ask('GET', '/AuditEvent?outcome=4&_summary=count', undefined, { as: 'auditor' })
    await ask('GET', '/Patient/not-there')
    const after = await ask('GET', '/AuditEvent?outcome=4&_summary=count', undefined, { as: 'auditor' })
    expect(after.body.total).toBe(before.body.total + 1)
  })

  it('has what the edge refused: callers without a good token, and bodies that nobody can read', async () => {
    const known = async () =>
      (await ask('GET', '/AuditEvent?outcome=4&_count=200', undefined, { as: 'auditor' })).body.entry.map(
        (e: { resource: object }) => JSON.stringify(e.resource),
      ) as string[]
    const before = new Set(await known())
    expect((await ask('GET', '/Patient/foreign', undefined, { authorization: 'Bearer nonsense' })).status).toBe(401)
    expect((await ask('POST', '/Patient', '<Patient', { 'content-type': 'application/fhir+xml' })).status).toBe(400)
    const [second, first, ...others] = (await known()).filter((event) => !before.has(event))
    expect(others).toEqual([])
    expect(first).toContain('not authenticated')
    expect(first).toContain('Patient/foreign')
    expect(second).toContain('"value":"ehr"')
    expect(second).toContain('HTTP 400')
  })
})

describe('patch', () => {
  const json = { 'content-type': 'application/json-patch+json' }
  const fhirPath = (...parts: object[]) => ({
    resourceType: 'Parameters',
    parameter: [{ name: 'operation', part: parts }],
  })
  const replaceFamily = (family: string) =>
    fhirPath(
      { name: 'type', valueCode: 'replace' },
      { name: 'path', valueString: 'Patient.name[0].family' },
      { name: 'value', valueString: family },
    )

  it('changes what a JSON Patch or a FHIRPath Patch says, and nothing else', async () => {
    const exact = [{ url: 'http://example.org/x', valueDecimal: '$' }]
    const text = JSON.stringify(newPatient('Patched', { extension: exact })).replace('"$"', '1.50')
    const { id } = (await ask('POST', '/Patient', text)).body
    const first = await ask('PATCH', `/Patient/${id}`, [{ op: 'add', path: '/gender', value: 'female' }], json)
    expect([first.status, first.headers.get('etag'), first.body.gender]).toEqual([200, 'W/"2"', 'female'])
    expect(first.text).toContain('"valueDecimal":1.50')
    const second = await ask('PATCH', `/Patient/${id}`, replaceFamily('Patched-Anew'))
    expect([second.status, second.body.name[0].family, second.body.gender]).toEqual([200, 'Patched-Anew', 'female'])
    const found = await ask('GET', '/Patient?family=Patched-Anew&_summary=count')
    expect(found.body.total).toBe(1)
    const xml = `<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/><part><name value="type"/><valueCode value="delete"/></part><part><name value="path"/><valueString value="Patient.gender"/></part></parameter></Parameters>`
    const third = await ask('PATCH', `/Patient/${id}`, xml, { 'content-type': 'application/fhir+xml' })
    expect([third.status, third.body.gender]).toEqual([200, undefined])
  })

  it('is refused with the reason, and then nothing has changed', async () => {
    const id = await patient('Unpatched')
    const refused = async (status: number, body: unknown, headers: Record<string, string> = json) => {
      const answer = await ask('PATCH', `/Patient/${id}`, body, headers)
      expect([answer.status, answer.body.resourceType]).toEqual([status, 'OperationOutcome'])
      return issue(answer)
    }
    expect((await refused(422, [{ op: 'test', path: '/name/0/family', value: 'x' }])).expression).toEqual(['Patch[0]'])
    expect((await refused(422, [{ op: 'remove', path: '/birthDate' }])).code).toBe('not-found')
    expect((await refused(422, [{ op: 'replace', path: '/id', value: 'x' }])).diagnostics).toContain('type or the id')
    expect((await refused(400, [{ op: 'add', path: '/gender', value: 'x' }])).expression).toEqual(['Patient.gender'])
    expect((await refused(400, { op: 'add' })).diagnostics).toContain('array')
    expect((await refused(412, [], { ...json, 'if-match': 'W/"7"' })).diagnostics).toContain('version 7')
    expect((await refused(415, '<diff/>', { 'content-type': 'application/xml-patch+xml' })).diagnostics).toMatch(
      /XML Patch is not served; send a JSON Patch/,
    )
    expect((await ask('GET', `/Patient/${id}`)).headers.get('etag')).toBe('W/"1"')
    expect((await ask('PATCH', '/Patient/nobody', [], json)).status).toBe(404)
  })

  it('loses none of many concurrent ones', async () => {
    const id = await patient('Contended')
    const add = (value: string) =>
      ask('PATCH', `/Patient/${id}`, [{ op: 'add', path: '/name/0/given', value: [value] }], json)
    await add('0')
    const append = (value: string) =>
      ask('PATCH', `/Patient/${id}`, [{ op: 'add', path: '/name/0/given/-', value }], json)
    const answers = await Promise.all(['1', '2', '3', '4'].map(append))
    const accepted = answers.filter(({ status }) => status === 200).length
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true)
    const { body } = await ask('GET', `/Patient/${id}`)
    expect(body.name[0].given).toHaveLength(1 + accepted)
    expect(accepted).toBeGreaterThan(0)
  })

  it('works by a condition, in a transaction and in a batch', async () => {
    const identifier = [{ system: 'http://example.org/patch', value: 'p1' }]
    const { id } = (await ask('POST', '/Patient', newPatient('Conditional', { identifier }))).body
    const url = 'Patient?identifier=http://example.org/patch|p1'
    const direct = await ask('PATCH', `/${url}`, replaceFamily('By-Condition'))
    expect([direct.status, direct.body.id, direct.body.name[0].family]).toEqual([200, id, 'By-Condition'])
    expect((await ask('PATCH', '/Patient?identifier=http://example.org/patch|none', replaceFamily('x'))).status).toBe(
      404,
    )

    const data = Buffer.from(JSON.stringify([{ op: 'add', path: '/gender', value: 'other' }])).toString('base64')
    const binary = { resourceType: 'Binary', contentType: 'application/json-patch+json', data }
    for (const type of ['transaction', 'batch']) {
      const bundle = {
        resourceType: 'Bundle',
        type,
        entry: [
          { request: { method: 'PATCH', url }, resource: replaceFamily(`In-${type}`) },
          { request: { method: 'GET', url: `Patient/${id}` } },
        ],
      }
      const answer = await ask('POST', '/', bundle)
      expect(answer.body.entry.map((e: { response: { status: string } }) => e.response.status)).toEqual([
        '200 OK',
        '200 OK',
      ])
      expect(answer.body.entry[1].resource.name[0].family).toBe(`In-${type}`)
      const json = {
        resourceType: 'Bundle',
        type,
        entry: [{ request: { method: 'PATCH', url: `Patient/${id}` }, resource: binary }],
      }
      expect((await ask('POST', '/', json)).body.entry[0].response.status).toBe('200 OK')
    }
    expect((await ask('GET', `/Patient/${id}`)).body.gender).toBe('other')
  })

  it('needs the right to read besides the one to update, for it tells what is there', async () => {
    const id = await patient('Untold')
    const update = await tokenOf(data, 'ehr', '--scope', 'system/Patient.u')
    const answer = await ask('PATCH', `/Patient/${id}`, [], { ...json, authorization: `Bearer ${update}` })
    expect([answer.status, issue(answer).diagnostics]).toEqual([403, expect.stringContaining('system/Patient.r')])
  })
})

describe('conditions on a URL', () => {
  const identifier = (value: string) => [{ system: 'http://example.org/cond', value }]
  const url = (value: string) => `/Patient?identifier=http://example.org/cond|${value}`

  it('update creates what is not there, updates the one that is, and refuses several', async () => {
    const made = await ask('PUT', url('u'), newPatient('Cond', { identifier: identifier('u') }))
    expect(made.status).toBe(201)
    const again = await ask('PUT', url('u'), newPatient('Cond-Two', { identifier: identifier('u') }))
    expect([again.status, again.body.id, again.headers.get('etag')]).toEqual([200, made.body.id, 'W/"2"'])
    const other = await ask('PUT', url('u'), newPatient('X', { identifier: identifier('u'), id: 'another' }))
    expect([other.status, issue(other).expression]).toEqual([400, ['Patient.id']])
    const own = await ask('PUT', url('own'), newPatient('Own', { identifier: identifier('own'), id: 'cond-own' }))
    expect([own.status, own.body.id]).toEqual([201, 'cond-own'])
    const others = newPatient('Over', { identifier: identifier('elsewhere'), id: 'cond-own' })
    const taken = await ask('PUT', url('elsewhere'), others)
    expect([taken.status, issue(taken).expression]).toEqual([409, ['Patient.id']])
    const entry = [{ resource: others, request: { method: 'PUT', url: url('elsewhere').slice(1) } }]
    const together = await ask('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })
    expect([together.status, issue(together).expression]).toEqual([409, ['Bundle.entry[0].resource.id']])
    expect((await ask('GET', '/Patient/cond-own')).body).toMatchObject({
      meta: { versionId: '1' },
      name: [{ family: 'Own' }],
    })
    await ask('DELETE', '/Patient/cond-own')
    expect((await ask('PUT', url('elsewhere'), others)).status).toBe(201)
    await ask('POST', '/Patient', newPatient('Twin', { identifier: identifier('u') }))
    const several = await ask('PUT', url('u'), newPatient('X', { identifier: identifier('u') }))
    expect([several.status, issue(several).code]).toEqual([412, 'multiple-matches'])
    expect((await ask('PUT', '/Patient', newPatient('X'))).status).toBe(412)
    expect((await ask('PUT', '/Patient?nonsense=1', newPatient('X'))).status).toBe(400)
  })

  it('concurrent conditional updates make one resource', async () => {
    const put = () => ask('PUT', url('race'), newPatient('Race', { identifier: identifier('race') }))
    const answers = await Promise.all([put(), put(), put(), put()])
    expect(answers.map(({ status }) => status).filter((status) => status === 201)).toHaveLength(1)
    expect(answers.every(({ status }) => [200, 201, 409].includes(status))).toBe(true)
    expect((await ask('GET', `${url('race')}&_summary=count`)).body.total).toBe(1)
  })

  it('delete takes one, and several only when the client says how many it means', async () => {
    for (let i = 0; i < 3; i++) await ask('POST', '/Patient', newPatient('Doomed', { identifier: identifier('d') }))
    const several = await ask('DELETE', url('d'))
    expect([several.status, issue(several).code]).toEqual([412, 'multiple-matches'])
    expect((await ask('DELETE', `${url('d')}&_count=2`)).status).toBe(412)
    expect((await ask('GET', `${url('d')}&_summary=count`)).body.total).toBe(3)
    const together = await ask('DELETE', `${url('d')}&_count=3`)
    expect([together.status, issue(together).diagnostics]).toEqual([200, '3 resources were deleted.'])
    expect((await ask('GET', `${url('d')}&_summary=count`)).body.total).toBe(0)
    expect((await ask('DELETE', url('d'))).status).toBe(204)
    expect((await ask('DELETE', '/Patient')).status).toBe(412)
    expect((await ask('DELETE', `${url('d')}&_count=x`)).status).toBe(400)
  })
})

describe('the compartment of a patient', () => {
  it('is not escaped by spelling: URLs of this server are its own, any other URL of a patient is refused', async () => {
    const id = await patient('Spelled')
    const of = (reference: string) => result(id, { subject: { reference } })
    const own = await ask('POST', '/Observation', of(`${gateway.fhir}/Patient/${id}`))
    expect([own.status, own.body.subject.reference]).toEqual([201, `Patient/${id}`])
    const versioned = await ask('POST', '/Observation', of(`${gateway.fhir}/Patient/${id}/_history/1`))
    expect([versioned.status, versioned.body.subject.reference]).toEqual([201, `Patient/${id}/_history/1`])
    const entry = { request: { method: 'POST', url: 'Observation' }, resource: of(`${gateway.fhir}/Patient/${id}`) }
    const bundle = await ask('POST', '/', { resourceType: 'Bundle', type: 'transaction', entry: [entry] })
    expect(bundle.status).toBe(200)
    const found = await ask('GET', `/Observation?subject=Patient/${id}&_summary=count`)
    expect(found.body.total).toBe(3)
    const other = gateway.fhir.replace('127.0.0.1', 'localhost')
    for (const reference of [
      `${other}/Patient/${id}`,
      `${gateway.fhir.replace('http:', 'HTTP:')}/Patient/${id}`,
      `${gateway.fhir.replace('http:', 'https:')}/Patient/${id}`,
      `${gateway.fhir}//Patient/${id}`,
      `${gateway.fhir}/Patient/${id}/`,
      `${gateway.fhir}/patient/${id}`,
      `${gateway.fhir}/Patient/${id}?x=1`,
      `http://elsewhere.example.org/fhir/Patient/${id}`,
    ]) {
      const refused = await ask('POST', '/Observation', of(reference))
      expect([reference, refused.status]).toEqual([reference, 422])
      expect(issue(refused)).toMatchObject({ code: 'not-found', expression: ['Observation.subject'] })
    }
    // Outside of a transaction nobody resolves these: kept, they would lie in nobody's compartment.
    for (const reference of ['Patient?family=spelled', 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0b']) {
      for (const refused of [
        await ask('POST', '/Observation', of(reference)),
        await ask('PUT', `/Observation/${own.body.id}`, { ...of(reference), id: own.body.id }),
      ]) {
        expect([reference, refused.status]).toEqual([reference, 422])
        expect(issue(refused)).toMatchObject({ code: 'not-found', expression: ['Observation.subject'] })
      }
    }
    const alone = { request: { method: 'POST', url: 'Observation' }, resource: of(`urn:uuid:${crypto.randomUUID()}`) }
    const batch = await ask('POST', '/', { resourceType: 'Bundle', type: 'batch', entry: [alone] })
    expect(batch.body.entry[0].response.status).toMatch(/^4/)
    const performed = result(id, { performer: [{ reference: 'Practitioner?identifier=x' }] })
    expect((await ask('POST', '/Observation', performed)).status).toBe(201)
    const patch = [{ op: 'replace', path: '/subject/reference', value: `${other}/Patient/${id}` }]
    const headers = { 'content-type': 'application/json-patch+json' }
    expect((await ask('PATCH', `/Observation/${own.body.id}`, patch, headers)).status).toBe(422)
  })
})

describe('what a reviewer broke', () => {
  const trailOf = async (id: string) =>
    (await ask('GET', `/AuditEvent?patient=Patient/${id}&_count=200`, undefined, { as: 'auditor' })).text

  it('a record that moves to another patient is in the trails of both', async () => {
    const [from, to] = [await patient('Moved-From'), await patient('Moved-To')]
    const made = (await ask('POST', '/Observation', result(from))).body
    const moved = await ask('PUT', `/Observation/${made.id}`, { ...made, subject: { reference: `Patient/${to}` } })
    expect(moved.status).toBe(200)
    for (const id of [from, to]) expect(await trailOf(id)).toContain(`Observation/${made.id}/_history/2`)
  })

  it('what a condition finds of a patient is in its trail: conditional create, and references of a transaction', async () => {
    const id = await patient('Found')
    const identifier = [{ system: 'urn:found', value: 'f1' }]
    await ask('POST', '/Observation', result(id, { identifier }))
    const condition = 'identifier=urn:found|f1'
    const again = await ask('POST', '/Observation', result(id, { identifier }), { 'if-none-exist': condition })
    expect(again.status).toBe(200)
    const count = async () => (await trailOf(id)).split('"search-type"').length
    const before = await count()
    expect(await trailOf(id)).toContain('"search-type"')
    const extension = [{ url: 'http://example.org/x', valueReference: { reference: `Observation?${condition}` } }]
    const entry = [
      {
        request: { method: 'POST', url: 'Basic' },
        resource: { resourceType: 'Basic', code: { text: 'x' }, extension },
      },
    ]
    const answer = await ask('POST', '/', { resourceType: 'Bundle', type: 'transaction', entry })
    expect(answer.text).toContain('201')
    expect(await count()).toBeGreaterThan(before)
  })

  it('a Binary in a batch is a resource, whatever its bytes say', async () => {
    const data = Buffer.from('{"resourceType":"Patient","id":"forged"},"x":[[[').toString('base64')
    const binary = { resourceType: 'Binary', contentType: 'application/x-json', data }
    const { id } = (await ask('POST', '/Binary', binary, { accept: 'application/fhir+json' })).body
    const entry = [{ request: { method: 'GET', url: `Binary/${id}` } }]
    for (const type of ['batch', 'transaction']) {
      const answer = await ask('POST', '/', { resourceType: 'Bundle', type, entry })
      expect(answer.body.entry[0].resource).toMatchObject({ resourceType: 'Binary', data })
    }
  })

  it('a pattern that would never end is refused', async () => {
    const value = `${'(?:.|.)'.repeat(30)}.*!`
    const include = [
      {
        system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode',
        filter: [{ property: 'display', op: 'regex', value }],
      },
    ]
    const valueSet = { resourceType: 'ValueSet', status: 'active', compose: { include } }
    const body = { resourceType: 'Parameters', parameter: [{ name: 'valueSet', resource: valueSet }] }
    expect((await ask('POST', '/ValueSet/$expand', body)).status).toBeGreaterThanOrEqual(400)
  })

  it.each([
    ['/Patient/$everything', { resourceType: 'Parameters', parameter: [null] }],
    ['/Patient/$validate', { resourceType: 'Parameters', parameter: [{ name: { toString: 1, valueOf: 1 } }] }],
    ['/Consent', { resourceType: 'Consent', meta: { profile: [{ toString: 1, valueOf: 1 }] } }],
    ['/Basic', null],
    ['/', null],
    ['/Basic', { resourceType: 'Basic', contained: [{ resourceType: 'Consent', status: { toString: 1 } }] }],
  ])('%s with what nobody expects is a 4xx', async (path, body) => {
    const { status } = await ask('POST', path, JSON.stringify(body))
    expect([status >= 400, status < 500]).toEqual([true, true])
  })

  it('what the ledger says is not said by a client inside of another resource', async () => {
    const url = 'https://consentry.health/fhir/StructureDefinition/ledger-evidence'
    const provenance = { resourceType: 'Provenance', extension: [{ url, extension: [] }] }
    const bundle = { resourceType: 'Bundle', type: 'collection', entry: [{ resource: provenance }] }
    expect((await ask('POST', '/Bundle', bundle)).status).toBe(403)
    expect((await ask('POST', '/Basic', { resourceType: 'Basic', code: {}, contained: [provenance] })).status).toBe(403)
  })

  it('thousands of tags are merged at once', async () => {
    const id = await patient('Tags')
    const tags = (from: number) => ({
      resourceType: 'Parameters',
      parameter: [
        {
          name: 'meta',
          valueMeta: { tag: Array.from({ length: 2000 }, (_, i) => ({ system: 'urn:t', code: `t${from + i}` })) },
        },
      ],
    })
    expect((await ask('POST', `/Patient/${id}/$meta-add`, tags(0))).status).toBe(200)
    const added = await ask('POST', `/Patient/${id}/$meta-add`, tags(1000))
    expect(added.body.parameter[0].valueMeta.tag).toHaveLength(3000)
  })

  it('a Binary follows a Patient, or is refused', async () => {
    const id = await patient('Context')
    const observation = (await ask('POST', '/Observation', result(id))).body.id as string
    const context = { securityContext: { reference: `Observation/${observation}` } }
    const refused = await ask('POST', '/Binary', { resourceType: 'Binary', contentType: 'image/png', ...context })
    expect([refused.status, issue(refused).expression]).toEqual([422, ['Binary.securityContext']])
  })
})

describe('a batch', () => {
  it('refuses an entry that is no FHIR for itself, does the others, and gives the answers of operations', async () => {
    const id = await patient('Batched')
    const entry = [
      { request: { method: 'POST', url: 'Patient' }, resource: newPatient('Sound') },
      { request: { method: 'POST', url: 'Patient' }, resource: newPatient('Unsound', { gender: 'femle' }) },
      { request: { method: 'POST', url: 'Patient' }, resource: newPatient('Unknown', { nickname: 'x' }) },
      { request: { method: 'GET', url: `Patient/${id}/$meta` } },
    ]
    const answer = await ask('POST', '/', { resourceType: 'Bundle', type: 'batch', entry })
    const statuses = answer.body.entry.map((e: { response: { status: string } }) => e.response.status.slice(0, 3))
    expect(statuses).toEqual(['201', '400', '400', '200'])
    expect(answer.body.entry[1].response.outcome.issue[0].expression).toEqual(['Patient.gender'])
    expect(answer.body.entry[3].resource.parameter[0].valueMeta.versionId).toBe('1')
    expect((await ask('GET', '/Patient?family=Sound&_summary=count')).body.total).toBe(1)
    const transaction = await ask('POST', '/', {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: entry.slice(0, 2),
    })
    expect(transaction.status).toBe(400)
    expect((await ask('GET', '/Patient?family=Sound&_summary=count')).body.total).toBe(1)
  })

  it('of an update with If-None-Match: * creates, and replaces nothing', async () => {
    const put = (family: string, header = '*') =>
      ask('PUT', '/Patient/if-absent', newPatient(family, { id: 'if-absent' }), { 'if-none-match': header })
    expect((await put('First')).status).toBe(201)
    expect((await put('Second')).status).toBe(412)
    expect((await put('Third', 'W/"1"')).status).toBe(400)
    expect((await ask('GET', '/Patient/if-absent')).body.name[0].family).toBe('First')
  })
})

describe('Binary', () => {
  const PNG = Buffer.from('89504e470d0a1a0a00ff00fe', 'hex')
  const send = (method: string, path: string, body: Uint8Array | string, headers: Record<string, string>) =>
    fetch(`${gateway.fhir}${path}`, { method, headers: { authorization: `Bearer ${tokens['ehr']}`, ...headers }, body })
  const get = (path: string, accept?: string) =>
    fetch(`${gateway.fhir}${path}`, {
      headers: { authorization: `Bearer ${tokens['ehr']}`, ...(accept === undefined ? {} : { accept }) },
    })

  it('goes in and out as its own bytes, or as the resource for whoever asks for it', async () => {
    const id = await patient('Pictured')
    const made = await send('POST', '/Binary', PNG, {
      'content-type': 'image/png',
      'x-security-context': `Patient/${id}`,
      accept: 'application/fhir+json',
    })
    expect(made.status).toBe(201)
    const binary = (await made.json()) as { id: string }
    expect(binary).toMatchObject({ contentType: 'image/png', data: PNG.toString('base64') })
    for (const accept of [undefined, '*/*', 'image/*']) {
      const raw = await get(`/Binary/${binary.id}`, accept)
      expect([raw.status, raw.headers.get('content-type')]).toEqual([200, 'image/png'])
      expect(raw.headers.get('content-security-policy')).toContain('sandbox')
      expect(Buffer.from(await raw.arrayBuffer())).toEqual(PNG)
    }
    expect(await (await get(`/Binary/${binary.id}?_format=json`)).json()).toMatchObject({ resourceType: 'Binary' })
    expect(await (await get(`/Binary/${binary.id}`, 'application/fhir+xml')).text()).toMatch(/^<Binary /)
    const whole = await ask('GET', `/Patient/${id}/$everything?_type=Binary`)
    expect(whole.body.total).toBe(1)
    const page = await send('PUT', `/Binary/${binary.id}`, '<a/>', { 'content-type': 'text/xml' })
    expect(page.status).toBe(200)
    expect(await (await get(`/Binary/${binary.id}`)).text()).toBe('<a/>')
    // The bytes say nothing of the context: it stays, and with it the patient.
    const kept = await ask('GET', `/Binary/${binary.id}`, undefined, { accept: 'application/fhir+json' })
    expect(kept.body.securityContext).toEqual({ reference: `Patient/${id}` })
    const other = await patient('Pictured-Too')
    const moved = await send('PUT', `/Binary/${binary.id}`, PNG, {
      'content-type': 'image/png',
      'x-security-context': `Patient/${other}`,
      accept: 'application/fhir+json',
    })
    expect(((await moved.json()) as { securityContext: object }).securityContext).toEqual({
      reference: `Patient/${other}`,
    })
  })

  it('of an unknown patient, or of a type that is none, is refused', async () => {
    const context = await send('POST', '/Binary', PNG, {
      'content-type': 'image/png',
      'x-security-context': 'Patient/nobody',
    })
    expect(context.status).toBe(422)
    const resource = { resourceType: 'Binary', contentType: 'text/html\r\nx: y', data: 'AAAA' }
    expect((await ask('POST', '/Binary', resource)).status).toBe(400)
  })
})

describe('$everything', () => {
  const names = (answer: Answer) =>
    answer.body.entry.map((e: { resource: { resourceType: string; id: string }; search: { mode: string } }) =>
      [e.search.mode, e.resource.resourceType, e.resource.id].join(' '),
    ) as string[]

  it('of a patient is its compartment and what that refers to, page by page, and nothing of anybody else', async () => {
    const id = await patient('Whole')
    const other = await patient('Other')
    const practitioner = (await ask('POST', '/Practitioner', { resourceType: 'Practitioner' })).body.id as string
    const made: string[] = []
    for (let i = 0; i < 3; i++) {
      const performer = [{ reference: `Practitioner/${practitioner}` }]
      made.push((await ask('POST', '/Observation', result(id, { performer }))).body.id as string)
    }
    await ask('POST', '/Observation', result(other))
    await ask('DELETE', `/Observation/${made.pop()}`)
    const all = await ask('GET', `/Patient/${id}/$everything`)
    expect([all.body.type, all.body.total]).toEqual(['searchset', 3])
    expect(names(all)).toEqual([
      `match Patient ${id}`,
      ...made.map((observation) => `match Observation ${observation}`),
      `include Practitioner ${practitioner}`,
    ])
    const pages: string[] = []
    let next: string | undefined = `/Patient/${id}/$everything?_count=1`
    while (next !== undefined) {
      const page: Answer = await ask('GET', next)
      pages.push(...names(page).filter((name) => name.startsWith('match')))
      const url = page.body.link.find((l: { relation: string }) => l.relation === 'next')?.url as string | undefined
      next = url?.slice(gateway.fhir.length)
    }
    expect(pages).toEqual(names(all).filter((name) => name.startsWith('match')))
    const typed = await ask('GET', `/Patient/${id}/$everything?_type=Observation,Condition`)
    expect([typed.body.total, names(typed)]).toEqual([2, names(all).slice(1, 3)])
    const parameters = { resourceType: 'Parameters', parameter: [{ name: '_type', valueCode: 'Patient' }] }
    expect(names(await ask('POST', `/Patient/${id}/$everything`, parameters))).toEqual([`match Patient ${id}`])
    const everybody = await ask('GET', '/Patient/$everything?_type=Patient&_count=1000')
    expect(names(everybody)).toEqual(expect.arrayContaining([`match Patient ${id}`, `match Patient ${other}`]))
    const trail = await ask('GET', `/AuditEvent?patient=Patient/${id}&subtype=everything&_summary=count`, undefined, {
      as: 'auditor',
    })
    expect(trail.body.total).toBeGreaterThan(4)
  })

  it('of a time is what was cared for then, as far as it is dated', async () => {
    const id = await patient('Dated')
    const subject = { reference: `Patient/${id}` }
    const make = async (resource: object) =>
      (await ask('POST', `/${(resource as { resourceType: string }).resourceType}`, resource)).body.id as string
    const old = await make(result(id, { effectiveDateTime: '2019-12-31T23:59:59Z' }))
    const during = await make(result(id, { effectivePeriod: { start: '2019-06-01', end: '2020-01-01' } }))
    const stay = { resourceType: 'Encounter', status: 'finished', class: { code: 'IMP' }, subject }
    const open = await make({ ...stay, period: { start: '2020-05-05' } })
    const recent = await make(result(id, { effectiveDateTime: '2021-03' }))
    const undated = await make(result(id))
    const within = async (query: string): Promise<string[]> =>
      names(await ask('GET', `/Patient/${id}/$everything?${query}`)).map((name) => name.split(' ')[2] as string)
    const always = [id, undated]
    expect((await within('start=2020&end=2020')).toSorted()).toEqual([...always, during, open].toSorted())
    expect((await within('start=2021-03-31')).toSorted()).toEqual([...always, open, recent].toSorted())
    expect((await within('end=2019')).toSorted()).toEqual([...always, old, during].toSorted())
    expect((await within('start=2020&end=2020&_type=Observation')).toSorted()).toEqual([undated, during].toSorted())
    const parameter = [{ name: 'start', valueDate: '2022-01-01' }]
    const posted = await ask('POST', `/Patient/${id}/$everything`, { resourceType: 'Parameters', parameter })
    expect(posted.body.total).toBe(3)
  })

  it('keeps to the token, and refuses what it does not know', async () => {
    const id = await patient('Narrowed')
    await ask('POST', '/Observation', result(id))
    const narrow = await tokenOf(data, 'ehr', '--scope', 'system/Patient.rs')
    const as = { authorization: `Bearer ${narrow}` }
    expect(names(await ask('GET', `/Patient/${id}/$everything`, undefined, as))).toEqual([`match Patient ${id}`])
    expect((await ask('GET', `/Patient/${id}/$everything?_type=AuditEvent`)).body.total).toBe(0)
    expect(issue(await ask('GET', `/Patient/${id}/$everything?starts=2020-01-01`)).code).toBe('not-supported')
    expect(issue(await ask('GET', `/Patient/${id}/$everything?start=soon`)).expression).toEqual(['start'])
    expect(issue(await ask('GET', `/Patient/${id}/$everything?start=2021&end=2020`)).expression).toEqual(['end'])
    expect(issue(await ask('GET', `/Patient/${id}/$everything?_type=Nonsense`)).expression).toEqual(['_type'])
    expect(issue(await ask('GET', `/Patient/${id}/$everything?_since=x`)).expression).toEqual(['_since'])
    expect((await ask('GET', `/Patient/${id}/$everything?_cursor=!`)).status).toBe(400)
    expect((await ask('GET', '/Patient/nobody/$everything')).status).toBe(404)
  })
})

describe('$meta', () => {
  const coding = (code: string) => ({ system: 'http://example.org/tags', code })
  const meta = (valueMeta: object) => ({ resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta }] })

  it('tells, adds and takes away profiles, labels and tags, as versions of the resource', async () => {
    const id = await patient('Tagged')
    const added = await ask('POST', `/Patient/${id}/$meta-add`, meta({ tag: [coding('a'), coding('b')] }))
    expect([added.status, added.body.parameter[0].valueMeta.tag]).toEqual([200, [coding('a'), coding('b')]])
    await ask('POST', `/Patient/${id}/$meta-add`, meta({ tag: [coding('b')] }))
    const told = await ask('GET', `/Patient/${id}/$meta`)
    expect(told.body.parameter[0].valueMeta).toMatchObject({ versionId: '3', tag: [coding('a'), coding('b')] })
    expect((await ask('GET', '/Patient?_tag=http://example.org/tags|b&_summary=count')).body.total).toBe(1)
    const taken = await ask('POST', `/Patient/${id}/$meta-delete`, meta({ tag: [coding('b'), coding('none')] }))
    expect(taken.body.parameter[0].valueMeta.tag).toEqual([coding('a')])
    expect((await ask('GET', '/Patient?_tag=http://example.org/tags|b&_summary=count')).body.total).toBe(0)
    expect((await ask('GET', `/Patient/${id}`)).body.name[0].family).toBe('Tagged')
    const { entry } = (await ask('GET', `/Patient/${id}/_history`)).body as {
      entry: { request: { method: string; url: string }; response: { status: string } }[]
    }
    expect(
      entry.map(({ request, response }) => `${request.method} ${request.url} ${response.status.slice(0, 3)}`),
    ).toEqual([
      `POST Patient/${id}/$meta-delete 200`,
      `POST Patient/${id}/$meta-add 200`,
      `POST Patient/${id}/$meta-add 200`,
      'POST Patient 201',
    ])
  })

  it('is refused without a meta, with GET, and where there is nothing', async () => {
    const id = await patient('Untagged')
    expect((await ask('POST', `/Patient/${id}/$meta-add`, { resourceType: 'Parameters' })).status).toBe(400)
    expect((await ask('GET', `/Patient/${id}/$meta-add`)).status).toBe(405)
    expect((await ask('POST', '/Patient/nobody/$meta-add', meta({ tag: [coding('a')] }))).status).toBe(404)
    expect((await ask('POST', `/Patient/${id}/$meta-add`, meta({ tag: ['x'] }))).status).toBe(400)
  })
})

describe('history', () => {
  it('says how each version came to be', async () => {
    const path = '/Patient/made-by-put'
    const resource = { ...newPatient('Made'), id: 'made-by-put' }
    expect((await ask('PUT', path, resource)).status).toBe(201)
    const patch = [{ op: 'add', path: '/gender', value: 'female' }]
    expect((await ask('PATCH', path, patch, { 'content-type': 'application/json-patch+json' })).status).toBe(200)
    expect((await ask('PUT', path, resource)).status).toBe(200)
    await ask('DELETE', path)
    expect((await ask('PUT', path, resource)).status).toBe(201)
    const parameters = {
      resourceType: 'Parameters',
      parameter: [
        {
          name: 'operation',
          part: [
            { name: 'type', valueCode: 'add' },
            { name: 'path', valueString: 'Patient' },
            { name: 'name', valueString: 'gender' },
            { name: 'value', valueCode: 'other' },
          ],
        },
      ],
    }
    const bundled = bundle('transaction', entry('PATCH', 'Patient/made-by-put', parameters))
    expect((await ask('POST', '', bundled)).status).toBe(200)
    const conditional = await ask(
      'PUT',
      '/Patient?identifier=urn:by|put',
      newPatient('By', { identifier: [{ system: 'urn:by', value: 'put' }] }),
    )
    expect(conditional.status).toBe(201)
    const told = async (of: string) =>
      (await ask('GET', `${of}/_history`)).body.entry.map(
        (e: { request: { method: string; url: string }; response: { status: string } }) =>
          `${e.request.method} ${e.request.url} ${e.response.status.slice(0, 3)}`,
      )
    expect(await told(path)).toEqual(
      ['PATCH 200', 'PUT 201', 'DELETE 204', 'PUT 200', 'PATCH 200', 'PUT 201'].map((line) =>
        line.replace(' ', ' Patient/made-by-put '),
      ),
    )
    expect(await told(`/Patient/${conditional.body.id}`)).toEqual([`PUT Patient/${conditional.body.id} 201`])
  })

  it('of a type and of the system tells what changed, since when, and what was current at a time', async () => {
    const before = new Date().toISOString()
    const id = await patient('Historic')
    const one = (await ask('POST', '/Observation', result(id))).body
    await ask('PUT', `/Observation/${one.id}`, { ...one, status: 'amended' })
    await ask('DELETE', `/Observation/${one.id}`)
    const lines = (answer: Answer) =>
      answer.body.entry.map((e: { request: { method: string; url: string } }) => `${e.request.method} ${e.request.url}`)
    const type = await ask('GET', `/Observation/_history?_since=${before}`)
    expect(lines(type)).toEqual([`DELETE Observation/${one.id}`, `PUT Observation/${one.id}`, 'POST Observation'])
    const system = await ask('GET', `/_history?_since=${before}&_count=2`)
    expect(lines(system)).toEqual([`DELETE Observation/${one.id}`, `PUT Observation/${one.id}`])
    const next = system.body.link.find((l: { relation: string }) => l.relation === 'next').url as string
    expect(lines(await ask('GET', next.slice(gateway.fhir.length)))).toEqual(['POST Observation', 'POST Patient'])
    const then = await ask('GET', `/Observation/${one.id}/_history?_at=${one.meta.lastUpdated}`)
    expect([then.body.total, lines(then)]).toEqual([1, ['POST Observation']])
    const trail = await ask(
      'GET',
      `/AuditEvent?patient=Patient/${id}&subtype=history-system&_summary=count`,
      undefined,
      {
        as: 'auditor',
      },
    )
    expect(trail.body.total).toBe(2)
  })

  it('is of what a List refers to, and cut, if that is asked', async () => {
    const before = new Date().toISOString()
    const id = await patient('Listed')
    const [one, other] = [await ask('POST', '/Observation', result(id)), await ask('POST', '/Observation', result(id))]
    await ask('PUT', `/Observation/${one.body.id}`, { ...one.body, status: 'amended' })
    const entry = [{ item: { reference: `Observation/${one.body.id}` } }]
    const list = await ask('POST', '/List', { resourceType: 'List', status: 'current', mode: 'working', entry })
    expect(list.status, list.text).toBe(201)
    const ids = (answer: Answer) => answer.body.entry.map((e: { resource: { id: string } }) => e.resource.id)
    for (const path of ['/Observation/_history', '/_history']) {
      const listed = await ask('GET', `${path}?_since=${before}&_list=${list.body.id}`)
      expect(ids(listed), path).toEqual([one.body.id, one.body.id])
    }
    expect((await ask('GET', `/Observation/${other.body.id}/_history?_list=${list.body.id}`)).body.total).toBe(0)
    expect((await ask('GET', `/_history?_since=${before}&_list=nobody`)).body.entry ?? []).toEqual([])
    const cut = await ask('GET', `/Observation/${one.body.id}/_history?_elements=status`)
    expect(Object.keys(cut.body.entry[0].resource).sort()).toEqual(['code', 'id', 'meta', 'resourceType', 'status'])
    expect(cut.body.entry[0].resource.meta.tag).toMatchObject([{ code: 'SUBSETTED' }])
    expect(cut.body.link[0].url).toContain('_elements=status')
    const short = await ask('GET', `/Patient/${id}/_history?_summary=data`)
    expect(short.body.entry[0].resource.meta.tag).toMatchObject([{ code: 'SUBSETTED' }])
  })

  it('is audited with every version that it tells, each patient apart', async () => {
    const [one, other] = [await patient('Versions'), await patient('Elsewhere')]
    const before = new Date().toISOString()
    const made = (await ask('POST', '/Observation', result(one))).body
    await ask('PUT', `/Observation/${made.id}`, { ...made, status: 'amended' })
    const elsewhere = (await ask('POST', '/Observation', result(other))).body.id as string
    await ask('GET', `/Observation/${made.id}/_history`)
    await ask('GET', `/_history?_since=${before}`)
    const events = async (id: string, subtype: string) =>
      (await ask('GET', `/AuditEvent?patient=Patient/${id}&subtype=${subtype}`, undefined, { as: 'auditor' })).text
    const versions = [1, 2].map((version) => `Observation/${made.id}/_history/${version}`)
    const told = await events(one, 'history-instance')
    for (const version of versions) expect(told).toContain(version)
    const system = await events(one, 'history-system')
    for (const version of versions) expect(system).toContain(version)
    expect(system).not.toContain(elsewhere)
    expect(await events(other, 'history-system')).toContain(elsewhere)
    expect(await events(other, 'history-system')).not.toContain(made.id)
  })

  it('tells no more than the token, and nothing of the trail', async () => {
    const before = new Date().toISOString()
    const id = await patient('Scoped')
    await ask('POST', '/Observation', result(id))
    const narrow = await tokenOf(data, 'ehr', '--scope', 'system/Patient.rs')
    const types = (answer: Answer) =>
      new Set(answer.body.entry.map((e: { resource: { resourceType: string } }) => e.resource.resourceType))
    const as = { authorization: `Bearer ${narrow}` }
    expect(types(await ask('GET', `/_history?_since=${before}`, undefined, as))).toEqual(new Set(['Patient']))
    expect((await ask('GET', '/Observation/_history', undefined, as)).status).toBe(403)
    expect(types(await ask('GET', `/_history?_since=${before}`))).toEqual(new Set(['Patient', 'Observation']))
    const granular = await tokenOf(data, 'ehr', '--scope', 'system/Patient.rs?gender=male')
    const granted = { authorization: `Bearer ${granular}` }
    expect((await ask('GET', '/Patient/_history', undefined, granted)).status).toBe(403)
    expect((await ask('GET', '/_history', undefined, granted)).status).toBe(403)
  })

  it('refuses what it does not know', async () => {
    expect(issue(await ask('GET', '/Patient/_history?_since=yesterday')).expression).toEqual(['_since'])
    expect(issue(await ask('GET', '/Patient/_history?name=x')).code).toBe('not-supported')
    expect(issue(await ask('GET', '/Patient/_history?_summary=count')).expression).toEqual(['_summary'])
    expect(issue(await ask('GET', '/_history?_list=$current-drug-allergies')).expression).toEqual(['_list'])
    expect(issue(await ask('GET', '/_history?_since=2020&_since=2021')).expression).toEqual(['_since'])
    expect((await ask('GET', '/_history?_cursor=x')).status).toBe(400)
  })
})

describe('XML', () => {
  it('is taken and given like JSON, digit for digit', async () => {
    const sent = `<Patient xmlns="http://hl7.org/fhir"><extension url="http://example.org/x"><valueDecimal value="1.50"/></extension><name><family value="Xiphos"/></name></Patient>`
    const xml = { 'content-type': 'application/fhir+xml', accept: 'application/fhir+xml' }
    const made = await ask('POST', '/Patient', sent, xml)
    expect([made.status, made.headers.get('content-type')]).toEqual([201, 'application/fhir+xml; charset=utf-8'])
    const id = /<id value="([^"]+)"/.exec(made.text)?.[1] as string
    const json = await ask('GET', `/Patient/${id}`)
    expect(json.text).toContain('"valueDecimal":1.50')
    expect(json.body.name).toEqual([{ family: 'Xiphos' }])
    const page = await ask('GET', '/Patient?family=Xiphos&_format=xml&_pretty=true')
    expect(page.text).toMatch(/^<Bundle xmlns="http:\/\/hl7.org\/fhir">\n/)
    expect(page.text).toContain('<valueDecimal value="1.50"/>')
    expect((await ask('GET', '/metadata', undefined, { accept: 'application/fhir+xml' })).text).toMatch(
      /^<CapabilityStatement/,
    )
  })

  it('that is refused is refused in XML, naming element and place', async () => {
    const xml = { 'content-type': 'application/fhir+xml', accept: 'application/fhir+xml' }
    const wrong = await ask(
      'POST',
      '/Patient',
      '<Patient xmlns="http://hl7.org/fhir"><nickname value="x"/></Patient>',
      xml,
    )
    expect([wrong.status, wrong.headers.get('content-type')]).toEqual([400, 'application/fhir+xml; charset=utf-8'])
    expect(wrong.text).toMatch(/^<OperationOutcome .*<expression value="Patient"\/>/)
    const invalid = await ask(
      'POST',
      '/Patient',
      '<Patient xmlns="http://hl7.org/fhir"><gender value="x"/></Patient>',
      xml,
    )
    expect(invalid.status).toBeGreaterThanOrEqual(400)
    expect(invalid.text).toContain('<expression value="Patient.gender"/>')
  })
})

describe('what is stored', () => {
  it('says nothing about a patient in the gateway’s own log', () => {
    expect(gateway.output()).not.toMatch(/Quill|Rook|Zumthor|Traced/)
  })
})
