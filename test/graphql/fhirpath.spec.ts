import { describe, expect, it } from 'vitest'
import { parseJson } from '../../src/fhir/json.js'
import { runGraphql } from '../../src/graphql/run.js'
import type { GraphqlResource } from '../../src/graphql/table.js'
import { MemorySource, startGraphql } from './support.js'

const graphql = startGraphql()

const patient = (id: string, more: object): GraphqlResource => ({ resourceType: 'Patient', id, ...more })
const resources = [
  patient('a', {
    name: [
      { use: 'official', family: 'Chalmers', given: ['Peter', 'James'] },
      { use: 'usual', given: ['Jim'] },
    ],
    contact: [{ name: { family: 'Marché' }, gender: 'female' }, { gender: 'male' }],
  }),
  patient('b', { active: false, name: [{ family: 'Levin' }] }),
  patient('c', { active: true }),
  parseJson(
    '{"resourceType":"Observation","id":"o","component":[{"valueQuantity":{"value":1.50}},{"valueString":"x"},{"valueQuantity":{"value":3}}]}',
  ) as unknown as GraphqlResource,
]
async function ask(query: string, source = new MemorySource(resources, 2), variables = {}) {
  const answer = await runGraphql(graphql.server, { query, variables }, source, 'me')
  return answer.errors === undefined
    ? JSON.parse(JSON.stringify(answer.data))
    : [answer.status, answer.errors[0]?.message]
}
const names = (expression: string) =>
  ask('query ($e: String) { Patient(id: a) { name(fhirpath: $e) { use } } }', undefined, { e: expression })

describe('fhirpath', () => {
  it.each([
    ['family.exists()', ['official']],
    ['family.empty()', ['usual']],
    ["given.where($this = 'Jim').exists()", ['usual']],
    ["use = 'official' and given.count() > 1", ['official']],
    ['use', ['official', 'usual']],
    ['period.start', null],
  ])('selects elements by %s', async (expression, uses) => {
    expect(await names(expression)).toEqual({ Patient: { name: uses && uses.map((use) => ({ use })) } })
  })

  it('goes before offset and count, beside other arguments, and knows parts and choices', async () => {
    expect(await ask('{ Patient(id: a) { name(fhirpath: "given.exists()", _offset: 1) { use } } }')).toEqual({
      Patient: { name: [{ use: 'usual' }] },
    })
    expect(await ask('{ Patient(id: a) { name(fhirpath: "family.exists()", use: usual) { use } } }')).toEqual({
      Patient: { name: null },
    })
    expect(await ask('{ Patient(id: a) { contact(fhirpath: "name.family.exists()") { gender } } }')).toEqual({
      Patient: { contact: [{ gender: 'female' }] },
    })
    const values =
      '{ Observation(id: o) { component(fhirpath: "value.ofType(Quantity).value < 2") { valueQuantity { value } } } }'
    expect(await ask(values)).toEqual({ Observation: { component: [{ valueQuantity: { value: 1.5 } }] } })
  })

  it('selects resources of a list and of each page of a connection', async () => {
    expect(await ask('{ PatientList(fhirpath: "name.exists()", _count: 3) { id } }')).toEqual({
      PatientList: [{ id: 'a' }, { id: 'b' }],
    })
    const page = async (args: string) =>
      (await ask(`{ PatientConnection(${args}) { count next edges { resource { id } } } }`)).PatientConnection
    const first = await page('fhirpath: "active.exists()", _count: 2')
    expect(first).toMatchObject({ count: null, edges: [{ resource: { id: 'b' } }] })
    expect(await page(`_cursor: "${first.next}"`)).toEqual({
      count: null,
      next: null,
      edges: [{ resource: { id: 'c' } }],
    })
    const source = new MemorySource(resources)
    await ask('{ PatientList(fhirpath: "true", gender: male) { id } }', source)
    expect(source.calls).toEqual(['me search Patient?gender=male'])
  })

  it.each([
    ["family.matches('x')", 400, 'functions'],
    ['(given | given).exists()', 400, 'unions'],
    ['repeat(children()).exists()', 400, 'functions'],
    ['%resource.exists()', 400, 'variables'],
    ['family.(', 400, 'FHIRPath'],
    [`a${'.a'.repeat(490)}`, 400, 'too long'],
    ['x'.repeat(2000), 400, 'characters'],
    ['given', 422, 'several'],
    ['given.single().exists()', 422, 'evaluated'],
  ])('is refused: %s', async (expression, status, word) => {
    const answer = await names(expression)
    expect(answer).toEqual([status, expect.stringContaining(word)])
    expect(JSON.stringify(answer)).not.toMatch(/Peter|James/)
  })

  it('is refused for more work than a request may cause', async () => {
    const costly = [400, expect.stringContaining('too much')]
    const given = Array.from({ length: 20_000 }, (_, n) => `g${n}`)
    const source = new MemorySource([patient('a', { name: [{ given }, { given }, { given }] })])
    const once = '{ Patient(id: a) { name(fhirpath: "given.first() = given.last()") { use } } }'
    expect(await ask(once, source)).toEqual(costly)
    const many = Array.from({ length: 100 }, (_, n) => `a${n}: name(fhirpath: "${'use = '.repeat(40)}'${n}'") { use }`)
    expect(await ask(`{ Patient(id: a) { ${many.join(' ')} } }`)).toEqual(costly)
  })
})
