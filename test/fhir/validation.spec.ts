import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { parseJson } from '../../src/fhir/json.js'
import { uncoveredConstraints } from '../../src/fhir/validation/rules.js'
import { validate, validInTurnsOrThrow, validOrThrow } from '../../src/fhir/validate.js'

type Json = Record<string, unknown>

const patient = (more: Json = {}): Json => ({ resourceType: 'Patient', ...more })
const observation = (more: Json = {}): Json => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'Body weight' },
  ...more,
})
const bundle = (type: string, ...entry: Json[]): Json => ({ resourceType: 'Bundle', type, entry })
const reference = (text: string): Json => ({ reference: text })

/** The issues as `expression: rest of the diagnostics`, which is what a client reads. */
const issuesOf = (resource: unknown): string[] => validate(resource).issues.map((issue) => issue.diagnostics)

function expectOnly(resource: unknown, expression: string, rule: string | RegExp): void {
  const { issues, resource: accepted } = validate(resource)
  expect(issues.map((issue) => issue.diagnostics)).toHaveLength(1)
  expect(issues[0]?.expression).toEqual([expression])
  expect(issues[0]?.diagnostics).toMatch(rule)
  expect(issues[0]?.severity).toBe('error')
  expect(accepted).toBeUndefined()
}

const accept = (resource: unknown): void => expect(issuesOf(resource)).toEqual([])

