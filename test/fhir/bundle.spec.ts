import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import {
  type EntryPlan,
  historyBundle,
  parseEntryRequest,
  planBundle,
  resolveBundle,
  type ResolvedBundle,
  type ResolvedEntry,
  responseBundle,
  searchsetBundle,
} from '../../src/fhir/bundle.js'
import { referencesOf } from '../../src/fhir/references.js'
import { parseSearch } from '../../src/fhir/search-query.js'
import type { Bundle, BundleEntry, Resource } from '../../src/fhir/types.js'
import { hasSharedData, listShared, readShared } from '../support/shared-data.js'

const base = 'https://here.example/fhir'

function bundle(type: string, ...entry: BundleEntry[]): Bundle {
  return { resourceType: 'Bundle', type, entry }
}

function post(resource: Resource, more: Partial<BundleEntry> = {}, ifNoneExist?: string): BundleEntry {
  const request = { method: 'POST', url: resource.resourceType, ...(ifNoneExist ? { ifNoneExist } : {}) }
  return { resource, request, ...more }
}

const put = (resource: Resource, url = `${resource.resourceType}/${resource.id}`): BundleEntry => ({
  resource,
  request: { method: 'PUT', url },
})

const call = (method: string, url: string): BundleEntry => ({ request: { method, url } })

/** Plans and resolves with ids n1, n2, …; `found` are the matches of lookups by key. */
function resolve(of: Bundle, found: Record<string, string[]> = {}): ResolvedBundle {
  let count = 0
  return resolveBundle(planBundle(of, { base }), new Map(Object.entries(found)), { base, newId: () => `n${++count}` })
}

function refusal(work: () => unknown): ConsentryError {
  try {
    work()
  } catch (error) {
    if (error instanceof ConsentryError) return error
    throw error
  }
  throw new Error('Nothing was refused')
}

const resourceAt = (resolved: ResolvedBundle, index: number): Resource =>
  (resolved.entries[index] as ResolvedEntry).resource as Resource

describe('parseEntryRequest', () => {
  it.each([
    ['GET', 'metadata', { interaction: 'capabilities' }],
    ['GET', 'Patient/1', { interaction: 'read', type: 'Patient', id: '1' }],
    ['HEAD', '/Patient/1', { interaction: 'read', method: 'HEAD' }],
    ['GET', `${base}/Patient/1/_history/2`, { interaction: 'vread', vid: '2' }],
    ['GET', 'Patient/1/_history', { interaction: 'history-instance' }],
    ['GET', 'Patient/_history?_count=2', { interaction: 'history-type', params: [['_count', '2']] }],
    ['GET', '_history', { interaction: 'history-system' }],
    [
      'GET',
      'Patient?name=a%26b&name=c+d',
      {
        interaction: 'search-type',
        params: [
          ['name', 'a&b'],
          ['name', 'c d'],
        ],
      },
    ],
    ['POST', 'Patient/_search?name=x', { interaction: 'search-type', type: 'Patient' }],
    ['GET', '?_lastUpdated=gt2020', { interaction: 'search-system' }],
    [
      'GET',
      'Patient/1/Observation?code=x',
      { interaction: 'search-compartment', type: 'Observation', compartment: { type: 'Patient', id: '1' } },
    ],
    ['GET', 'Patient/1/*', { interaction: 'search-compartment', compartment: { type: 'Patient', id: '1' } }],
    ['GET', 'Patient/1/$everything', { interaction: 'operation', operation: 'everything', type: 'Patient', id: '1' }],
    ['POST', 'Patient', { interaction: 'create', type: 'Patient' }],
    ['PUT', 'Patient?identifier=a|b', { interaction: 'update', params: [['identifier', 'a|b']] }],
    ['DELETE', 'Patient/1', { interaction: 'delete', id: '1' }],
    ['PATCH', 'Patient/1', { interaction: 'patch', id: '1' }],
  ])('%s %s', (method, url, expected) => {
    expect(parseEntryRequest(method as 'GET', url, base, 'x')).toMatchObject(expected)
  })

  it.each([
    ['GET', 'Nonsense/1', 'not-found'],
    ['GET', 'https://there.example/fhir/Patient/1', 'malformed'],
    ['GET', 'Patient/1/_history/2/3', 'malformed'],
    ['GET', 'Patient/a_b', 'malformed'],
    ['GET', 'Patient?name=%zz', 'malformed'],
    ['POST', 'Patient/1', 'malformed'],
    ['PUT', 'Patient', 'malformed'],
    ['DELETE', 'Patient/1/_history/2', 'malformed'],
    ['PUT', '', 'malformed'],
  ])('refuses %s %s', (method, url, kind) => {
    const error = refusal(() => parseEntryRequest(method as 'GET', url, base, 'Bundle.entry[0].request.url'))
    expect(error.kind).toBe(kind)
    expect(error.issues[0]?.expression).toEqual(['Bundle.entry[0].request.url'])
  })
})

