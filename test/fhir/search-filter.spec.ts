import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { ownDefinitions } from '../../src/fhir/profiles.js'
import { compileParameters, useParameters } from '../../src/fhir/search-parameters.js'
import { parseSearch } from '../../src/fhir/search-query.js'
import { matches, subjectOf } from '../../src/fhir/search/matches.js'
import type { Resource } from '../../src/fhir/types.js'

const PATIENTS = [
  {
    resourceType: 'Patient',
    id: 'peter',
    active: true,
    gender: 'male',
    birthDate: '1974-12-25',
    name: [{ family: 'Chalmers', given: ['Peter', 'James'] }, { family: 'van der Berg' }],
    telecom: [{ system: 'phone', value: '(03) 5555 6473' }],
    managingOrganization: { reference: 'Organization/1' },
  },
  {
    resourceType: 'Patient',
    id: 'petra',
    gender: 'female',
    birthDate: '1990',
    name: [{ family: 'Müller', given: ['Petra'] }],
    address: [{ city: 'Old, "Town"' }],
  },
  { resourceType: 'Patient', id: 'nobody' },
].map((resource) => subjectOf(resource as Resource))

const OBSERVATIONS = [
  {
    resourceType: 'Observation',
    id: 'low',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '2951-2' }] },
    effectivePeriod: { start: '2020-01-10', end: '2020-02-10' },
    valueQuantity: { value: 130, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
  },
  {
    resourceType: 'Observation',
    id: 'high',
    status: 'preliminary',
    code: { coding: [{ system: 'http://loinc.org', code: '2951-2' }] },
    effectiveDateTime: '2021-03-04',
    valueQuantity: { value: 151, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
  },
].map((resource) => subjectOf(resource as Resource))

function find(subjects: typeof PATIENTS, filter: string): string {
  const query = parseSearch(subjects[0]?.resource.resourceType ?? '', [['_filter', filter]])
  return subjects
    .filter((subject) => matches(subject, query))
    .map(({ resource }) => resource.id)
    .join(' ')
}

function refusal(type: string, filter: string): string {
  try {
    parseSearch(type, [['_filter', filter]])
  } catch (error) {
    if (error instanceof ConsentryError) return error.issues.map(({ diagnostics }) => diagnostics).join()
    throw error
  }
  return 'none'
}

