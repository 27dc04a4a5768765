import { rm } from 'node:fs/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { end, startGateway, type RunningProcess, tokenOf } from '../support/gateway.js'
import { preparedGateway } from '../support/prepared-data.js'
import { ask, type Answer } from '../support/nasty.js'

let data: string
let gateway: RunningProcess
let bearer: string
beforeAll(async () => {
  data = await preparedGateway('consentry-nasty-')
  gateway = await startGateway(data, { EMBEDDED_PROXIES: '0' })
  bearer = `Bearer ${await tokenOf(data, 'ehr')}`
})
afterAll(async () => {
  await end(gateway.child, 'SIGTERM')
  await rm(data, { recursive: true, force: true })
})

const type = fc.constantFrom(
  'Patient',
  'Observation',
  'Encounter',
  'Practitioner',
  'AuditEvent',
  'Provenance',
  'Consent',
  'Bundle',
)
const id = fc.constantFrom('1', 'a-b.c', 'x'.repeat(64), '00000000-0000-4000-8000-000000000000')
const typePath = type.map((t) => `/${t}`)
const instancePath = fc.tuple(type, id).map(([t, i]) => `/${t}/${i}`)
const oddPath = fc
  .tuple(
    fc.constantFrom('', '/Patient', '/Patient/1'),
    fc.constantFrom('_search', '_history', '_history/x', '$match', '$verify', '*', 'Observation'),
  )
  .map((parts) => parts.join('/'))
const FHIR = 'application/fhir+json'
const verbs = (...names: string[]) => fc.constantFrom(...names)
const types = (...names: string[]) => fc.constantFrom(...names)
/** Method, path and content type that mostly belong together. */
const line = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(verbs('GET'), typePath, types(FHIR)) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      verbs('POST'),
      type.map((t) => `/${t}/_search`),
      types('application/x-www-form-urlencoded'),
    ),
  },
  { weight: 2, arbitrary: fc.tuple(verbs('GET'), instancePath, types(FHIR)) },
  { weight: 4, arbitrary: fc.tuple(verbs('POST'), typePath, types(FHIR)) },
  { weight: 4, arbitrary: fc.tuple(verbs('PUT', 'DELETE'), fc.oneof(typePath, instancePath), types(FHIR)) },
  { weight: 4, arbitrary: fc.tuple(verbs('POST'), fc.constant(''), types(FHIR)) },
  {
    weight: 1,
    arbitrary: fc.tuple(verbs('GET', 'POST', 'PATCH', 'HEAD'), oddPath, types(FHIR, 'application/json-patch+json')),
  },
)
const parameter = fc
  .tuple(
    fc.constantFrom(
      ...[
        '_id',
        '_lastUpdated',
        '_count',
        '_sort',
        '_total',
        '_include',
        '_revinclude',
        '_elements',
        '_summary',
        '_cursor',
        'page',
        '_has:Observation:subject:code',
      ],
      ...[
        'name',
        'family',
        'birthdate',
        'identifier',
        'code',
        'subject',
        'patient',
        'subject.name',
        'date',
        'value-quantity',
        'url',
        '_security',
        '_tag',
        'nothing',
      ],
    ),
    fc.constantFrom('', '', '', ':exact', ':missing', ':not', ':contains', ':of-type', ':Patient', ':nonsense'),
    fc.oneof(
      fc.constantFrom(
        '',
        '1',
        '-1',
        '1e400',
        'ge2020-01-01',
        'ap2020-13-45',
        'true',
        'Patient/1',
        'http://x|y',
        '|',
        ',',
        'a,b',
        '\\,',
        '1.50|http://unitsofmeasure.org|kg',
        '*',
        '-_lastUpdated',
      ),
      fc.string({ maxLength: 30 }).map((text) => text.toWellFormed()),
    ),
  )
  .map(([name, modifier, value]) => `${encodeURIComponent(name + modifier)}=${encodeURIComponent(value)}`)
const query = fc
  .array(parameter, { maxLength: 4 })
  .map((parameters) => (parameters.length === 0 ? '' : `?${parameters.join('&')}`))

