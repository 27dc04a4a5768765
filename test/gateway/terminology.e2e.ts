import { beforeAll, describe, expect, it } from 'vitest'
import { validate } from '../../src/fhir/validate.js'
import { type RunningProcess, tokenOf } from '../support/gateway.js'
import { sharedGateway } from '../support/shared-gateway.js'

/** A real gateway that holds one code system and value sets that draw on it, on R4's and on SNOMED CT. */
let data: string
let gateway: RunningProcess
const tokens: Record<string, string> = {}
const ids: Record<string, string> = {}

const CS = 'http://terminology.example/cs'
const GENDER = 'http://hl7.org/fhir/administrative-gender'
const ANIMALS = {
  resourceType: 'CodeSystem',
  url: CS,
  name: 'Animals',
  version: '2',
  status: 'active',
  content: 'complete',
  property: [{ code: 'inactive', type: 'boolean' }],
  concept: [
    {
      code: 'animal',
      display: 'Animal',
      concept: [
        { code: 'dog', display: 'Dog', designation: [{ language: 'de', value: 'Hund' }] },
        { code: 'dodo', display: 'Dodo', property: [{ code: 'inactive', valueBoolean: true }] },
      ],
    },
  ],
}
const valueSet = (name: string, ...include: object[]) => ({
  resourceType: 'ValueSet',
  url: `http://terminology.example/vs/${name}`,
  status: 'active',
  compose: { include },
})

beforeAll(async () => {
  ;({ data, running: gateway } = await sharedGateway())
  for (const name of ['ehr', 'auditor']) tokens[name] = await tokenOf(data, name)
  const isA = { system: CS, filter: [{ property: 'concept', op: 'is-a', value: 'animal' }] }
  const stored = {
    cs: ANIMALS,
    mixed: valueSet('mixed', { valueSet: ['http://terminology.example/vs/animals'] }, { system: GENDER }),
    animals: valueSet('animals', isA),
    snomed: valueSet('snomed', { system: 'http://snomed.info/sct' }),
  }
  for (const [name, resource] of Object.entries(stored)) {
    const { status, body } = await ask('POST', `/${resource.resourceType}`, resource)
    expect(status).toBe(201)
    ids[name] = body.id
  }
})