describe('planBundle', () => {
  it('orders DELETE, POST, PUT and PATCH, GET, keeping the order within', () => {
    const { order } = planBundle(
      bundle(
        'transaction',
        call('GET', 'Patient/1'),
        put({ resourceType: 'Patient', id: '1' }),
        post({ resourceType: 'Patient' }),
        call('DELETE', 'Patient/2'),
        post({ resourceType: 'Group' }),
        { request: { method: 'PATCH', url: 'Patient/3' }, resource: { resourceType: 'Binary' } },
      ),
      { base },
    )
    expect(order).toEqual([3, 2, 4, 1, 5, 0])
  })

  it('gathers what must be looked up once, with every place that asks', () => {
    const subject = { reference: 'Patient?identifier=urn:x|1' }
    const { lookups } = planBundle(
      bundle(
        'transaction',
        post({ resourceType: 'Observation', subject }),
        post({ resourceType: 'Observation', subject }),
        post({ resourceType: 'Patient' }, {}, 'identifier=urn:x|2'),
        post({ resourceType: 'Patient' }, {}, 'Patient?identifier=urn:x|3'),
        call('DELETE', 'Condition?code=a'),
        put({ resourceType: 'Group' }, 'Group?identifier=g'),
      ),
      { base },
    )
    expect(lookups.map(({ key, expressions }) => [key, expressions])).toEqual([
      [
        'Patient?identifier=urn:x|1',
        ['Bundle.entry[0].resource.subject.reference', 'Bundle.entry[1].resource.subject.reference'],
      ],
      ['Patient?identifier=urn:x|2', ['Bundle.entry[2].request.ifNoneExist']],
      ['Patient?identifier=urn:x|3', ['Bundle.entry[3].request.ifNoneExist']],
      ['Condition?code=a', ['Bundle.entry[4].request.url']],
      ['Group?identifier=g', ['Bundle.entry[5].request.url']],
    ])
    expect(lookups[0]?.query.clauses).toMatchObject([{ param: 'identifier', values: [{ system: 'urn:x', code: '1' }] }])
  })

  it('tells all faults of a transaction at once, by entry and element', () => {
    const error = refusal(() =>
      planBundle(
        bundle(
          'transaction',
          {},
          { request: { method: 'GOT', url: 'Patient' } },
          { request: { method: 'POST' } },
          call('POST', 'Patient'),
          post({ resourceType: 'Group' }, { request: { method: 'POST', url: 'Patient' } }),
          put({ resourceType: 'Patient', id: '2' }, 'Patient/1'),
          { ...call('GET', 'Patient/1'), request: { method: 'GET', url: 'Patient/1', ifNoneExist: 'a=b' } },
          post({ resourceType: 'Patient' }, {}, 'nome=x'),
          post({ resourceType: 'Patient' }, {}, '_count=1'),
          call('DELETE', 'Patient?gender:exact=male'),
        ),
        { base },
      ),
    )
    expect(error.kind).toBe('malformed')
    expect(error.issues.map(({ expression }) => expression?.[0])).toEqual([
      'Bundle.entry[0].request.method',
      'Bundle.entry[1].request.method',
      'Bundle.entry[2].request.url',
      'Bundle.entry[3].resource',
      'Bundle.entry[4].resource.resourceType',
      'Bundle.entry[5].resource.id',
      'Bundle.entry[6].request.ifNoneExist',
      'Bundle.entry[7].request.ifNoneExist',
      'Bundle.entry[8].request.ifNoneExist',
      'Bundle.entry[9].request.url',
    ])
  })

  it('refuses two entries of one fullUrl in a transaction', () => {
    const twice = { fullUrl: 'urn:uuid:1' }
    const error = refusal(() =>
      planBundle(
        bundle('transaction', post({ resourceType: 'Patient' }, twice), post({ resourceType: 'Group' }, twice)),
        { base },
      ),
    )
    expect(error.issues).toMatchObject([{ code: 'duplicate', expression: ['Bundle.entry[1].fullUrl'] }])
  })

  it('lets the faults of a batch stand beside what is right', () => {
    const { entries, order } = planBundle(
      bundle(
        'batch',
        call('GET', 'Nonsense/1'),
        call('GET', 'Patient/1'),
        post({ resourceType: 'Observation', subject: { reference: 'urn:uuid:1' } }),
      ),
      { base },
    )
    expect(entries.map((entry) => entry instanceof ConsentryError)).toEqual([true, false, true])
    expect((entries[0] as ConsentryError).kind).toBe('not-found')
    expect((entries[2] as ConsentryError).message).toContain('stand alone')
    expect(order).toEqual([1, 0, 2])
  })

  it('refuses other Bundles, other resources and too many entries', () => {
    expect(refusal(() => planBundle(bundle('searchset'), { base })).issues[0]?.expression).toEqual(['Bundle.type'])
    expect(refusal(() => planBundle({ resourceType: 'Patient' }, { base })).kind).toBe('malformed')
    const many = bundle('batch', call('GET', 'Patient/1'), call('GET', 'Patient/2'))
    expect(refusal(() => planBundle(many, { base, maxEntries: 1 })).kind).toBe('too-large')
    expect(planBundle(bundle('transaction'), { base }).entries).toEqual([])
  })
})

