import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { compileParameters, indexForms, indexValues, useParameters } from '../../src/fhir/search-parameters.js'
import { parseSearch, servedCodes } from '../../src/fhir/search-query.js'
import { matches, subjectOf } from '../../src/fhir/search/matches.js'
import type { Resource, ValidResource } from '../../src/fhir/types.js'
import { hasSharedData, SHARED_DATA } from '../support/shared-data.js'

const parameter = (more: object): Resource => ({
  resourceType: 'SearchParameter',
  url: 'http://example.org/SearchParameter/x',
  status: 'active',
  base: ['Patient'],
  ...more,
})

const COLOUR = parameter({
  code: 'colour',
  type: 'token',
  expression: "Patient.extension.where(url = 'http://example.org/a.b/colour').value.ofType(Coding)",
})
const TOWN = parameter({ code: 'town', type: 'string', expression: "(Patient.address.where(use = 'home')).city" })
const KEEPER = parameter({
  code: 'keeper',
  type: 'reference',
  expression: 'Patient.managingOrganization',
  target: ['Organization'],
})

const patient = {
  resourceType: 'Patient',
  id: '1',
  extension: [
    { url: 'http://example.org/a.b/colour', valueCoding: { system: 'urn:c', code: 'red' } },
    { url: 'http://example.org/a.b/other', valueCoding: { system: 'urn:c', code: 'blue' } },
  ],
  address: [
    { use: 'work', city: 'Ulm' },
    { use: 'home', city: 'Bern' },
  ],
  managingOrganization: { reference: 'Organization/9' },
}

afterEach(() => useParameters(new Map(), { pending: false }))

function load(...definitions: Resource[]) {
  const { loaded, refused } = compileParameters(definitions)
  useParameters(loaded, { pending: false })
  return refused
}

const found = (query: [string, string]): boolean => matches(subjectOf(patient), parseSearch('Patient', [query]))

