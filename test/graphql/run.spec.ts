import { type GraphQLError, introspectionFromSchema, parse, validate, validateSchema } from 'graphql'
import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { parseJson } from '../../src/fhir/json.js'
import { type GraphqlRequest, runGraphql } from '../../src/graphql/run.js'
import { buildSchema } from '../../src/graphql/schema.js'
import type { GraphqlResource } from '../../src/graphql/table.js'
import { MemorySource, schema, startGraphql, table } from './support.js'

const graphql = startGraphql()

const patient = (id: string, more: object = {}): GraphqlResource => ({
  resourceType: 'Patient',
  id,
  active: true,
  birthDate: '1974-12-25',
  _birthDate: { extension: [{ url: 'http://x/birthTime', valueDateTime: '1974-12-25T14:35:45-05:00' }] },
  name: [
    { use: 'official', family: 'Chalmers', given: ['Peter', 'James'] },
    { use: 'usual', given: ['Jim'] },
  ],
  ...more,
})

const observation = (id: string, subject: string): GraphqlResource => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '1' }] },
  subject: { reference: subject },
})

const group = { resourceType: 'Group', id: 'g', active: false, name: 'All', type: 'person', actual: true }
const resources = [
  patient('a'),
  patient('b', { gender: 'female' }),
  group,
  ...['1', '2', '3'].map((id) => observation(id, 'Patient/a')),
  observation('4', 'Group/g'),
  observation('5', 'Patient/none'),
  observation('6', 'https://here.example/fhir/Patient/b'),
  observation('7', 'https://there.example/fhir/Patient/b'),
]

async function ask(request: string | GraphqlRequest, source = new MemorySource(resources)) {
  const answer = await runGraphql(
    graphql.server,
    typeof request === 'string' ? { query: request } : request,
    source,
    'me',
  )
  return { ...(JSON.parse(JSON.stringify(answer)) as typeof answer), calls: source.calls }
}

const message = (answer: { errors?: readonly { message: string }[] }): string =>
  answer.errors?.[0]?.message ?? 'no error'

describe('the schema', () => {
  it('is valid, and describes itself within reason', () => {
    const own = buildSchema(table)
    expect(validateSchema(own)).toEqual([])
    const { __schema } = introspectionFromSchema(own)
    expect(JSON.stringify(__schema).length).toBeLessThan(20_000_000)
    const query = own.getQueryType()?.getFields()
    expect(Object.keys(query ?? {})).toHaveLength(3 * 146)
  })

  it('follows the published form: scalars by FHIR name, ids as ID, lists of search values', () => {
    const type = (parent: string, field: string): string | undefined => {
      const of = schema().getType(parent) as { getFields(): Record<string, { type: unknown }> } | undefined
      const found = of?.getFields()[field]
      return found && String(found.type)
    }
    expect(type('Patient', 'id')).toBe('ID')
    expect(type('Patient', 'birthDate')).toBe('date')
    expect(type('Patient', '_birthDate')).toBe('ElementBase')
    expect(type('HumanName', '_given')).toBe('[ElementBase]')
    expect(type('Patient', 'contact')).toBe('[PatientContact]')
    expect(type('Observation', 'valueQuantity')).toBe('Quantity')
    expect(type('ObservationComponent', 'referenceRange')).toBe('[ObservationReferenceRange]')
    expect(type('PatientConnection', 'edges')).toBe('[PatientEdge]')
    const args = schema().getQueryType()?.getFields()['ObservationList']?.args ?? []
    expect(Object.fromEntries(args.map(({ name, type }) => [name, String(type)]))).toMatchObject({
      based_on: '[reference]',
      code: '[token]',
      date: '[date]',
      _count: 'Int',
    })
  })

  it('can be narrowed to the types that are served', () => {
    const narrow = buildSchema(table, ['Patient', 'Condition'])
    expect(Object.keys(narrow.getQueryType()?.getFields() ?? {})).toHaveLength(6)
    expect(validate(narrow, parse('{ Patient(id: "1") { ConditionList(_reference: patient) { id } } }'))).toEqual([])
    expect(
      validate(narrow, parse('{ Patient(id: "1") { ObservationList(_reference: patient) { id } } }')),
    ).toHaveLength(1)
  })
})