describe('resolveBundle', () => {
  it('gives ids and rewrites references, uris and narrative links to other entries', () => {
    const div = '<div xmlns="http://www.w3.org/1999/xhtml"><a href="urn:uuid:p">x</a></div>'
    const resolved = resolve(
      bundle(
        'transaction',
        post(
          {
            resourceType: 'Observation',
            id: 'mine',
            text: { status: 'generated', div },
            subject: { reference: 'urn:uuid:p' },
            identifier: [{ system: 'urn:ietf:rfc:3986', value: 'urn:uuid:p' }],
            instantiatesUri: 'urn:uuid:p',
          },
          { fullUrl: 'urn:uuid:o' },
        ),
        post({ resourceType: 'Patient' }, { fullUrl: 'urn:uuid:p' }),
      ),
    )
    expect(resourceAt(resolved, 0)).toEqual({
      resourceType: 'Observation',
      id: 'n1',
      text: { status: 'generated', div: div.replace('urn:uuid:p', 'Patient/n2') },
      subject: { reference: 'Patient/n2' },
      identifier: [{ system: 'urn:ietf:rfc:3986', value: 'urn:uuid:p' }],
      instantiatesUri: 'urn:uuid:p',
    })
    expect(resolved.entries.map((entry) => (entry as ResolvedEntry).action)).toEqual(['create', 'create'])
  })

  it('reads relative references below the base of their own fullUrl', () => {
    const there = 'https://there.example/fhir'
    const encounter = {
      resourceType: 'Encounter',
      subject: { reference: 'Patient/7' },
      partOf: { reference: `${there}/Encounter/2` },
    }
    const resolved = resolve(
      bundle(
        'transaction',
        post(encounter, { fullUrl: `${there}/Encounter/1` }),
        post({ resourceType: 'Patient', id: '7' }, { fullUrl: `${there}/Patient/7` }),
      ),
    )
    expect(resourceAt(resolved, 0)).toMatchObject({
      subject: { reference: 'Patient/n2' },
      partOf: { reference: `${there}/Encounter/2` },
    })
  })

  it('names entry and element of a reference to nothing', () => {
    const participant = [
      { individual: { reference: 'Practitioner/1' } },
      { individual: { reference: 'urn:uuid:none' } },
    ]
    const error = refusal(() => resolve(bundle('transaction', post({ resourceType: 'Encounter', participant }))))
    expect(error.kind).toBe('invalid')
    expect(error.issues).toMatchObject([
      { code: 'not-found', expression: ['Bundle.entry[0].resource.participant[1].individual.reference'] },
    ])
  })

  const conditional = { resourceType: 'Condition', subject: { reference: 'Patient?identifier=a|1' } }
  const key = 'Patient?identifier=a|1'

  it('resolves a conditional reference to the one match', () => {
    expect(resourceAt(resolve(bundle('transaction', post(conditional)), { [key]: ['7'] }), 0)).toMatchObject({
      subject: { reference: 'Patient/7' },
    })
    const resolved = resolve(bundle('batch', post(conditional)), { [key]: ['7'] })
    expect(resourceAt(resolved, 0)).toMatchObject({ subject: { reference: 'Patient/7' } })
  })

  it('resolves a conditional reference to what the transaction itself writes', () => {
    const patient = (id: string, value: string): Resource => ({
      resourceType: 'Patient',
      id,
      identifier: [{ system: 'a', value }],
    })
    const created = resolve(bundle('transaction', post(conditional), post(patient('x', '1'))))
    expect(resourceAt(created, 0)).toMatchObject({ subject: { reference: 'Patient/n2' } })
    const deleted = () =>
      resolve(bundle('transaction', post(conditional), call('DELETE', 'Patient/7')), { [key]: ['7'] })
    expect(refusal(deleted).issues[0]?.code).toBe('not-found')
    const changed = () => resolve(bundle('transaction', post(conditional), put(patient('7', '2'))), { [key]: ['7'] })
    expect(refusal(changed).issues[0]?.code).toBe('not-found')
    const both = () => resolve(bundle('transaction', post(conditional), post(patient('x', '1'))), { [key]: ['7'] })
    expect(refusal(both)).toMatchObject({ kind: 'precondition-failed', issues: [{ code: 'multiple-matches' }] })
  })

  it.each([
    [[], 'invalid', 'not-found'],
    [['1', '2'], 'precondition-failed', 'multiple-matches'],
  ])('refuses a conditional reference with the matches %j', (found, kind, code) => {
    const error = refusal(() => resolve(bundle('transaction', post(conditional)), { [key]: found }))
    expect(error).toMatchObject({
      kind,
      issues: [{ code, expression: ['Bundle.entry[0].resource.subject.reference'] }],
    })
    expect(error.message).not.toContain('a|1')
  })

  it('carries out conditional create, update, patch and delete by what they matched', () => {
    const act = (entry: BundleEntry, condition: string, found: string[]): ResolvedEntry =>
      resolve(bundle('transaction', entry), { [condition]: found }).entries[0] as ResolvedEntry
    const create = post({ resourceType: 'Patient' }, {}, 'identifier=a')
    expect(act(create, 'Patient?identifier=a', [])).toMatchObject({ action: 'create', id: 'n1' })
    expect(act(create, 'Patient?identifier=a', ['7'])).toMatchObject({ action: 'existing', id: '7' })
    const update = put({ resourceType: 'Patient' }, 'Patient?identifier=a')
    expect(act(update, 'Patient?identifier=a', ['7'])).toMatchObject({
      action: 'update',
      id: '7',
      resource: { id: '7' },
    })
    expect(act(update, 'Patient?identifier=a', [])).toMatchObject({ action: 'create', id: 'n1' })
    const own = put({ resourceType: 'Patient', id: 'own' }, 'Patient?identifier=a')
    expect(act(own, 'Patient?identifier=a', [])).toMatchObject({ action: 'update', id: 'own' })
    expect(refusal(() => act(own, 'Patient?identifier=a', ['7'])).issues[0]?.expression).toEqual([
      'Bundle.entry[0].resource.id',
    ])
    const remove = call('DELETE', 'Patient?identifier=a')
    expect(act(remove, 'Patient?identifier=a', [])).toMatchObject({ action: 'nothing' })
    expect(act(remove, 'Patient?identifier=a', ['7'])).toMatchObject({ action: 'delete', id: '7' })
    const patch = { request: { method: 'PATCH', url: 'Patient?identifier=a' }, resource: { resourceType: 'Binary' } }
    expect(act(patch, 'Patient?identifier=a', ['7'])).toMatchObject({ action: 'patch', id: '7' })
    expect(refusal(() => act(patch, 'Patient?identifier=a', [])).kind).toBe('not-found')
    for (const entry of [create, update, remove, patch]) {
      expect(refusal(() => act(entry, 'Patient?identifier=a', ['7', '8'])).kind).toBe('precondition-failed')
    }
  })

  it('lets references to a conditional create follow to what exists', () => {
    const organization = post({ resourceType: 'Organization' }, { fullUrl: 'urn:uuid:o' }, 'identifier=o')
    const location = post({ resourceType: 'Location', managingOrganization: { reference: 'urn:uuid:o' } })
    const resolved = resolve(bundle('transaction', organization, location), { 'Organization?identifier=o': ['9'] })
    expect(resourceAt(resolved, 1)).toMatchObject({ managingOrganization: { reference: 'Organization/9' } })
  })

  it.each([
    ['update and delete', put({ resourceType: 'Patient', id: '7' }), call('DELETE', 'Patient/7')],
    [
      'two updates',
      put({ resourceType: 'Patient', id: '7' }),
      put({ resourceType: 'Patient' }, 'Patient?identifier=a'),
    ],
    [
      'two conditional creates',
      post({ resourceType: 'Patient' }, {}, '_id=none'),
      post({ resourceType: 'Patient' }, {}, '_id=none'),
    ],
  ])('refuses %s of one resource', (_, first, second) => {
    const error = refusal(() => resolve(bundle('transaction', first, second), { 'Patient?identifier=a': ['7'] }))
    expect(error).toMatchObject({ kind: 'malformed', issues: [{ code: 'duplicate', expression: ['Bundle.entry[1]'] }] })
    const batch = resolve(bundle('batch', first, second), { 'Patient?identifier=a': ['7'] })
    expect(batch.entries.every((entry) => !(entry instanceof ConsentryError))).toBe(true)
  })

  it('leaves what it was given as it was', () => {
    const given = bundle(
      'transaction',
      post({ resourceType: 'Patient', id: 'x' }, { fullUrl: 'urn:uuid:p' }),
      post(conditional),
    )
    const before = structuredClone(given)
    resolve(given, { [key]: ['7'] })
    expect(given).toEqual(before)
  })
})