describe('structure', () => {
  it('accepts and hands back the same object', () => {
    const resource = patient({ name: [{ family: 'Chalmers', given: ['Peter', 'James'] }], birthDate: '1974-12' })
    expect(validate(resource).resource).toBe(resource)
  })

  it.each<[string, unknown, string, RegExp]>([
    ['no object', 3, 'Resource', /JSON object with resourceType/],
    ['no resourceType', { id: 'a' }, 'Resource', /must have resourceType/],
    ['a type that R4 does not have', { resourceType: 'Person2' }, 'Resource', /one of the 146 types/],
    ['an abstract type', { resourceType: 'DomainResource' }, 'DomainResource', /one of the 146 types/],
    ['an unknown element', patient({ nme: [] }), 'Patient.nme', /no element nme in Patient/],
    [
      'an unknown element below',
      patient({ contact: [{ name: { famly: 'x' } }] }),
      'Patient.contact[0].name.famly',
      /no element famly in HumanName/,
    ],
    [
      'resourceType inside',
      patient({ name: [{ resourceType: 'HumanName', family: 'x' }] }),
      'Patient.name[0].resourceType',
      /no element/,
    ],
    ['one for many', patient({ name: { family: 'x' } }), 'Patient.name', /must be an array/],
    ['many for one', patient({ gender: ['male'] }), 'Patient.gender', /must not be an array/],
    ['an empty array', patient({ name: [] }), 'Patient.name', /must not be an empty array/],
    ['an empty object', patient({ name: [{}] }), 'Patient.name[0]', /empty object.*\(ele-1\)/],
    ['an id alone', patient({ name: [{ id: 'a' }] }), 'Patient.name[0]', /an id alone \(ele-1\)/],
    ['an empty string', patient({ name: [{ family: '' }] }), 'Patient.name[0].family', /at least one character/],
    ['null', patient({ name: null }), 'Patient.name', /must be an array/],
    ['null for one', patient({ gender: null }), 'Patient.gender', /null is not allowed/],
    ['null in an array', patient({ name: [null] }), 'Patient.name[0]', /null is not allowed/],
    [
      'a string for an object',
      patient({ name: ['Peter'] }),
      'Patient.name[0]',
      /must be a JSON object of type HumanName/,
    ],
    ['an object for a string', patient({ birthDate: {} }), 'Patient.birthDate', /must be a date/],
    ['a missing element', { resourceType: 'Observation', status: 'final' }, 'Observation.code', /code is required/],
    ['a missing element below', patient({ link: [{ type: 'seealso' }] }), 'Patient.link[0].other', /other is required/],
    [
      'a missing choice',
      { resourceType: 'MedicationRequest', status: 'active', intent: 'order', subject: reference('Patient/1') },
      'MedicationRequest.medication',
      /medication\[x\] is required/,
    ],
    [
      'two of a choice',
      observation({ valueString: 'x', valueInteger: 1 }),
      'Observation',
      /only one type of value\[x\].*valueString and valueInteger/,
    ],
    [
      'a type that the choice does not have',
      observation({ valueMoney: { value: 1 } }),
      'Observation.valueMoney',
      /no element/,
    ],
    ['an id on the id', patient({ id: 'a', _id: { id: 'b' } }), 'Patient._id', /no element/],
  ])('refuses %s', (_, resource, expression, rule) => expectOnly(resource, expression, rule))

  it('names a choice as FHIRPath does', () => {
    expectOnly(
      observation({ valueQuantity: { value: '1' } }),
      'Observation.value.ofType(Quantity).value',
      /JSON number/,
    )
  })

  it('collects all issues, up to a limit', () => {
    expect(issuesOf(patient({ gender: 'x', birthDate: 'x', active: 'x' }))).toHaveLength(3)
    const many = issuesOf(patient(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x${i}`, 1]))))
    expect(many).toHaveLength(101)
    expect(many.at(-1)).toContain('200 more issues')
  })

  it('throws what the gateway answers, on request', () => {
    expect(() => validOrThrow(patient({ gender: 'x' }))).toThrow(ConsentryError)
    expect(validOrThrow(patient())).toEqual(patient())
  })
})

describe('primitive extensions', () => {
  const extension = [{ url: 'http://example.org/why', valueCode: 'unknown' }]

  it('stand beside a value, or instead of it', () => {
    accept(patient({ birthDate: '1970', _birthDate: { extension } }))
    accept(patient({ _birthDate: { extension } }))
    accept(patient({ name: [{ given: ['A', null], _given: [null, { extension }] }] }))
    accept(observation({ valueString: 'x', _valueString: { extension } }))
    accept({ resourceType: 'Basic', code: { text: 'x' }, language: 'de', _language: { id: 'a' } })
  })

  it.each<[string, Json, string, RegExp]>([
    [
      'null without an extension',
      { given: ['A', null] },
      'Patient.name[0].given[1]',
      /null is only allowed where _given/,
    ],
    ['null on both sides', { given: ['A', null], _given: [{ extension }, null] }, 'Patient.name[0].given[1]', /null/],
    [
      'arrays of different length',
      { given: ['A', 'B'], _given: [{ extension }] },
      'Patient.name[0].given',
      /as many items as given/,
    ],
    ['one for many', { given: ['A'], _given: { extension } }, 'Patient.name[0].given', /must be an array/],
    ['a value in it', { _family: { value: 'x' } }, 'Patient.name[0].family.value', /no element value in Element/],
    ['an id alone', { _family: { id: 'a' } }, 'Patient.name[0].family', /ele-1/],
    [
      'an id alone in an array',
      { given: ['A', null], _given: [null, { id: 'a' }] },
      'Patient.name[0].given[1]',
      /ele-1/,
    ],
    ['an empty one', { family: 'x', _family: {} }, 'Patient.name[0].family', /empty object/],
  ])('refuses %s', (_, name, expression, rule) => {
    const issues = issuesOf(patient({ name: [name] }))
    expect(issues.some((issue) => issue.startsWith(`${expression}: `) && rule.test(issue))).toBe(true)
  })

  it('cannot stand in for the code of a required binding', () => {
    expectOnly(patient({ _gender: { extension } }), 'Patient.gender', /extension alone is in no value set/)
  })
})

describe('formats of primitives', () => {
  const cases: Record<string, [good: unknown[], bad: unknown[]]> = {
    valueBoolean: [
      [true, false],
      ['true', 0],
    ],
    valueString: [
      ['x', ' ', 'a\tb\r\nc', '😀'],
      [1, '', 'a\u0000b', 'a\u001fb', 'x'.repeat(1_048_577)],
    ],
    valueInteger: [
      [0, -5, 2147483647],
      [1.5, 2147483648, '1', true],
    ],
    valueTime: [
      ['12:00:00', '23:59:60', '12:00:00.123'],
      ['12:00', '24:00:00', '1:00:00', '12:00:00Z'],
    ],
    valueDateTime: [
      [
        '2018',
        '1973-06',
        '1905-08-23',
        '2015-02-07T13:28:17-05:00',
        '2017-01-01T00:00:00.000Z',
        '2016-12-31T23:59:60Z',
        '2020-02-29',
      ],
      [
        '18',
        '0000',
        '2018-13',
        '2018-00',
        '2019-02-29',
        '1900-02-29',
        '2018-04-31',
        '2015-02-07T13:28',
        '2015-02-07T13:28:17',
        '2015-02-07T13:28:17+15:00',
        '2015-02-07T24:00:00Z',
        '2015-02-07 13:28:17Z',
        2018,
      ],
    ],
  }
  for (const [property, [good, bad]] of Object.entries(cases)) {
    it(property, () => {
      for (const value of good) accept(observation({ [property]: value }))
      for (const value of bad) expect(issuesOf(observation({ [property]: value })), String(value)).toHaveLength(1)
    })
  }

  const typed: Record<string, [good: unknown[], bad: unknown[]]> = {
    valueBase64Binary: [
      ['aGFsbG8=', 'aGFs bG8=', 'AAAA'],
      ['a', 'aGFsbG8', 'a===', '====', 'ä===', ''],
    ],
    valueCode: [
      ['a', 'a b'],
      [' a', 'a ', 'a  b', ''],
    ],
    valueDate: [
      ['2018', '1973-06', '1905-08-23'],
      ['1905-08-32', '2015-02-07T13:28:17Z'],
    ],
    valueDecimal: [
      [1, 1.5, -0.1],
      ['1.5', null],
    ],
    valueId: [['a-b.C9'], ['a_b', 'x'.repeat(65), '']],
    valueInstant: [['2015-02-07T13:28:17.239+02:00'], ['2015-02-07', '2015-02-07T13:28:17']],
    valueOid: [['urn:oid:1.2.3'], ['1.2.3', 'urn:oid:1.02']],
    valuePositiveInt: [[1], [0, -1]],
    valueUnsignedInt: [[0], [-1]],
    valueUri: [
      ['a', 'http://example.org', 'urn:oid:1'],
      ['a b', ''],
    ],
    valueUuid: [
      ['urn:uuid:c757873d-ec9a-4326-a141-556f43239520'],
      ['urn:uuid:C757873D-EC9A-4326-A141-556F43239520', 'c757873d-ec9a-4326-a141-556f43239520'],
    ],
  }
  for (const [property, [good, bad]] of Object.entries(typed)) {
    it(property, () => {
      const at = (value: unknown): Json => patient({ extension: [{ url: 'http://example.org/x', [property]: value }] })
      for (const value of good) accept(at(value))
      for (const value of bad) expect(issuesOf(at(value)).length, String(value)).toBeGreaterThan(0)
    })
  }

  it('knows exact decimals, and that an integer has no fraction', () => {
    accept(
      parseJson('{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}'),
    )
    accept(
      parseJson('{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1e3}}'),
    )
    expectOnly(
      parseJson('{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueInteger":1.0}'),
      'Observation.value.ofType(integer)',
      /written without fraction/,
    )
  })

  it('holds ids of resources and elements to their form', () => {
    accept(patient({ id: 'x'.repeat(64), name: [{ id: 'with.more_than/64?'.repeat(5), family: 'x' }] }))
    expectOnly(patient({ id: 'a_b' }), 'Patient.id', /an id: 1 to 64/)
    expectOnly(patient({ name: [{ id: 'a b', family: 'x' }] }), 'Patient.name[0].id', /without spaces/)
  })
})

describe('required bindings', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['a code', patient({ gender: 'M' }), 'Patient.gender', /administrative-gender \(male, female, other, unknown/],
    [
      'a concept',
      {
        resourceType: 'AllergyIntolerance',
        patient: reference('Patient/1'),
        clinicalStatus: {
          coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'activ' }],
        },
      },
      'AllergyIntolerance.clinicalStatus',
      /at least one coding must be from/,
    ],
    [
      'a concept of another system',
      {
        resourceType: 'AllergyIntolerance',
        patient: reference('Patient/1'),
        clinicalStatus: { coding: [{ system: 'http://example.org', code: 'active' }] },
      },
      'AllergyIntolerance.clinicalStatus',
      /at least one coding/,
    ],
    ['a media type', { resourceType: 'Binary', contentType: 'image / png' }, 'Binary.contentType', /media type/],
    [
      'a currency',
      { resourceType: 'Invoice', status: 'draft', totalNet: { value: 1, currency: 'Euro' } },
      'Invoice.totalNet.currency',
      /ISO 4217/,
    ],
  ])('refuse %s that is not in the set', (_, resource, expression, rule) => expectOnly(resource, expression, rule))

  it('leave other bindings open', () => {
    accept(patient({ maritalStatus: { text: 'it is complicated' }, language: 'tlh' }))
    accept({ resourceType: 'Binary', contentType: 'text/html; charset=utf-8' })
  })
})

describe('references', () => {
  it.each([
    'Patient/1',
    'Patient/1/_history/2',
    'http://example.org/fhir/Patient/1',
    'urn:uuid:c757873d-ec9a-4326-a141-556f43239520',
    'Patient?identifier=a|b',
    'https://example.org/anything',
    'http://example.org/Something/1',
  ])('accept %s', (text) => accept(observation({ subject: reference(text) })))

  it.each<[unknown, RegExp]>([
    [reference('Practitioner/1'), /one of Device, Group, Location, Patient, not to Practitioner/],
    [reference('http://example.org/fhir/Practitioner/1'), /not to Practitioner/],
    [reference('Practitioner?identifier=1'), /not to Practitioner/],
    [reference('Patients/1'), /relative reference must be \[type\]\/\[id\]/],
    [reference('Patient/'), /relative reference/],
    [reference('1'), /relative reference/],
    [{ type: 'Practitioner', identifier: { value: 'x' } }, /type of the reference must be one of/],
    [{ type: 'Group', reference: 'Patient/1' }, /type must agree/],
    [reference('#a'), /ref-1: there is no contained resource/],
  ])('refuse %j', (subject, rule) => expectOnly(observation({ subject }), 'Observation.subject', rule))
})

describe('contained resources', () => {
  const organization = { resourceType: 'Organization', id: 'o', name: 'x' }
  const managed = { managingOrganization: reference('#o') }

  it('are accepted if they are used', () => {
    accept(patient({ contained: [organization], ...managed }))
    accept(
      patient({
        contained: [
          {
            resourceType: 'Provenance',
            id: 'p',
            target: [reference('#')],
            recorded: '2020-01-01T00:00:00Z',
            agent: [{ who: reference('Practitioner/1') }],
          },
        ],
      }),
    )
    accept({
      resourceType: 'Composition',
      status: 'final',
      type: { text: 'x' },
      date: '2020',
      title: 'x',
      author: [reference('Practitioner/1')],
      contained: [{ resourceType: 'Binary', id: 'b', contentType: 'image/png' }],
      text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><img src="#b"/></div>' },
    })
  })

  it.each<[string, Json, string, RegExp]>([
    ['not used', { contained: [organization] }, 'Patient.contained[0]', /dom-3/],
    [
      'without id',
      { contained: [{ resourceType: 'Organization', name: 'x' }] },
      'Patient.contained[0]',
      /must have an id/,
    ],
    [
      'of the wrong type',
      { contained: [{ resourceType: 'Location', id: 'o' }], ...managed },
      'Patient.managingOrganization',
      /not to Location/,
    ],
    [
      'with a version',
      { contained: [{ ...organization, meta: { versionId: '1' } }], ...managed },
      'Patient.contained[0]',
      /dom-4/,
    ],
    [
      'with a security label',
      { contained: [{ ...organization, meta: { security: [{ code: 'R' }] } }], ...managed },
      'Patient.contained[0]',
      /dom-5/,
    ],
    ['with an id twice', { contained: [organization, organization], ...managed }, 'Patient.contained[1].id', /same id/],
    [
      'with an error',
      { contained: [{ ...organization, foo: 1 }], ...managed },
      'Patient.contained[0].foo',
      /no element foo/,
    ],
    [
      'containing others',
      { contained: [{ ...organization, contained: [{ resourceType: 'Organization', id: 'n' }] }], ...managed },
      'Patient.contained[0].contained[0]',
      /dom-2/,
    ],
  ])('are refused if %s', (_, more, expression, rule) => {
    const issues = issuesOf(patient(more))
    expect(issues.find((issue) => issue.startsWith(`${expression}: `))).toMatch(rule)
  })
})

describe('extensions', () => {
  it('have an absolute url and either a value or extensions', () => {
    const inner = { url: 'part', valueString: 'x' }
    accept(patient({ extension: [{ url: 'http://example.org/x', extension: [inner] }] }))
    expectOnly(patient({ extension: [inner] }), 'Patient.extension[0].url', /must be absolute/)
    expectOnly(patient({ extension: [{ valueString: 'x' }] }), 'Patient.extension[0].url', /url is required/)
    expectOnly(patient({ extension: [{ url: 'http://example.org/x' }] }), 'Patient.extension[0]', /ext-1/)
    const both = { url: 'http://example.org/x', valueString: 'x', extension: [inner] }
    expectOnly(patient({ extension: [both] }), 'Patient.extension[0]', /ext-1/)
  })
})

describe('invariants', () => {
  it('are all covered, natively or compiled', () => expect(uncoveredConstraints()).toEqual([]))

  it.each<[string, unknown, string]>([
    ['pat-1', patient({ contact: [{ gender: 'male' }] }), 'Patient.contact[0]'],
    [
      'per-1',
      patient({ name: [{ family: 'x', period: { start: '2020-02', end: '2020-01-31' } }] }),
      'Patient.name[0].period',
    ],
    ['cpt-2', patient({ telecom: [{ value: 'x' }] }), 'Patient.telecom[0]'],
    ['att-1', patient({ photo: [{ data: 'AAAA' }] }), 'Patient.photo[0]'],
    ['obs-6', observation({ valueString: 'x', dataAbsentReason: { text: 'y' } }), 'Observation'],
    ['qty-3', observation({ valueQuantity: { value: 1, code: 'kg' } }), 'Observation.value.ofType(Quantity)'],
    [
      'sqty-1',
      observation({ referenceRange: [{ low: { value: 1, comparator: '<' } }] }),
      'Observation.referenceRange[0].low',
    ],
    [
      'rng-2',
      observation({ valueRange: { low: { value: 2 }, high: { value: 1 } } }),
      'Observation.value.ofType(Range)',
    ],
    [
      'con-5',
      {
        resourceType: 'Condition',
        subject: reference('Patient/1'),
        clinicalStatus: {
          coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }],
        },
        verificationStatus: {
          coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status', code: 'entered-in-error' }],
        },
      },
      'Condition',
    ],
    ['org-2', { resourceType: 'Organization', name: 'x', address: [{ use: 'home' }] }, 'Organization.address[0]'],
    ['inv-1', { resourceType: 'Parameters', parameter: [{ name: 'x' }] }, 'Parameters.parameter[0]'],
    [
      'bdl-7',
      bundle(
        'collection',
        { fullUrl: 'urn:uuid:1', resource: patient() },
        { fullUrl: 'urn:uuid:1', resource: patient() },
      ),
      'Bundle',
    ],
    ['bdl-3', bundle('transaction', { resource: patient() }), 'Bundle'],
    ['Attachment.size', patient({ photo: [{ contentType: 'image/png', data: 'AAAA', size: 4 }] }), 'Patient.photo[0]'],
  ])('%s', (key, resource, expression) => expectOnly(resource, expression, new RegExp(`: ${key}: `)))

  it('give a comparison the benefit of differing precision', () => {
    accept(patient({ name: [{ family: 'x', period: { start: '2020-02-03', end: '2020-02-03T10:00:00Z' } }] }))
  })

  it('that are warnings are only told on request, and never refuse', () => {
    const resource = patient({ name: [{ family: 'x' }] })
    expect(validate(resource).issues).toEqual([])
    const { issues, resource: accepted } = validate(resource, { warnings: true })
    expect(issues).toMatchObject([{ severity: 'warning', code: 'invariant' }])
    expect(issues[0]?.diagnostics).toContain('dom-6')
    expect(accepted).toBe(resource)
  })

  it('stop when a document would make them run for long', () => {
    const coding = Array.from({ length: 3000 }, (_, code) => ({ code: `c${code}` }))
    const other = Array.from({ length: 3000 }, (_, code) => ({ code: `d${code}` }))
    const issues = issuesOf(
      observation({ code: { coding }, valueString: 'x', component: [{ code: { coding: other }, valueString: 'x' }] }),
    )
    expect(issues).toHaveLength(1)
    expect(issues[0]).toContain('more work than allowed')
  })
})

describe('Bundles', () => {
  it('are checked entry by entry, with the place in the Bundle', () => {
    const bad = bundle(
      'transaction',
      { resource: patient(), request: { method: 'POST', url: 'Patient' } },
      { resource: patient({ foo: 1 }), request: { method: 'POST', url: 'Patient' } },
    )
    expectOnly(bad, 'Bundle.entry[1].resource.foo', /no element foo in Patient/)
  })

  it('have absolute full URLs that agree with ids', () => {
    expectOnly(
      bundle('collection', { fullUrl: 'Patient/1', resource: patient({ id: '1' }) }),
      'Bundle.entry[0].fullUrl',
      /absolute URL or a URN/,
    )
    expectOnly(
      bundle('collection', { fullUrl: 'http://a.org/Patient/1', resource: patient({ id: '2' }) }),
      'Bundle.entry[0].fullUrl',
      /agree/,
    )
    accept(
      bundle('transaction', {
        fullUrl: 'http://a.org/Patient/1',
        resource: patient({ id: '2' }),
        request: { method: 'PUT', url: 'Patient/2' },
      }),
    )
  })

  it('of search results have ids, and outcomes where they say so', () => {
    expectOnly(
      bundle('searchset', { resource: patient(), search: { mode: 'match' } }),
      'Bundle.entry[0].resource.id',
      /must have an id/,
    )
    expectOnly(
      bundle('searchset', { resource: patient({ id: '1' }), search: { mode: 'outcome' } }),
      'Bundle.entry[0].resource',
      /OperationOutcome/,
    )
  })

  it('that are documents hold what the Composition refers to', () => {
    const composition = (subject: string): Json => ({
      resourceType: 'Composition',
      status: 'final',
      type: { text: 'x' },
      date: '2020',
      title: 'x',
      author: [reference('urn:uuid:2')],
      subject: reference(subject),
    })
    const document = (fullUrl: string, subject: string, patientUrl: string): Json => ({
      ...bundle(
        'document',
        { fullUrl, resource: composition(subject) },
        { fullUrl: 'urn:uuid:2', resource: { resourceType: 'Practitioner', active: true } },
        { fullUrl: patientUrl, resource: patient({ id: '1' }) },
      ),
      identifier: { system: 'urn:x', value: '1' },
      timestamp: '2020-01-01T00:00:00Z',
    })
    accept(document('http://a.org/Composition/1', 'Patient/1', 'http://a.org/Patient/1'))
    accept(document('urn:uuid:1', 'urn:uuid:3', 'urn:uuid:3'))
    expectOnly(
      document('urn:uuid:1', 'Patient/1', 'http://a.org/Patient/1'),
      'Bundle.entry[0].resource.subject',
      /must be in the document/,
    )
  })

  it('keep contained resources and local references of each entry apart', () => {
    const used = patient({
      contained: [{ resourceType: 'Organization', id: 'o', name: 'x' }],
      managingOrganization: reference('#o'),
    })
    const other = patient({ managingOrganization: reference('#o') })
    expectOnly(
      bundle('collection', { fullUrl: 'urn:uuid:1', resource: used }, { fullUrl: 'urn:uuid:2', resource: other }),
      'Bundle.entry[1].resource.managingOrganization',
      /ref-1/,
    )
  })
})

describe('a canonical', () => {
  it('can be the use of a contained resource', () => {
    const contained = [{ resourceType: 'ValueSet', id: 'v', status: 'active' }]
    const item = (answerValueSet: string): Json[] => [{ linkId: '1', type: 'choice', answerValueSet }]
    accept({ resourceType: 'Questionnaire', status: 'active', contained, item: item('#v') })
    const unused = { resourceType: 'Questionnaire', status: 'active', contained, item: item('http://a.org/v') }
    expectOnly(unused, 'Questionnaire.contained[0]', /dom-3/)
  })
})

describe('a missing element', () => {
  it('is told alone, without the invariants that presuppose it', () => {
    expectOnly({ resourceType: 'Bundle', entry: [{ resource: patient() }] }, 'Bundle.type', /type is required/)
  })
})

describe('the resource that an invariant is about', () => {
  it('is the one around it again after a contained one', () => {
    const code = { coding: [{ system: 'http://loinc.org', code: '1-8' }] }
    const contained = [{ resourceType: 'Specimen', id: 's' }]
    const component = [{ code, valueString: 'x' }]
    const specimen = reference('#s')
    expectOnly(observation({ code, contained, specimen, component, valueString: 'x' }), 'Observation', /obs-7/)
  })

  it('is the Parameters again after a resource in them', () => {
    const parameter = [
      { name: 'a', resource: patient({ active: true }) },
      { name: 'b', valueReference: reference('#x') },
    ]
    expectOnly({ resourceType: 'Parameters', parameter }, 'Parameters.parameter[1].value.ofType(Reference)', /ref-1/)
  })
})

describe('hostile values', () => {
  it('are refused without an exception', () => {
    let deep: unknown = { url: 'x', valueString: 'x' }
    for (let i = 0; i < 50_000; i++) deep = { url: 'http://a.org/x', extension: [deep] }
    expect(issuesOf(patient({ extension: [deep] }))).toEqual([expect.stringContaining('nested deeper')])
    const cyclic: Json = { url: 'http://a.org/x' }
    cyclic['extension'] = [cyclic]
    expect(issuesOf(patient({ extension: [cyclic] })).length).toBeGreaterThan(0)
  })

  it('never come back in a message', () => {
    const secret = 'Portillo\u0000'
    const told = issuesOf(
      patient({
        gender: secret,
        birthDate: secret,
        [secret]: 1,
        name: [{ family: secret }],
        managingOrganization: reference(secret),
      }),
    )
    expect(told.length).toBeGreaterThan(4)
    expect(told.join()).not.toContain('Portillo')
  })
})

describe('validation in turns', () => {
  const entry = (resource: object): object => ({ resource, request: { method: 'POST', url: 'Patient' } })
  const bundle = (...resources: object[]): object => ({
    resourceType: 'Bundle',
    type: 'transaction',
    entry: resources.map(entry),
  })
  const good = { resourceType: 'Patient', active: true }
  const bad = { resourceType: 'Patient', gender: 'man', contained: [{ resourceType: 'Patient', id: 'x' }] }

  it('finds what validation at once finds, at the same places', async () => {
    const whole = bundle(good, bad, bundle(bad, good), { resourceType: 'Nothing' })
    const atOnce = issuesOf(whole)
    const error = await validInTurnsOrThrow(whole, () => Promise.resolve()).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ConsentryError)
    const inTurns = (error as ConsentryError).issues.map(({ diagnostics }) => diagnostics)
    expect(inTurns.sort()).toEqual(atOnce.sort())
    expect(inTurns.length).toBeGreaterThan(3)
  })

  it('pauses between the resources of a large Bundle', async () => {
    const large = bundle(
      ...Array.from({ length: 20_000 }, () => ({ ...good, name: [{ family: 'x', given: ['a', 'b'] }] })),
    )
    let pauses = 0
    expect(await validInTurnsOrThrow(large, () => Promise.resolve(pauses++))).toBe(large)
    expect(pauses).toBeGreaterThan(0)
    pauses = 0
    await validInTurnsOrThrow(bundle(good), () => Promise.resolve(pauses++))
    expect(pauses).toBe(0)
  })
})