describe('a read', () => {
  it('takes the id as FHIR writes it', async () => {
    const expected = { Patient: { id: 'a', active: true } }
    for (const id of ['a', '"a"']) expect((await ask(`{ Patient(id: ${id}) { id active } }`)).data).toEqual(expected)
    const query = 'query ($id: ID!) { Patient(id: $id) { id active } }'
    expect((await ask({ query, variables: { id: 'a' } })).data).toEqual(expected)
  })

  it('answers null for what is not there, and an error at an instance', async () => {
    expect(await ask('{ Patient(id: none) { id } }')).toMatchObject({ data: { Patient: null } })
    const instance = { type: 'Patient', id: 'none' }
    expect(await ask({ query: '{ id }', instance })).toMatchObject({ data: null, status: 404 })
  })

  it('starts inside the resource at an instance', async () => {
    const instance = { type: 'Patient', id: 'a' }
    const { data, calls } = await ask({ query: 'query q { ...f birthDate } fragment f on Patient { id }', instance })
    expect(data).toEqual({ id: 'a', birthDate: '1974-12-25' })
    expect(calls).toEqual(['me read Patient/a'])
  })

  it('selects elements of a list', async () => {
    const of = async (args: string) => (await ask(`{ Patient(id: a) { name${args} { given } } }`)).data
    expect(await of('(use: usual)')).toEqual({ Patient: { name: [{ given: ['Jim'] }] } })
    expect(await of('(_offset: 1)')).toEqual({ Patient: { name: [{ given: ['Jim'] }] } })
    expect(await of('(_count: 1)')).toEqual({ Patient: { name: [{ given: ['Peter', 'James'] }] } })
    expect(await of('(use: official, _offset: 1)')).toEqual({ Patient: { name: null } })
  })

  it('tells of extensions of primitives', async () => {
    const { data } = await ask(
      '{ Patient(id: a) { _birthDate { extension(url: "http://x/birthTime") { valueDateTime } } } }',
    )
    expect(data).toEqual({ Patient: { _birthDate: { extension: [{ valueDateTime: '1974-12-25T14:35:45-05:00' }] } } })
  })

  it('keeps decimals as they were written', async () => {
    const text = '{"resourceType":"Observation","id":"x","valueQuantity":{"value":1.50}}'
    const source = new MemorySource([parseJson(text) as unknown as GraphqlResource])
    const answer = await runGraphql(
      graphql.server,
      { query: '{ Observation(id: x) { valueQuantity { value } } }' },
      source,
      '',
    )
    expect(JSON.stringify(answer.data)).toBe('{"Observation":{"valueQuantity":{"value":1.50}}}')
  })
})

describe('a search', () => {
  it('gives arguments to the parameters of FHIR', async () => {
    const { data, calls } = await ask(
      '{ ObservationList(code: "http://loinc.org|1", subject: ["Patient/a", "Group/g"], _count: 2, _sort: "_lastUpdated") { id } }',
    )
    expect(calls).toEqual([
      'me search Observation?code=http://loinc.org|1&subject=Patient/a,Group/g&_sort=_lastUpdated&_count=2',
    ])
    expect(data).toEqual({ ObservationList: [{ id: '1' }, { id: '2' }] })
  })

  it('takes unquoted words, variables and commas inside of values', async () => {
    const search = async (request: string | GraphqlRequest) => (await ask(request)).calls[0]
    expect(await search('{ PatientList(gender: female, active: true) { id } }')).toBe(
      'me search Patient?active=true&gender=female',
    )
    const query = 'query ($name: String, $id: [ID!]) { PatientList(name: $name, _id: $id) { id } }'
    expect(await search({ query, variables: { name: 'a,b\\,c', id: ['1', '2'] } })).toBe(
      'me search Patient?_id=1,2&name=a\\,b\\,c',
    )
    expect(await search('{ ObservationList(based_on: "ServiceRequest/1") { id } }')).toBe(
      'me search Observation?based-on=ServiceRequest/1',
    )
  })

  it('returns a whole list or an error', async () => {
    const source = () => new MemorySource(resources, 3)
    expect(message(await ask('{ ObservationList { id } }', source()))).toContain('ObservationConnection')
    expect((await ask('{ ObservationList(_count: 1) { id } }', source())).data).toEqual({
      ObservationList: [{ id: '1' }],
    })
  })

  it('pages through a connection with cursors of its own', async () => {
    const fields = '{ count pagesize next edges { mode resource { id } } }'
    const first = await ask(`{ ObservationConnection(code: "1", _count: 4) ${fields} }`)
    const page = (first.data as { ObservationConnection: { next: string; edges: unknown[] } }).ObservationConnection
    expect(page).toMatchObject({ count: 7, pagesize: 4, edges: [{ mode: 'match', resource: { id: '1' } }, {}, {}, {}] })
    const second = await ask(`{ ObservationConnection(_cursor: "${page.next}") ${fields} }`)
    expect(second.calls).toEqual(['me search Observation?code=1&_count=4&_cursor=4&_total=accurate'])
    expect(second.data).toMatchObject({ ObservationConnection: { next: null, pagesize: 3 } })
    expect(message(await ask('{ ObservationConnection(_cursor: "xyz") { next } }'))).toContain('no cursor')
  })

  it('counts only when asked to', async () => {
    expect((await ask('{ PatientConnection { pagesize } }')).calls).toEqual(['me search Patient?'])
  })

  it('follows references backwards', async () => {
    const instance = { type: 'Patient', id: 'a' }
    const { data, calls } = await ask({
      query: '{ ObservationList(_reference: subject, status: final) { id } }',
      instance,
    })
    expect(calls.at(-1)).toBe('me search Observation?subject=Patient/a&status=final')
    expect(data).toEqual({ ObservationList: [{ id: '1' }, { id: '2' }, { id: '3' }] })
    const without = await ask({ query: '{ ObservationList { id } }', instance })
    expect(message(without)).toContain('_reference')
    const wrong = await ask({ query: '{ ObservationList(_reference: encounter) { id } }', instance })
    expect(message(wrong)).toContain('Patient')
  })
})

