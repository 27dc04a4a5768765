import { beforeAll, describe, expect, it } from 'vitest'
import { structures } from '../../src/fhir/definitions/structures.js'
import { searchParametersOf } from '../../src/fhir/search-parameters.js'
import { type RunningProcess, tokenOf } from '../support/gateway.js'
import { minimalResource } from '../support/minimal-resource.js'
import { sharedGateway } from '../support/shared-gateway.js'

/*
 * The CapabilityStatement that is served is walked: all that it lists is asked for and answered, for every type, and all of R4 that it does not
 * list is refused. So it cannot promise what is not there, nor keep quiet of what is.
 */
let data: string
let gateway: RunningProcess
const tokens = new Map<string, { readonly token: string; readonly at: number }>()
/** A token lives for five minutes, and a busy machine may take longer. */
const FRESH_MS = 120_000
const PATIENT = 'Patient/declared'
const TAG = { system: 'urn:example:declared', code: 'declared' }
/** https://hl7.org/fhir/R4/valueset-type-restful-interaction.html */
const INTERACTIONS = [
  ...['read', 'vread', 'update', 'patch', 'delete', 'history-instance', 'history-type', 'create', 'search-type'],
] as const
type Interaction = (typeof INTERACTIONS)[number]

interface Declared {
  readonly type: string
  readonly interaction: readonly { readonly code: Interaction }[]
  readonly searchParam?: readonly { readonly name: string; readonly type: string }[]
  readonly searchInclude?: readonly string[]
  readonly searchRevInclude?: readonly string[]
  readonly operation?: readonly { readonly name: string }[]
  readonly readHistory: boolean
  readonly updateCreate: boolean
  readonly conditionalCreate: boolean
  readonly conditionalRead: string
  readonly conditionalUpdate: boolean
  readonly conditionalDelete: string
}
interface Rest {
  readonly resource: readonly Declared[]
  readonly interaction: readonly { readonly code: string }[]
  readonly searchParam: readonly { readonly name: string; readonly type: string }[]
  readonly operation: readonly { readonly name: string }[]
  readonly compartment: readonly string[]
}
let rest: Rest
let formats: { readonly format: readonly string[]; readonly patchFormat: readonly string[] }

async function freshToken(client: string): Promise<string> {
  const known = tokens.get(client)
  if (known !== undefined && performance.now() - known.at < FRESH_MS) return known.token
  const token = await tokenOf(data, client)
  tokens.set(client, { token, at: performance.now() })
  return token
}