describe('search parameters of packages', () => {
  it('are indexed, searched and served like those of R4, and are gone when they are not loaded', () => {
    expect(() => parseSearch('Patient', [['colour', 'red']])).toThrow('has no search parameter colour')
    expect(load(COLOUR, TOWN, KEEPER)).toEqual([])
    expect(found(['colour', 'urn:c|red'])).toBe(true)
    expect(found(['colour', 'blue'])).toBe(false)
    expect(found(['town', 'ber'])).toBe(true)
    expect(found(['town', 'ulm'])).toBe(false)
    expect(found(['keeper', 'Organization/9'])).toBe(true)
    expect(parseSearch('Patient', [['keeper.name', 'x']]).clauses[0]).toMatchObject({ is: 'chain', param: 'keeper' })
    expect(servedCodes('Patient')).toEqual(expect.arrayContaining(['colour', 'town', 'keeper', 'family']))
    useParameters(new Map(), { pending: false })
    expect(indexValues(patient as unknown as ValidResource).some(({ param }) => param === 'colour')).toBe(false)
  })

  it('are refused while older records are still indexed by them, whatever the handling, and indexed meanwhile', () => {
    useParameters(compileParameters([COLOUR, KEEPER]).loaded, { pending: true })
    for (const [name, value] of [
      ['colour', 'red'],
      ['keeper.name', 'x'],
      ['_sort', 'colour'],
      ['_include', 'Patient:keeper'],
      ['_filter', 'colour eq red'],
      ['colour:missing', 'true'],
    ] as const) {
      const handling = name === '_sort' ? 'strict' : 'lenient'
      expect(() => parseSearch('Patient', [[name, value]], handling), name).toThrow()
    }
    expect(() => parseSearch('Patient', [['colour', 'red']])).toThrow('is being indexed')
    expect(servedCodes('Patient')).not.toContain('colour')
    expect(indexValues(patient as unknown as ValidResource)).toContainEqual(
      expect.objectContaining({ param: 'colour', code: 'red' }),
    )
  })

  it('leave R4’s own as they are, and the later of two stands', () => {
    load(
      parameter({ code: 'family', type: 'token', expression: 'Patient.id' }),
      TOWN,
      parameter({
        code: 'town',
        type: 'string',
        expression: 'Patient.address.country',
        url: 'http://example.org/other',
      }),
    )
    expect(parseSearch('Patient', [['family', 'x']]).clauses[0]).toMatchObject({ kind: 'string' })
    expect(found(['town', 'bern'])).toBe(false)
  })

  it.each([
    ['has FHIRPath that is not understood', { expression: 'Patient.name.select(given)' }, 'supported part of FHIRPath'],
    ['leads nowhere', { expression: 'Patient.colour' }, 'leads nowhere in Patient'],
    ['reads what is no such thing', { type: 'date', expression: 'Patient.name' }, 'a date cannot be read'],
    ['has no expression', { expression: undefined }, 'has no expression'],
    ['is special', { type: 'special' }, 'parameters of type special are not served'],
    ['is retired', { status: 'retired' }, 'retired'],
    ['has the name of what shapes the answer', { code: '_count' }, 'cannot be the name'],
    ['has a name that no URL can tell from a chain', { code: 'a.b' }, 'cannot be the name'],
    [
      'has a component that nobody knows',
      { type: 'composite', component: [{ definition: 'urn:x', expression: 'code' }] },
      'not known',
    ],
  ])('are refused with the reason when one %s', (_, more, reason) => {
    const refused = load(parameter({ code: 'x', type: 'token', expression: 'Patient.gender', ...more }))
    expect(refused).toEqual([{ url: 'http://example.org/SearchParameter/x', reason: expect.stringContaining(reason) }])
    expect(servedCodes('Patient')).not.toContain('x')
  })

  it('make composites of R4’s and their own', () => {
    const when = parameter({
      url: 'http://example.org/SearchParameter/code-status',
      code: 'code-status',
      base: ['Observation'],
      type: 'composite',
      expression: 'Observation',
      component: [
        { definition: 'http://hl7.org/fhir/SearchParameter/clinical-code', expression: 'code' },
        { definition: 'http://hl7.org/fhir/SearchParameter/Observation-status', expression: 'status' },
      ],
    })
    expect(load(when)).toEqual([])
    const observation = subjectOf({
      resourceType: 'Observation',
      status: 'final',
      code: { coding: [{ system: 's', code: 'a' }] },
    })
    const asked = (value: string) => matches(observation, parseSearch('Observation', [['code-status', value]]))
    expect([asked('s|a$final'), asked('a$preliminary')]).toEqual([true, false])
  })

  it('change the form of the types that they are for, and of no other', () => {
    const before = indexForms(() => 1)
    load(COLOUR)
    const after = indexForms(() => 1)
    expect(Object.keys(after).filter((type) => after[type] !== before[type])).toEqual(['Patient'])
    expect(
      Object.keys(after).filter((type) => after[type] !== indexForms((of) => (of === 'List' ? 2 : 1))[type]),
    ).toEqual(['List'])
  })

  it.skipIf(!hasSharedData).each([
    ['us-core/uscore-3.1.1', ['Patient.ethnicity', 'Patient.race']],
    [
      'us-core/uscore-6.1.0',
      [
        'CareTeam.role',
        'Condition.asserted-date',
        'Encounter.discharge-disposition',
        'Patient.ethnicity',
        'Patient.gender-identity',
        'Patient.race',
      ],
    ],
    [
      'us-core/uscore-7.0.0',
      [
        'CareTeam.role',
        'Condition.asserted-date',
        'Encounter.discharge-disposition',
        'Patient.ethnicity',
        'Patient.gender-identity',
        'Patient.race',
      ],
    ],
  ])('of %s are all understood (../shared/data is needed)', (name, some) => {
    const lines = gunzipSync(readFileSync(join(SHARED_DATA, `${name}-definitions.ndjson.gz`)))
      .toString()
      .trim()
      .split('\n')
    const { loaded, refused } = compileParameters(lines.map((line) => JSON.parse(line) as Resource))
    expect(refused).toEqual([])
    const names = [...loaded].flatMap(([type, codes]) => [...codes.keys()].map((code) => `${type}.${code}`))
    expect(names).toEqual(expect.arrayContaining(some))
  })
})