describe('references', () => {
  it('of all rows are read in one call, each resource once', async () => {
    const { calls, data } = await ask('{ ObservationList(_count: 4) { subject { resource { id } } } }')
    expect(calls).toEqual(['me search Observation?_count=4', 'me resolve Patient/a Group/g'])
    expect(data).toMatchObject({
      ObservationList: [{ subject: { resource: { id: 'a' } } }, {}, {}, { subject: { resource: { id: 'g' } } }],
    })
  })

  it('are asked for what only some types have, without naming them', async () => {
    const { data } = await ask('{ ObservationList(_id: ["1", "4"]) { subject { resource { active birthDate } } } }')
    expect(data).toEqual({
      ObservationList: [
        { subject: { resource: { active: true, birthDate: '1974-12-25' } } },
        { subject: { resource: { active: false } } },
      ],
    })
    expect(message(await ask('{ ObservationList(_id: "1") { subject { resource { agent } } } }'))).toContain('agent')
  })

  it('can be narrowed by type, in either form', async () => {
    const subject = async (fields: string) => {
      const { data, calls } = await ask(`{ ObservationList(_id: ["1", "4"]) { subject { ${fields} } } }`)
      return [
        (data as { ObservationList: { subject: unknown }[] }).ObservationList.map((each) => each.subject),
        calls.length,
      ]
    }
    expect(await subject('resource(type: Group) { name }')).toEqual([
      [{ resource: null }, { resource: { name: 'All' } }],
      2,
    ])
    expect(await subject('resource(type: Patient) { birthDate } resource(type: Group) { name }')).toEqual([
      [{ resource: { birthDate: '1974-12-25' } }, { resource: { name: 'All' } }],
      2,
    ])
    expect(await subject('resource { ... on Patient { birthDate } ... on Group { title: name } }')).toEqual([
      [{ resource: { birthDate: '1974-12-25' } }, { resource: { title: 'All' } }],
      2,
    ])
  })

  it('that cannot be resolved are an error, unless optional', async () => {
    for (const id of ['5', '7']) {
      const answer = await ask(`{ Observation(id: "${id}") { subject { resource { id } } } }`)
      expect(answer).toMatchObject({ data: null, status: 404 })
      expect(answer.errors?.[0]?.extensions.resource.issue[0]?.code).toBe('not-found')
      const optional = await ask(`{ Observation(id: "${id}") { subject { resource(optional: true) { id } } } }`)
      expect(optional.data).toEqual({ Observation: { subject: { resource: null } } })
    }
    const own = await ask('{ Observation(id: "6") { subject { resource { id } } } }')
    expect(own.data).toEqual({ Observation: { subject: { resource: { id: 'b' } } } })
  })

  it('lead into the resource that contains them', async () => {
    const contained = [{ resourceType: 'Practitioner', id: 'p', active: true }]
    const request = { resourceType: 'MedicationRequest', id: 'm', contained, requester: { reference: '#p' } }
    const source = new MemorySource([request])
    const { data, calls } = await ask(
      '{ MedicationRequest(id: m) { requester { resource { id } } contained { id } } }',
      source,
    )
    expect(data).toEqual({ MedicationRequest: { requester: { resource: { id: 'p' } }, contained: [{ id: 'p' }] } })
    expect(calls).toEqual(['me read MedicationRequest/m'])
  })
})