async function send(method: string, path: string, body?: string | object, headers: Record<string, string> = {}) {
  const { as = 'ehr', ...others } = headers
  const response = await fetch(`${gateway.fhir}${path}`, {
    method,
    headers: { authorization: `Bearer ${await freshToken(as)}`, 'content-type': 'application/fhir+json', ...others },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, text, body: text.startsWith('{') ? JSON.parse(text) : undefined }
}

/** An entry of a batch, and what its status must be. */
interface Asked {
  readonly request: { readonly method: string; readonly url: string; readonly [condition: string]: string }
  readonly resource?: object
  readonly expected: number | RegExp
}

interface Answered {
  readonly url: string
  readonly status: string
  // The test looks into resources of every type.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any
}

/** The trail is read by auditors alone. */
const ofTrail = ({ request: { url } }: Asked): boolean => url.startsWith('AuditEvent')

async function batch(asked: readonly Asked[]): Promise<Answered[]> {
  const trail = asked.filter(ofTrail)
  const answers = await batchAs(
    'ehr',
    asked.filter((each) => !ofTrail(each)),
  )
  return trail.length === 0 ? answers : [...(await batchAs('auditor', trail)), ...answers]
}

/** Entries of one batch; those that are answered otherwise than expected fail the test together. */
async function batchAs(as: string, asked: readonly Asked[]): Promise<Answered[]> {
  if (asked.length === 0) return []
  const entry = asked.map(({ request, resource }) => ({ request, ...(resource === undefined ? {} : { resource }) }))
  const { status, text, body } = await send('POST', '', { resourceType: 'Bundle', type: 'batch', entry }, { as })
  expect(status, text.slice(0, 2000)).toBe(200)
  const answers = (body.entry as { resource?: object; response: { status: string; outcome?: object } }[]).map(
    ({ resource, response }, i) => ({
      url: `${asked[i]?.request.method} ${asked[i]?.request.url}`,
      status: response.status.slice(0, 3),
      body: (resource ?? response.outcome) as Answered['body'],
    }),
  )
  const wrong = answers.filter(({ status: code }, i) => !fits(code, asked[i]?.expected ?? 200))
  expect(
    wrong
      .slice(0, 10)
      .map(({ url, status: code, body: said }) => `${url}: ${code} ${JSON.stringify(said?.issue ?? '')}`),
  ).toEqual([])
  expect(answers).toHaveLength(asked.length)
  return answers
}

const fits = (status: string, expected: number | RegExp): boolean =>
  typeof expected === 'number' ? status === String(expected) : expected.test(status)

const ask = (method: string, url: string, expected: number | RegExp, more: object = {}, resource?: object): Asked => ({
  request: { method, url, ...more },
  expected,
  ...(resource === undefined ? {} : { resource }),
})

/** Something that each kind of parameter takes. */
function valueFor(type: string, name: string, kind: string): string {
  const plain = (of: string): string =>
    ({ date: '2024', number: '1', quantity: '1', reference: PATIENT, special: '1|2' })[of] ?? 'x'
  const { kinds = [] } = searchParametersOf(type).get(name) ?? {}
  return kind === 'composite' ? kinds.map(plain).join('$') : plain(kind)
}

const minimal = (type: string): object => ({ ...minimalResource(type, 'declared', PATIENT), meta: { tag: [TAG] } })
const PATCH = [{ op: 'add', path: '/language', value: 'en' }]
const patch = {
  resourceType: 'Binary',
  contentType: 'application/json-patch+json',
  data: Buffer.from(JSON.stringify(PATCH)).toString('base64'),
}
const has = ({ interaction }: Declared, code: Interaction): boolean => interaction.some((each) => each.code === code)
const having = (code: Interaction): Declared[] => rest.resource.filter((each) => has(each, code))
/** The trail is written by the server: there is something to read of it, and nothing to write. */
const stored = (code: Interaction): Declared[] => having(code).filter((each) => has(each, 'update'))

beforeAll(async () => {
  ;({ data, running: gateway } = await sharedGateway())
  const { body } = await send('GET', '/metadata')
  rest = body.rest[0] as Rest
  formats = body as typeof formats
  await batch([ask('PUT', PATIENT, 201, {}, minimal('Patient'))])
}, 300_000)

describe('what the CapabilityStatement lists of each type', () => {
  it('has all types of R4 that have an address, and no interaction that is not checked here', () => {
    expect(rest.resource.map(({ type }) => type)).toEqual(
      structures().resources.filter((type) => type !== 'Parameters'),
    )
    const listed = new Set(rest.resource.flatMap(({ interaction }) => interaction.map(({ code }) => code)))
    expect([...listed].toSorted()).toEqual([...INTERACTIONS].toSorted())
    expect(rest.resource.filter(({ updateCreate, type }) => updateCreate !== (type !== 'AuditEvent'))).toEqual([])
    expect(rest.resource.filter((each) => each.readHistory !== has(each, 'vread'))).toEqual([])
  })

  it('is created by update and create, conditionally too', async () => {
    await batch(
      having('update')
        .filter(({ type }) => type !== 'Patient')
        .map(({ type }) => ask('PUT', `${type}/declared`, 201, {}, minimal(type))),
    )
    const others = having('create').map(({ type }) => ({ type, resource: { ...minimal(type), id: undefined } }))
    await batch(others.map(({ type, resource }) => ask('POST', type, 201, {}, resource)))
    const conditional = others.filter(({ type }) => rest.resource.find((each) => each.type === type)?.conditionalCreate)
    expect(conditional).toHaveLength(others.length)
    const if_ = (id: string) => ({ ifNoneExist: `_id=${id}` })
    await batch([
      ...conditional.map(({ type, resource }) => ask('POST', type, 201, if_('nowhere'), resource)),
      ...conditional.map(({ type, resource }) => ask('POST', type, 200, if_('declared'), resource)),
    ])
  }, 300_000)

  it('is read, with versions and histories, conditionally too', async () => {
    await batch([
      ...stored('read').map(({ type }) => ask('GET', `${type}/declared`, 200)),
      ...stored('vread').map(({ type }) => ask('GET', `${type}/declared/_history/1`, 200)),
      ...stored('history-instance').map(({ type }) => ask('GET', `${type}/declared/_history`, 200)),
      ...stored('history-type').map(({ type }) => ask('GET', `${type}/_history?_count=1`, 200)),
      ...stored('read')
        .filter(({ conditionalRead }) => conditionalRead === 'full-support')
        .map(({ type }) => ask('GET', `${type}/declared`, 304, { ifNoneMatch: 'W/"1"' })),
    ])
    const trail = await batch([ask('GET', 'AuditEvent?_count=1', 200)])
    const { id } = trail[0]?.body.entry[0].resource as { id: string }
    const audited = ['', '/_history/1', '/_history'].map((rest_) => ask('GET', `AuditEvent/${id}${rest_}`, 200))
    await batch([...audited, ask('GET', 'AuditEvent/_history?_count=1', 200)])
  }, 300_000)

  it('is searched by all parameters that are listed', async () => {
    const all = ({ type, searchParam = [] }: Declared): string =>
      searchParam.map(({ name, type: kind }) => `${name}=${encodeURIComponent(valueFor(type, name, kind))}`).join('&')
    await batch(having('search-type').map((each) => ask('GET', `${each.type}?${all(each)}`, 200)))
    const found = await batch(stored('search-type').map(({ type }) => ask('GET', `${type}?_id=declared`, 200)))
    expect(found.filter(({ body }) => body.total !== 1).map(({ url }) => url)).toEqual([])
  }, 300_000)

  it('is searched with all includes that are listed', async () => {
    const asked = stored('search-type').flatMap(({ type, searchInclude = [], searchRevInclude = [] }) => {
      const includes = [
        ...searchInclude.map((each) => `_include=${each}`),
        ...searchRevInclude.map((each) => `_revinclude=${each}`),
      ]
      expect(includes, type).toContain('_revinclude=*')
      const at = (i: number): string[] => includes.slice(i * 20, i * 20 + 20)
      return Array.from({ length: Math.ceil(includes.length / 20) }, (_, i) =>
        ask('GET', `${type}?_id=declared&${at(i).join('&')}`, 200),
      )
    })
    await batch(asked)
  }, 300_000)

  it('is changed by patch and update, conditionally too', async () => {
    await batch(having('patch').map(({ type }) => ask('PATCH', `${type}/declared`, 200, {}, patch)))
    const conditional = having('update').filter(({ conditionalUpdate }) => conditionalUpdate)
    expect(conditional).toHaveLength(having('update').length)
    await batch(conditional.map(({ type }) => ask('PUT', `${type}?_id=declared`, 200, {}, minimal(type))))
  }, 300_000)

  it('has all operations that are listed, and no other of R4', async () => {
    // what all types have is an operation of instances
    const shared = (name: string): boolean =>
      rest.resource.every(({ operation }) => operation?.some((each) => each.name === name))
    const places = (type: string, name: string): string[] => [
      ...(shared(name) ? [] : [`${type}/$${name}`]),
      `${type}/declared/$${name}`,
    ]
    const listed = rest.resource.flatMap(({ type, operation = [] }) => operation.map(({ name }) => ({ type, name })))
    const anywhere = /^\d/
    const answers = await batch(
      listed.flatMap(({ type, name }) => places(type, name).map((url) => ask('GET', url, anywhere))),
    )
    const reached = new Set(
      answers.filter(isServed).map(({ url }) => url.replace('GET ', '').replace('/declared/', '/')),
    )
    expect(listed.map(({ type, name }) => `${type}/$${name}`).filter((each) => !reached.has(each))).toEqual([])
    const others = R4_OPERATIONS.filter(
      ([type, name]) => !listed.some((each) => each.type === type && each.name === name),
    )
    expect(others.length).toBeGreaterThan(20)
    const refused = await batch(
      others.flatMap(([type, name]) => places(type, name).map((url) => ask('GET', url, /^[45]/))),
    )
    expect(refused.filter(isServed).map(({ url }) => url)).toEqual([])
    const system = ['convert', 'closure', 'process-message', 'validate', 'meta-add', 'submit', 'versions']
    const ofSystem = await batch(
      [...rest.operation.map(({ name }) => name), ...system].map((name) => ask('GET', `$${name}`, anywhere)),
    )
    expect(ofSystem.filter(isServed).map(({ url }) => url)).toEqual(rest.operation.map(({ name }) => `GET $${name}`))
  }, 300_000)

  it('refuses the parameters of R4 that are not listed, each by its name', async () => {
    const unlisted = new Map(
      having('search-type').map(({ type, searchParam = [] }) => {
        const listed = new Set(searchParam.map(({ name }) => name))
        return [type, [...searchParametersOf(type).keys(), 'colour'].filter((name) => !listed.has(name))]
      }),
    )
    const asked = Array.from(unlisted, ([type, names]) =>
      ask('GET', `${type}?${names.map((n) => `${n}=x`).join('&')}`, 400),
    )
    const answers = await batch(asked)
    const said = answers.map(({ url, body }) => [
      url.slice('GET '.length, url.indexOf('?')),
      (body.issue as { expression: string[] }[]).flatMap(({ expression }) => expression),
    ])
    expect(new Map(said as [string, string[]][])).toEqual(unlisted)
  }, 300_000)

  it('refuses the interactions that are not listed', async () => {
    const listed = new Map(rest.resource.map(({ type, interaction }) => [type, interaction.map(({ code }) => code)]))
    const asked = structures().resources.flatMap((type) => {
      const unlisted = INTERACTIONS.filter((code) => !listed.get(type)?.includes(code))
      return unlisted.map((code): Asked => ({ ...attempt(type, code), expected: /^4/ }))
    })
    expect(asked.length).toBe(4 + INTERACTIONS.length)
    await batchAs('ehr', asked)
  })

  it('is deleted, conditionally too, several at once', async () => {
    const last = (list: Declared[]): Declared[] =>
      list.toSorted((a, b) => Number(a.type === 'Patient') - Number(b.type === 'Patient'))
    await batch(last(having('delete')).map(({ type }) => ask('DELETE', `${type}/declared`, 204)))
    const several = last(having('delete')).filter(({ conditionalDelete }) => conditionalDelete === 'multiple')
    expect(several).toHaveLength(having('delete').length)
    const tagged = `_tag=${TAG.system}|${TAG.code}`
    const count = () => batch(several.map(({ type }) => ask('GET', `${type}?${tagged}&_summary=count`, 200)))
    expect((await count()).filter(({ body }) => body.total !== 2).map(({ url }) => url)).toEqual([])
    // a condition of an entry means one resource: several are deleted by a request of its own
    const deleted = async ({ type }: Declared) => ({
      type,
      status: (await send('DELETE', `/${type}?${tagged}&_count=2`)).status,
    })
    const [others, patients] = [
      several.filter(({ type }) => type !== 'Patient'),
      several.filter(({ type }) => type === 'Patient'),
    ]
    const answers = [...(await Promise.all(others.map(deleted))), ...(await Promise.all(patients.map(deleted)))]
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    expect((await count()).filter(({ body }) => body.total !== 0).map(({ url }) => url)).toEqual([])
  }, 300_000)
})

describe('what the CapabilityStatement lists of the system', () => {
  const ASKED: Readonly<Record<string, () => Promise<{ status: number }>>> = {
    transaction: () => send('POST', '', { resourceType: 'Bundle', type: 'transaction' }),
    batch: () => send('POST', '', { resourceType: 'Bundle', type: 'batch' }),
    'search-system': () =>
      send(
        'GET',
        `/?_type=Basic&${rest.searchParam.map(({ name, type }) => `${name}=${valueFor('Basic', name, type)}`).join('&')}`,
      ),
    'history-system': () => send('GET', '/_history?_count=1'),
  }

  it('is all four interactions of R4', async () => {
    expect(rest.interaction.map(({ code }) => code).toSorted()).toEqual(Object.keys(ASKED).toSorted())
    for (const [name, asked] of Object.entries(ASKED)) expect((await asked()).status, name).toBe(200)
  })

  it('is the compartments of R4, and none else', async () => {
    const owners = rest.compartment.map((url) => url.slice(url.lastIndexOf('/') + 1).toLowerCase())
    const open = await Promise.all(
      structures().resources.map(async (type) => ({
        type,
        status: (await send('GET', `/${type}/declared/*?_count=1`)).status,
      })),
    )
    expect(open.filter(({ status }) => status === 200).map(({ type }) => type.toLowerCase())).toEqual(owners.toSorted())
  })

  it('is the formats, and no others of R4', async () => {
    const status = async (format: string): Promise<number> =>
      (await send('GET', `/metadata?_format=${encodeURIComponent(format)}`)).status
    expect(await Promise.all(formats.format.map(status))).toEqual(formats.format.map(() => 200))
    expect([await status('ttl'), await status('text/turtle')]).toEqual([406, 406])
    const basic = { ...minimalResource('Basic', 'patched', PATIENT), subject: undefined }
    expect((await send('PUT', '/Basic/patched', basic)).status).toBe(201)
    const patched = async (type: string): Promise<number> =>
      (await send('PATCH', '/Basic/patched', PATCHES[type] ?? '', { 'content-type': type })).status
    expect(Object.keys(PATCHES).toSorted()).toEqual([...formats.patchFormat, 'application/xml-patch+xml'].toSorted())
    for (const type of formats.patchFormat) expect(await patched(type), type).toBe(200)
    expect(await patched('application/xml-patch+xml')).toBe(415)
  })
})

const PATCHES: Readonly<Record<string, string>> = {
  'application/json-patch+json': JSON.stringify(PATCH),
  'application/fhir+json': JSON.stringify({
    resourceType: 'Parameters',
    parameter: [
      {
        name: 'operation',
        part: [
          { name: 'type', valueCode: 'replace' },
          { name: 'path', valueString: 'Basic.language' },
          { name: 'value', valueCode: 'de' },
        ],
      },
    ],
  }),
  'application/fhir+xml': `<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>
    <part><name value="type"/><valueCode value="delete"/></part>
    <part><name value="path"/><valueString value="Basic.language"/></part></parameter></Parameters>`,
  'application/xml-patch+xml': '<diff/>',
}

/** An operation that is not served is told so; everything else has been reached, whatever it says of its input. */
const isServed = ({ body }: Answered): boolean =>
  !/is not served here; served are/.test(String(body?.issue?.[0]?.diagnostics))

function attempt(type: string, interaction: Interaction): Pick<Asked, 'request' | 'resource'> {
  const at = `${type}/declared`
  const attempts: Record<Interaction, Pick<Asked, 'request' | 'resource'>> = {
    read: { request: { method: 'GET', url: at } },
    vread: { request: { method: 'GET', url: `${at}/_history/1` } },
    'history-instance': { request: { method: 'GET', url: `${at}/_history` } },
    'history-type': { request: { method: 'GET', url: `${type}/_history` } },
    'search-type': { request: { method: 'GET', url: `${type}?_id=x` } },
    create: { request: { method: 'POST', url: type }, resource: minimal(type) },
    update: { request: { method: 'PUT', url: at }, resource: minimal(type) },
    patch: { request: { method: 'PATCH', url: at }, resource: patch },
    delete: { request: { method: 'DELETE', url: at } },
  }
  return attempts[interaction]
}

/** https://hl7.org/fhir/R4/operationslist.html, those of types. */
const R4_OPERATIONS: readonly (readonly [type: string, name: string])[] = [
  ['ActivityDefinition', 'apply'],
  ['ActivityDefinition', 'data-requirements'],
  ['CapabilityStatement', 'implements'],
  ['CapabilityStatement', 'conforms'],
  ['CapabilityStatement', 'subset'],
  ['CapabilityStatement', 'versions'],
  ['ChargeItemDefinition', 'apply'],
  ['Claim', 'submit'],
  ['CodeSystem', 'lookup'],
  ['CodeSystem', 'validate-code'],
  ['CodeSystem', 'subsumes'],
  ['CodeSystem', 'find-matches'],
  ['Composition', 'document'],
  ['ConceptMap', 'translate'],
  ['ConceptMap', 'closure'],
  ['CoverageEligibilityRequest', 'submit'],
  ['Encounter', 'everything'],
  ['Group', 'everything'],
  ['Library', 'data-requirements'],
  ['List', 'find'],
  ['Measure', 'evaluate-measure'],
  ['Measure', 'data-requirements'],
  ['Measure', 'submit-data'],
  ['Measure', 'collect-data'],
  ['Measure', 'care-gaps'],
  ['MedicinalProduct', 'everything'],
  ['MessageHeader', 'process-message'],
  ['NamingSystem', 'preferred-id'],
  ['Observation', 'stats'],
  ['Observation', 'lastn'],
  ['Patient', 'match'],
  ['Patient', 'everything'],
  ['PlanDefinition', 'apply'],
  ['PlanDefinition', 'data-requirements'],
  ['StructureDefinition', 'snapshot'],
  ['StructureDefinition', 'questionnaire'],
  ['StructureMap', 'transform'],
  ['ValueSet', 'expand'],
  ['ValueSet', 'validate-code'],
  ['Basic', 'convert'],
]