describe('_filter', () => {
  it.each([
    ['name co "pet"', 'peter petra'],
    ['given eq "peter" and birthdate ge 1974-10-10', 'peter'],
    ['given eq PETER', 'peter'],
    ['given eq "pet"', ''],
    ['family eq "van der berg"', 'peter'],
    ['family eq muller', 'petra'],
    ['family sw "mul"', 'petra'],
    ['family eq berg', ''],
    ['address-city eq "old, \\"town\\""', 'petra'],
    ['gender eq male', 'peter'],
    ['gender ne male', 'petra'],
    ['not (gender eq male)', 'petra nobody'],
    ['gender pr true', 'peter petra'],
    ['gender pr false', 'nobody'],
    ['birthdate po 1990-05', 'petra'],
    ['birthdate eq 1990-05', ''],
    ['birthdate lt 1980', 'peter'],
    ['birthdate ne 1990', 'peter'],
    ['organization re Organization/1', 'peter'],
    ['organization re "Organization/2"', ''],
    ['phone eq "(03) 5555-6473"', 'peter'],
    // "evaluated left to right, with no precedence between and and or"
    ['gender eq male or gender eq female and given eq petra', 'petra'],
    ['gender eq male or (gender eq female and given eq petra)', 'peter petra'],
    ['(gender eq male)and(active eq true)', 'peter'],
    ['  _id eq nobody or _id eq petra  ', 'petra nobody'],
    ['not(not(_id eq nobody))', 'nobody'],
  ])('of Patients: %s', (filter, expected) => {
    expect(find(PATIENTS, filter)).toBe(expected)
  })

  it.each([
    ['code eq http://loinc.org|2951-2', 'low high'],
    ['code eq loinc|2951-2 and status ne final', 'high'],
    ['value-quantity gt 150|http://unitsofmeasure.org|mmol/L', 'high'],
    ['value-quantity le 150|ucum|mmol/L', 'low'],
    ['code-value-quantity eq loinc|2951-2$ge150|ucum|mmol/L', 'high'],
    ['date po 2020-02', 'low'],
    ['date sa 2020-12-31', 'high'],
    ['status in http://hl7.org/fhir/ValueSet/observation-status', 'low high'],
  ])('of Observations: %s', (filter, expected) => {
    expect(find(OBSERVATIONS, filter)).toBe(expected)
  })

  it('chains, forward and reverse', () => {
    const [chain] = parseSearch('Observation', [['_filter', 'subject.name co "pet"']]).clauses
    expect(chain).toMatchObject({ is: 'chain', param: 'subject' })
    expect(chain?.is === 'chain' && chain.targets.find(({ type }) => type === 'Patient')?.clause).toEqual({
      is: 'filter',
      param: 'name',
      kind: 'string',
      modifier: 'contains',
      values: [{ value: 'pet', normal: 'pet' }],
    })
    expect(
      parseSearch('Patient', [['_filter', '_has:Observation:patient:code eq loinc|2951-2']]).clauses[0],
    ).toMatchObject({ is: 'has', type: 'Observation', param: 'patient', clause: { kind: 'token' } })
  })

  it.each([
    ['Patient', 'given', 'cannot be read at character 6, where one of eq, ne'],
    ['Patient', 'given is "peter"', 'at character 9, where one of eq'],
    ['Patient', 'given eq', 'at character 7'],
    ['Patient', 'given eq "peter', 'a value: a JSON string'],
    ['Patient', 'given eq "pe\\ter\\x"', 'a value: a JSON string'],
    ['Patient', 'given eq a b', 'at character 12, where and, or, or the end is expected'],
    ['Patient', '(given eq a', 'where ) is expected'],
    ['Patient', 'given eq a)', 'and, or, or the end'],
    ['Patient', 'given eq a and', 'the name of a search parameter'],
    ['Patient', 'not given eq a', 'where one of eq'],
    ['Patient', 'color eq red', 'is unknown: Patient has no search parameter color'],
    [
      'Patient',
      'given ew "ter"',
      'asks given, a string, with ew, which the index cannot answer; it answers eq, co, sw, pr',
    ],
    ['Patient', 'given gt "m"', 'asks given, a string, with gt'],
    ['Patient', 'given ne "peter"', 'write not (given eq …)'],
    ['Patient', 'identifier ne "1"', 'write not (identifier eq …)'],
    ['Patient', 'birthdate co 1990', 'asks birthdate, a date, with co'],
    ['Patient', 'birthdate ge soon', 'is not a date'],
    ['Patient', 'gender pr maybe', 'must be true or false'],
    ['Observation', 'related[type eq "has-component"].target pr true', 'a filter inside of a path at 8'],
    ['AuditEvent', 'agent-name eq "x"', 'is not indexed'],
    ['Patient', `${'('.repeat(30)}_id eq a${')'.repeat(30)}`, 'more than 20 parentheses'],
    ['Patient', Array.from({ length: 400 }, () => '_id eq a').join(' or '), 'too many resources'],
  ])('of %s: %s is refused with the reason', (type, filter, reason) => {
    expect(refusal(type, filter)).toContain(reason)
  })

  it('is read or refused, whatever it is, without repeating a value', () => {
    const word = fc.constantFrom(
      'name',
      'given',
      'and',
      'or',
      'not',
      '(',
      ')',
      'eq',
      'co',
      'pr',
      '"secretword"',
      'true',
      '[',
      ']',
      '.',
      ' ',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(word, { maxLength: 40 }).map((words) => words.join(' ')),
          fc.string(),
        ),
        (text) => {
          expect(refusal('Patient', text)).not.toContain('secretword')
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('_list', () => {
  it('is what a List refers to', () => {
    const expected = {
      is: 'has',
      type: 'List',
      param: 'item',
      clause: { is: 'filter', param: '_id', kind: 'token', values: [{ code: '42' }] },
    }
    for (const value of ['42', 'List/42', 'http://here.example/fhir/List/42']) {
      const { clauses } = parseSearch('Patient', [['_list', value]], 'strict', { base: 'http://here.example/fhir' })
      expect(clauses).toEqual([expected])
    }
  })

  it('names functional lists, which are those that are in force and worked on', () => {
    const mode = ownDefinitions().filter(({ id }) => id === 'List-mode') as never
    useParameters(compileParameters(mode).loaded, { pending: false })
    const { clauses } = parseSearch('Condition', [['_list', '$current-problems,42']])
    const text = JSON.stringify(clauses)
    expect(text).toMatch(/^\[{"is":"has","type":"List","param":"item","clause":{"is":"any"/)
    for (const part of [
      '"values":[{"code":"42"}]',
      '"param":"status","kind":"token","values":[{"code":"current"}]',
      '"code":"working"',
      '"code":"problems"',
    ]) {
      expect(text).toContain(part)
    }
    // as later releases write it
    expect(parseSearch('Condition', [['_list', '\\$current-problems']]).clauses).toEqual(
      parseSearch('Condition', [['_list', '$current-problems']]).clauses,
    )
    useParameters(compileParameters(mode).loaded, { pending: true })
    expect(() => parseSearch('Condition', [['_list', '$current-problems']])).toThrow('is being indexed')
    useParameters(new Map(), { pending: false })
  })

  it.each([
    ['$current-problems', 'without the parameter mode of List'],
    ['$current-drug-allergies', 'ask $current-allergies'],
    ['$favourites', 'served are ids of Lists, $current-problems, $current-medications, $current-allergies'],
    ['$constructor', 'of which no code of a List tells'],
    ['Patient/42', 'must be the id of a List'],
    ['http://there.example/List/42', 'must be the id of a List'],
    ['a b', 'is not a reference'],
  ])('%s is refused', (value, reason) => {
    expect(() => parseSearch('Patient', [['_list', value]])).toThrow(reason)
  })
})