describe('answers', () => {
  const read = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString())

  it('puts the results of a transaction together', () => {
    const outcome = { resourceType: 'OperationOutcome', issue: [] }
    const bytes = responseBundle('transaction', [
      { status: 201, location: 'Patient/1/_history/1', etag: 'W/"1"', lastModified: '2026-01-01T00:00:00Z' },
      { status: 200, resource: Buffer.from('{"resourceType":"Patient","x":1.50}') },
      { status: 404, outcome },
    ])
    expect(Buffer.from(bytes).toString()).toContain('"x":1.50}')
    expect(read(bytes)).toEqual({
      resourceType: 'Bundle',
      type: 'transaction-response',
      entry: [
        {
          response: {
            status: '201 Created',
            location: 'Patient/1/_history/1',
            etag: 'W/"1"',
            lastModified: '2026-01-01T00:00:00Z',
          },
        },
        { resource: { resourceType: 'Patient', x: 1.5 }, response: { status: '200 OK' } },
        { response: { status: '404 Not Found', outcome } },
      ],
    })
    expect(read(responseBundle('batch', []))).toEqual({ resourceType: 'Bundle', type: 'batch-response' })
  })

  it('links a page to itself, as it was obeyed, and to the next', () => {
    const query = parseSearch(
      'Patient',
      [
        ['name', 'Ö & Co'],
        ['identifier', 'http://x|1,2'],
        ['nome', 'y'],
      ],
      'lenient',
    )
    const page = { base, total: 2, next: 'abc' }
    const patient = { resourceType: 'Patient', id: '1' }
    expect(
      read(searchsetBundle(query, [{ type: 'Patient', id: '1', resource: JSON.stringify(patient) }], page)),
    ).toEqual({
      resourceType: 'Bundle',
      type: 'searchset',
      total: 2,
      link: [
        { relation: 'self', url: `${base}/Patient?name=%C3%96%20%26%20Co&identifier=http://x%7C1,2` },
        { relation: 'first', url: `${base}/Patient?name=%C3%96%20%26%20Co&identifier=http://x%7C1,2` },
        { relation: 'next', url: `${base}/Patient?name=%C3%96%20%26%20Co&identifier=http://x%7C1,2&_cursor=abc` },
      ],
      entry: [
        { fullUrl: `${base}/Patient/1`, resource: patient, search: { mode: 'match' } },
        {
          resource: { resourceType: 'OperationOutcome', issue: [expect.objectContaining({ severity: 'warning' })] },
          search: { mode: 'outcome' },
        },
      ],
    })
    const empty = searchsetBundle(parseSearch('Patient', []), [], { base, total: 0 })
    expect(read(empty)).toEqual({
      resourceType: 'Bundle',
      type: 'searchset',
      total: 0,
      link: [{ relation: 'self', url: `${base}/Patient` }],
    })
  })

  it('tells the history with what was asked and answered', () => {
    const lastModified = '2026-01-01T00:00:00Z'
    const entry = { type: 'Patient', id: '1', lastModified }
    const bytes = historyBundle(
      'Patient/1/_history',
      [['_count', '2']],
      [
        { ...entry, version: 4, method: 'PATCH', created: false, resource: { resourceType: 'Patient', id: '1' } },
        { ...entry, version: 3, method: 'PUT', created: true, resource: { resourceType: 'Patient', id: '1' } },
        { ...entry, version: 2, method: 'DELETE', created: false },
        { ...entry, version: 1, method: 'POST', created: true, resource: { resourceType: 'Patient', id: '1' } },
      ],
      { base, total: 4 },
    )
    expect(read(bytes)).toMatchObject({
      type: 'history',
      link: [{ relation: 'self', url: `${base}/Patient/1/_history?_count=2` }],
      entry: [
        { request: { method: 'PATCH', url: 'Patient/1' }, response: { status: '200 OK' } },
        { request: { method: 'PUT', url: 'Patient/1' }, response: { status: '201 Created' } },
        { request: { method: 'DELETE', url: 'Patient/1' }, response: { status: '204 No Content', etag: 'W/"2"' } },
        {
          resource: { id: '1' },
          request: { method: 'POST', url: 'Patient' },
          response: { location: 'Patient/1/_history/1', lastModified },
        },
      ],
    })
  })
})