describe('errors', () => {
  it('are shaped as FHIR shapes them', async () => {
    expect(await ask('{ Patient(id: a) { nome } }')).toMatchObject({
      data: null,
      status: 400,
      errors: [
        {
          message: expect.stringContaining('nome') as string,
          extensions: {
            resource: { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'invalid' }] },
          },
        },
      ],
    })
    expect(await ask('{ Patient(')).toMatchObject({ data: null, status: 400 })
    expect(await ask('mutation { x }')).toMatchObject({ data: null, status: 400 })
  })

  it.each([
    '{ Patient(',
    '{ Patient(\n',
    '{ PatientList {\r\n id\n\n',
    '{ Patient(id: "x',
    '{ a """ ',
    '{ Patient { nome }',
    '{ ? }',
  ])('of syntax stand where the query of the client has them: %j', async (query) => {
    let location: unknown
    try {
      parse(query)
    } catch (error) {
      location = (error as GraphQLError).locations
    }
    expect(location).toBeDefined()
    const { errors } = await ask(query)
    expect(errors?.[0]?.locations).toEqual(location)
  })

  it('of the gateway pass with their kind and issues, others without detail', async () => {
    const failing = (error: Error) =>
      new (class extends MemorySource {
        override async read(): Promise<undefined> {
          throw error
        }
      })([])
    const forbidden = new ConsentryError('forbidden', 'No consent for this.', { code: 'suppressed' })
    expect(await ask('{ Patient(id: a) { id } }', failing(forbidden))).toMatchObject({
      data: null,
      status: 403,
      errors: [{ message: 'No consent for this.', path: ['Patient'] }],
    })
    const answer = await ask('{ Patient(id: a) { id } }', failing(new Error('password=1')))
    expect(answer).toMatchObject({ data: null, status: 500 })
    expect(JSON.stringify(answer)).not.toContain('password')
  })
})

describe('limits', () => {
  const deep = (levels: number): string =>
    `{ Questionnaire(id: q) { ${'item { '.repeat(levels)} linkId ${'}'.repeat(levels)} } }`

  it('refuse what is nested too deep, fragments or not', async () => {
    expect(message(await ask(deep(30)))).toContain('deeper')
    expect((await ask(deep(8))).errors).toBeUndefined()
    const hidden = `query { Questionnaire(id: q) { ...f } } fragment f on Questionnaire { ${'item { '.repeat(30)} linkId ${'}'.repeat(30)} }`
    expect(message(await ask(hidden))).toContain('deeper')
  })

  it('refuse what would read too much, before anything is read', async () => {
    const greedy = (count: string): string =>
      `query ($n: Int) { PatientConnection(_count: ${count}) { edges { resource { ObservationList(_reference: subject) { subject { resource { id } } } } } } }`
    const literal = { query: greedy('1000').replace('query ($n: Int) ', '') }
    for (const request of [literal, { query: greedy('$n'), variables: { n: 1000 } }]) {
      const answer = await ask(request)
      expect(message(answer)).toContain('costs')
      expect(answer.calls).toEqual([])
    }
    expect((await ask({ query: greedy('$n'), variables: { n: 5 } })).errors).toBeUndefined()
  })

  it('do not count every type that a reference might have', async () => {
    const any = '{ ProvenanceList(_count: 50) { target { resource(optional: true) { meta { lastUpdated } status } } } }'
    expect((await ask(any)).errors).toBeUndefined()
  })

  it('end circles of fragments and endless documents', async () => {
    const circle = '{ Patient(id: a) { ...f } } fragment f on Patient { ...g } fragment g on Patient { ...f }'
    expect(message(await ask(circle))).toContain('Cannot spread fragment')
    expect(message(await ask(`{ ${'a '.repeat(10_000)} }`))).toContain('tokens')
  })

  it('let a client read the schema', async () => {
    const { errors } = await ask('{ __schema { types { name fields { name type { ofType { ofType { name } } } } } } }')
    expect(errors).toBeUndefined()
  })
})