/** JSON that is a resource here and there. */
const { resource } = fc.letrec<{ resource: unknown; value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      null,
      true,
      0,
      -1,
      1.5,
      '',
      'final',
      'Patient/1',
      'urn:uuid:0',
      '2020-01-01',
      'http://loinc.org',
      [],
      {},
    ),
    fc.string({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom(
        'reference',
        'code',
        'coding',
        'system',
        'value',
        'family',
        'id',
        'extension',
        'url',
        '__proto__',
        'resourceType',
      ),
      tie('value'),
      { maxKeys: 3 },
    ),
    tie('resource'),
  ),
  resource: fc.record(
    {
      resourceType: fc.oneof(
        fc.constantFrom('Patient', 'Observation', 'Bundle', 'Parameters', 'patient'),
        tie('value'),
      ),
      id: fc.constantFrom('1', 'a_b', '', 7),
      type: fc.constantFrom('transaction', 'batch', 'document', 7),
      meta: tie('value'),
      name: tie('value'),
      status: tie('value'),
      code: tie('value'),
      subject: fc.oneof(fc.constant({ reference: 'Patient/1' }), tie('value')),
      contained: tie('value'),
      entry: fc.array(
        fc.record(
          {
            fullUrl: fc.constantFrom('urn:uuid:0', 'urn:uuid:00000000-0000-4000-8000-000000000000', 'Patient/1', 7),
            resource: tie('resource'),
            request: fc.record(
              {
                method: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'X'),
                url: fc.oneof(
                  fc.constantFrom('Patient', 'Patient/1', 'Patient?identifier=x', '/', '', '$x', 'http://x/Patient/1'),
                  tie('value'),
                ),
                ifNoneExist: fc.constantFrom('identifier=1', '', '='),
                ifMatch: fc.constantFrom('W/"1"', 'x', ''),
              },
              { requiredKeys: [] },
            ),
          },
          { requiredKeys: [] },
        ),
        { maxLength: 4 },
      ),
    },
    { requiredKeys: [] },
  ),
}))
/** Bodies that are right, so that what comes after validation is met too. */
const sound = fc.constantFrom(
  { resourceType: 'Practitioner', id: '1', name: [{ family: 'Sound' }], birthDate: '1970-01' },
  { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/1' } },
  { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: 'Practitioner/1' } },
  {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      {
        fullUrl: 'urn:uuid:00000000-0000-4000-8000-000000000000',
        resource: { resourceType: 'Practitioner', identifier: [{ system: 'http://x', value: '1' }] },
        request: { method: 'POST', url: 'Practitioner', ifNoneExist: 'identifier=http://x|1' },
      },
      { request: { method: 'GET', url: 'Practitioner?identifier=1' } },
    ],
  },
)
const body = fc.oneof(
  { weight: 8, arbitrary: sound.map((value) => JSON.stringify(value)) },
  { weight: 6, arbitrary: resource.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.string() },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '[]',
      'null',
      '{"resourceType":"Patient","resourceType":"Patient"}',
      '['.repeat(2000),
      '{"a":1e999999}',
      '"\\ud800"',
      '\ufeff{}',
    ),
  },
)
const headers = fc.record(
  {
    'if-match': fc.constantFrom('W/"1"', '"1"', '1', 'W/"x"', '*', ''),
    'if-none-match': fc.constantFrom('W/"1"', '*', 'x'),
    'if-modified-since': fc.constantFrom('Fri, 20 Nov 2026 10:00:00 GMT', 'x', '1e99'),
    'if-none-exist': fc.constantFrom('identifier=x', '', '%zz', 'nothing=1', '?'),
    prefer: fc.constantFrom('handling=lenient', 'return=minimal', 'return=x; handling', ';;'),
  },
  { requiredKeys: [] },
)
const mostlyNot = fc.nat(5).map((n) => n === 0)

describe('the gateway, whatever an authorised client sends', () => {
  it('answers with a resource and never with a fault', async () => {
    const { origin } = new URL(gateway.fhir)
    const statuses = new Map<number, number>()
    await fc.assert(
      fc.asyncProperty(
        line,
        query,
        mostlyNot,
        headers,
        body,
        async ([verb, named, contentType], search, conditional, given, text) => {
          const sent = { ...given, authorization: bearer, 'content-type': contentType }
          const place = named.replace(
            /^\/\w+/,
            (typed) => (verb === 'POST' || verb === 'PUT' ? placeOf(text) : undefined) ?? typed,
          )
          const form = contentType.includes('form')
          const parameters = form || verb === 'GET' || conditional ? search : ''
          const answer = await ask(
            origin,
            verb,
            `/fhir${place}${form ? '' : parameters}`,
            sent,
            Buffer.from(form ? parameters.slice(1) : text),
          )
          statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
          expectSound(answer)
        },
      ),
      { numRuns: 500 },
    )
    expect(gateway.output()).not.toContain('a request failed')
    // The mixture must get past the first checks, or it proves little.
    for (const status of [200, 201, 400, 404]) expect([...statuses.keys()]).toContain(status)
  })
})

/** Where a whole resource belongs. */
function placeOf(text: string): string | undefined {
  const type = /^\{"resourceType":"(Practitioner|Observation)"/.exec(text)?.[1]
  return type === undefined ? undefined : `/${type}`
}

function expectSound({ status, text }: Answer): void {
  expect(status === 501 || status < 500, `${status}: ${text}`).toBe(true)
  // With Prefer: return=minimal there is nothing to look at.
  if (text !== '') expect(JSON.parse(text)).toHaveProperty('resourceType')
}