// The tests look into resources of several types.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
async function ask(method: string, path: string, body?: unknown, as = 'ehr'): Promise<{ status: number; body: any }> {
  const response = await fetch(`${gateway.fhir}${path}`, {
    method,
    headers: { authorization: `Bearer ${tokens[as]}`, 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: await response.json() }
}

/** The answer as `name=value`, which must be valid R4. */
async function outcome(path: string, ...parameter: object[]): Promise<string[]> {
  const answer =
    parameter.length === 0 ? await ask('GET', path) : await ask('POST', path, { resourceType: 'Parameters', parameter })
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  expect(validate(answer.body).issues).toEqual([])
  const listed = answer.body.parameter as Record<string, unknown>[]
  return listed.map(
    ({ name, part, ...value }) =>
      `${String(name)}=${part === undefined ? String(Object.values(value)[0]) : shown(part)}`,
  )
}

const shown = (part: unknown): string =>
  (part as Record<string, unknown>[])
    .map((one) => String(Object.entries(one).find(([key]) => key !== 'name')?.[1]))
    .join(':')

async function expansion(query: string): Promise<{ total: number; offset: number; codes: string[] }> {
  const { status, body } = await ask('GET', `/ValueSet/$expand?${query}`)
  expect(status, JSON.stringify(body)).toBe(200)
  expect(validate(body).issues).toEqual([])
  const {
    total,
    offset,
    contains = [],
  } = body.expansion as { total: number; offset: number; contains?: { code: string }[] }
  return { total, offset, codes: contains.map(({ code }) => code) }
}

describe('CodeSystem', () => {
  it('$lookup tells what is known of a code', async () => {
    expect(await outcome(`/CodeSystem/$lookup?system=${GENDER}&code=male`)).toEqual([
      'name=AdministrativeGender',
      'version=4.0.1',
      'display=Male',
    ])
    expect(await outcome('/CodeSystem/$lookup', { name: 'coding', valueCoding: { system: CS, code: 'dog' } })).toEqual([
      'name=Animals',
      'version=2',
      'display=Dog',
      'designation=de:Hund',
      'property=parent:animal',
    ])
    expect((await ask('GET', `/CodeSystem/$lookup?system=${CS}&code=cat`)).status).toBe(404)
    expect((await ask('GET', '/CodeSystem/$lookup?system=http://snomed.info/sct&code=1')).status).toBe(404)
  })

  it('$validate-code tells whether a code and its display are there', async () => {
    const url = `/CodeSystem/$validate-code?url=${CS}`
    expect(await outcome(`${url}&code=dog&display=hund`)).toEqual(['result=true', 'display=Dog'])
    expect(await outcome(`${url}&code=dog&display=Cat`)).toEqual([
      'result=false',
      'message=The display is not one of this code.',
      'display=Dog',
    ])
    expect(await outcome(`${url}&code=cat`)).toEqual(['result=false', `message=There is no such code in ${CS}.`])
    expect(await outcome(`/CodeSystem/${ids['cs']}/$validate-code?code=dog`)).toEqual(['result=true', 'display=Dog'])
  })

  it('$subsumes tells how two codes are related', async () => {
    const between = (a: string, b: string) => outcome(`/CodeSystem/$subsumes?system=${CS}&codeA=${a}&codeB=${b}`)
    expect(await between('animal', 'dog')).toEqual(['outcome=subsumes'])
    expect(await between('dog', 'animal')).toEqual(['outcome=subsumed-by'])
    expect(await between('dog', 'dodo')).toEqual(['outcome=not-subsumed'])
    expect(await outcome(`/CodeSystem/${ids['cs']}/$subsumes?codeA=dog&codeB=dog`)).toEqual(['outcome=equivalent'])
    expect((await ask('GET', `/CodeSystem/$subsumes?system=${CS}&codeA=dog&codeB=cat`)).status).toBe(404)
  })
})

describe('ValueSet', () => {
  it('$expand lists codes of what is loaded and of what is stored, a page of them', async () => {
    const mixed = 'url=http://terminology.example/vs/mixed'
    expect(await expansion(mixed)).toEqual({
      total: 7,
      offset: 0,
      codes: ['animal', 'dog', 'dodo', 'male', 'female', 'other', 'unknown'],
    })
    expect(await expansion(`${mixed}&offset=2&count=2`)).toEqual({ total: 7, offset: 2, codes: ['dodo', 'male'] })
    expect((await expansion(`${mixed}&count=0`)).codes).toEqual([])
    expect((await expansion(`${mixed}&activeOnly=true&filter=do`)).codes).toEqual(['dog'])
    expect((await expansion('url=http://hl7.org/fhir/ValueSet/administrative-gender&displayLanguage=de')).total).toBe(4)
    const byId = await ask('GET', `/ValueSet/${ids['animals']}/$expand`)
    expect(byId.body.expansion.contains).toEqual([
      { system: CS, code: 'animal', display: 'Animal' },
      { system: CS, code: 'dog', display: 'Dog' },
      { system: CS, inactive: true, code: 'dodo', display: 'Dodo' },
    ])
    const given = { name: 'valueSet', resource: valueSet('given', { system: CS, concept: [{ code: 'dog' }] }) }
    const posted = await ask('POST', '/ValueSet/$expand', { resourceType: 'Parameters', parameter: [given] })
    expect(posted.body.expansion.contains).toEqual([{ system: CS, code: 'dog', display: 'Dog' }])
  })

  it('$validate-code decides, and says when it cannot', async () => {
    const url = '/ValueSet/$validate-code?url=http://terminology.example/vs/mixed'
    expect(await outcome(`${url}&system=${GENDER}&code=male`)).toEqual(['result=true', 'display=Male'])
    expect(await outcome(`${url}&system=${GENDER}&code=man`)).toEqual([
      'result=false',
      'message=The code is not in http://terminology.example/vs/mixed.',
    ])
    const codeableConcept = {
      coding: [
        { system: CS, code: 'cat' },
        { system: CS, code: 'dog' },
      ],
    }
    const concept = { name: 'codeableConcept', valueCodeableConcept: codeableConcept }
    expect(await outcome(`/ValueSet/${ids['animals']}/$validate-code`, concept)).toEqual(['result=true'])
    const unknown = await ask(
      'GET',
      '/ValueSet/$validate-code?url=http://terminology.example/vs/snomed&system=http://snomed.info/sct&code=1',
    )
    expect([unknown.status, unknown.body.issue[0].code]).toEqual([422, 'not-supported'])
    const open = await ask('GET', '/ValueSet/$expand?url=http://terminology.example/vs/snomed')
    expect([open.status, open.body.issue[0].diagnostics]).toEqual([
      422,
      'The value set cannot be expanded here: it needs http://snomed.info/sct.',
    ])
  })
})

describe('the operations', () => {
  it.each<[string, RegExp]>([
    ['/ValueSet/$expand', /one of url and valueSet is required/],
    ['/ValueSet/$expand?url=http://terminology.example/vs/mixed&count=-1', /whole number/],
    ['/ValueSet/$expand?url=http://terminology.example/vs/mixed&depth=1', /no such parameter/],
    ['/ValueSet/$expand?url=a&url=b', /may be given once/],
    ['/ValueSet/$validate-code?url=http://terminology.example/vs/mixed&code=dog', /system: is required/],
    ['/CodeSystem/$lookup?code=dog', /system: is required/],
    ['/CodeSystem/$subsumes?system=http://terminology.example/cs&codeA=dog', /codeB: is required/],
  ])('refuse %s', async (path, words) => {
    const { status, body } = await ask('GET', path)
    expect([status, body.issue[0].diagnostics]).toEqual([400, expect.stringMatching(words)])
  })

  it('are for those who may read such resources, and stand in the CapabilityStatement', async () => {
    expect(
      (await ask('GET', '/ValueSet/$expand?url=http://terminology.example/vs/mixed', undefined, 'auditor')).status,
    ).toBe(403)
    expect((await ask('GET', '/ValueSet/none/$expand')).status).toBe(404)
    const { body } = await ask('GET', '/metadata')
    const [{ resource: types }] = body.rest as [
      { resource: { type: string; operation?: { name: string; definition: string }[] }[] },
    ]
    const named = (wanted: string) =>
      types.find(({ type }) => type === wanted)?.operation?.map(({ definition }) => definition.split('/').at(-1))
    expect(named('CodeSystem')).toEqual(
      expect.arrayContaining(['CodeSystem-lookup', 'CodeSystem-validate-code', 'CodeSystem-subsumes']),
    )
    expect(named('ValueSet')).toEqual(expect.arrayContaining(['ValueSet-expand', 'ValueSet-validate-code']))
  })
})