describe.skipIf(!hasSharedData)('real transactions (../shared/data is needed)', () => {
  it.each(['2019-smart', '2020-intersystems', '2021-blaze', '2021-google-hiv'])('of %s resolve completely', (set) => {
    const files = listShared('synthea', set).filter((name) => name.endsWith('.json.gz'))
    for (const file of files.filter((_, index) => index % Math.ceil(files.length / 4) === 0)) {
      const plan = planBundle(readShared('synthea', set, file), { base })
      const isConditional = (index: number) => (plan.entries[index] as EntryPlan).condition !== undefined
      const found = plan.lookups.map(({ key, expressions }) => {
        const reference = expressions.some((expression) => expression.endsWith('.reference'))
        return [key, reference ? [`found-${key.length}`] : []] as const
      })
      const { entries } = resolveBundle(plan, new Map(found), { base })
      for (const entry of entries) {
        expect(entry).not.toBeInstanceOf(ConsentryError)
        const { resource, index, action } = entry as ResolvedEntry
        expect(action).toBe(plan.kind === 'batch' && isConditional(index) ? 'ask' : 'create')
        expect(isConditional(index)).toBe((entry as ResolvedEntry).condition !== undefined)
        for (const { reference } of referencesOf(resource as Resource)) {
          expect(reference.reference ?? 'Patient/1').toMatch(/^(#|[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]+$)/)
        }
      }
    }
  })
})
