import { describe, expect, it } from 'vitest'
import { dateRange } from '../../src/fhir/search/date-range.js'
import { decimalRange } from '../../src/fhir/search/decimal.js'
import { foldContactPoint, normaliseString } from '../../src/fhir/search/normalise.js'
import { referenceTarget } from '../../src/fhir/search/reference-target.js'
import {
  DATE_MAX,
  DATE_MIN,
  indexValues,
  isIndexed,
  type IndexValue,
  resourceTypes,
  searchParametersOf,
} from '../../src/fhir/search-parameters.js'
import { parseJson } from '../../src/fhir/json.js'
import type { ValidResource } from '../../src/fhir/types.js'

/** Values of one parameter, without its name and without what only sorts or looks below. */
function values(resource: object, param: string, base?: string): object[] {
  return indexValues(resource as ValidResource, base)
    .filter((value) => value.param === param)
    .map(({ param: _, ...rest }: IndexValue) => {
      const { sort: __, within: ___, ...shown } = rest as { sort?: unknown; within?: unknown }
      return shown
    })
}

describe('the table of search parameters', () => {
  it('has the 1,375 definitions of R4 for its 146 types', () => {
    const urls = resourceTypes().flatMap((type) => [...searchParametersOf(type).values()].map(({ url }) => url))
    expect(resourceTypes()).toHaveLength(146)
    expect(new Set(urls).size).toBe(1375)
  })

  it('gives a reference the types that it can point to', () => {
    const observation = searchParametersOf('Observation')
    expect(observation.get('patient')?.targets).toEqual(['Patient'])
    expect(observation.get('subject')?.targets).toEqual(['Device', 'Group', 'Location', 'Patient'])
    expect(observation.get('focus')?.targets).toHaveLength(146)
  })

  it('knows nothing of an unknown type, and DomainResource from Resource', () => {
    expect(searchParametersOf('Nonsense').size).toBe(0)
    expect(searchParametersOf('Bundle').has('_text')).toBe(false)
    expect(searchParametersOf('Patient').has('_text')).toBe(true)
  })

  it('says which parameters the index fills', () => {
    const filled = (type: string): string[] =>
      [...searchParametersOf(type).values()].filter(isIndexed).map(({ code }) => code)
    expect(filled('Patient')).toContain('gender')
    for (const code of ['_id', '_lastUpdated', '_text', '_content', '_query']) {
      expect(searchParametersOf('Patient').has(code)).toBe(true)
      expect(filled('Patient')).not.toContain(code)
    }
    expect(filled('Observation')).toContain('code-value-quantity')
    expect(filled('Location')).toContain('near')
  })
})

describe('indexValues', () => {
  const patient = {
    resourceType: 'Patient',
    active: true,
    gender: 'female',
    name: [{ family: 'Carreño Quiñones', given: ['María José', null], text: '' }],
    telecom: [
      { system: 'phone', value: '(03) 5555 6473' },
      { system: 'email', value: 'Ana@Example.org' },
    ],
    identifier: [{ type: { text: 'MRN' }, system: 'urn:x', value: 'aB1' }],
    birthDate: '1974-12',
    deceasedDateTime: '2020-02-29T10:00:00+01:00',
    generalPractitioner: [{ reference: 'https://here/fhir/Practitioner/9' }],
    managingOrganization: { identifier: { system: 's', value: 'v' }, type: 'Organization' },
    link: [{ other: { reference: '#contained' } }],
  }

  it('reads tokens of each data type', () => {
    expect(values(patient, 'active')).toEqual([{ kind: 'token', code: 'true' }])
    expect(values(patient, 'gender')).toEqual([
      { kind: 'token', system: 'http://hl7.org/fhir/administrative-gender', code: 'female' },
    ])
    expect(values(patient, 'identifier')).toEqual([{ kind: 'token', system: 'urn:x', code: 'aB1', words: ['mrn'] }])
    expect(values(patient, 'telecom')).toEqual([
      { kind: 'token', code: '0355556473' },
      { kind: 'token', code: 'ana@example.org' },
    ])
    expect(values(patient, 'phone')).toEqual([{ kind: 'token', code: '0355556473' }])
    const code = { coding: [{ system: 'l', code: '1', display: 'One' }, { code: '2' }], text: 'Both' }
    expect(values({ resourceType: 'Observation', code }, 'code')).toEqual([
      { kind: 'token', system: 'l', code: '1', words: ['one'] },
      { kind: 'token', code: '2' },
      { kind: 'token', words: ['both'] },
      // what Observation/$lastn groups by
      { kind: 'group', members: ['["l","1"]', '[null,"2"]'] },
    ])
  })

  it('answers the one computed parameter for every Patient', () => {
    expect(values(patient, 'deceased')).toEqual([{ kind: 'token', code: 'true' }])
    expect(values({ resourceType: 'Patient' }, 'deceased')).toEqual([{ kind: 'token', code: 'false' }])
    expect(values({ resourceType: 'Patient', deceasedBoolean: false }, 'deceased')).toEqual([
      { kind: 'token', code: 'false' },
    ])
  })

  it('reads the bounds of sampled data', () => {
    const sampled = (more: object): object[] =>
      values(
        {
          resourceType: 'Observation',
          valueSampledData: { origin: { value: 1, unit: 'u' }, period: 1, dimensions: 1, ...more },
        },
        'value-quantity',
      )
    const range = (ends: object): object[] => [{ kind: 'quantity', ...ends, unit: 'u' }]
    expect(sampled({ data: '3 -2 E 0.1' })).toEqual(range({ lo: '-1', hi: '4' }))
    expect(sampled({ data: '3 -2', factor: 0.1 })).toEqual(range({ lo: '0.8', hi: '1.3' }))
    expect(sampled({ data: '3 -2', factor: -1 })).toEqual(range({ lo: '-2', hi: '3' }))
    expect(sampled({ data: 'L 3 4' })).toEqual(range({ hi: '5' }))
    expect(sampled({ data: '3 4 U', factor: -1 })).toEqual(range({ hi: '-2' }))
    for (const more of [{}, { data: 'E E' }, { data: 'U' }, { data: '1', origin: { unit: 'u' } }]) {
      expect(sampled(more)).toEqual([])
    }
    const { valueSampledData } = {
      valueSampledData: {
        origin: { value: 0, system: 'http://unitsofmeasure.org', code: 'mV' },
        period: 1,
        dimensions: 1,
        data: '-5 5',
      },
    }
    const found = values({ resourceType: 'Observation', component: [{ valueSampledData }] }, 'combo-value-quantity')
    expect(found).toMatchObject([{ lo: '-5', hi: '5', code: 'mV', canonical: { lo: '-5', hi: '5' } }])
  })

  it('reads canonicals with all that their version is part of', () => {
    const canonical = (questionnaire: string): object[] =>
      indexValues({ resourceType: 'QuestionnaireResponse', questionnaire } as unknown as ValidResource).filter(
        ({ param }) => param === 'questionnaire',
      )
    const url = 'http://x/q'
    expect(canonical(url)).toEqual([{ param: 'questionnaire', kind: 'reference', url }])
    expect(canonical(`${url}|1.0.3-rc1`)).toEqual([
      {
        param: 'questionnaire',
        kind: 'reference',
        url,
        version: '1.0.3-rc1',
        within: ['1', '1.0', '1.0.3', '1.0.3-rc1'].map((version) => `${url}|${version}`),
      },
    ])
    expect((canonical(`${url}|${'1.'.repeat(10_000)}`) as { within: string[] }[])[0]?.within).toHaveLength(11)
  })

  it('reads names whole and by word, so that each part of a family name is found', () => {
    expect(values(patient, 'family')).toEqual([
      { kind: 'string', value: 'Carreño Quiñones', normal: 'carreno quinones' },
      { kind: 'string', value: 'quinones', normal: 'quinones', word: true },
    ])
    expect(values(patient, 'given')).toEqual([{ kind: 'string', value: 'María José', normal: 'maria jose' }])
    expect(values(patient, 'name').map((value) => (value as { normal: string }).normal)).toEqual([
      'carreno quinones',
      'quinones',
      'maria jose',
      'jose',
    ])
    expect(values(patient, 'phonetic')).toEqual([{ kind: 'token', words: ['KRN', 'KNNS', 'MR', 'HS'] }])
  })

  it('reads dates as ranges with open ends', () => {
    expect(values(patient, 'birthdate')).toEqual([{ kind: 'date', lo: Date.UTC(1974, 11), hi: Date.UTC(1975, 0) }])
    expect(values(patient, 'death-date')).toEqual([
      { kind: 'date', lo: Date.UTC(2020, 1, 29, 9), hi: Date.UTC(2020, 1, 29, 9, 0, 1) },
    ])
    const encounter = (period: object): object[] => values({ resourceType: 'Encounter', period }, 'date')
    expect(encounter({ start: '2020' })).toEqual([{ kind: 'date', lo: Date.UTC(2020, 0), hi: DATE_MAX }])
    expect(encounter({ end: '2020' })).toEqual([{ kind: 'date', lo: DATE_MIN, hi: Date.UTC(2021, 0) }])
    expect(encounter({})).toEqual([])
    expect(encounter({ start: '2021', end: '2020' })).toEqual([])
    const effectiveTiming = { event: ['2020-03-02', '2020-01-05'] }
    expect(values({ resourceType: 'Observation', effectiveTiming }, 'date')).toEqual([
      { kind: 'date', lo: Date.UTC(2020, 0, 5), hi: Date.UTC(2020, 2, 3) },
    ])
  })

  it('reads references of this server, of others, logical ones and canonicals', () => {
    expect(values(patient, 'general-practitioner', 'https://here/fhir')).toEqual([
      { kind: 'reference', type: 'Practitioner', id: '9' },
    ])
    expect(values(patient, 'general-practitioner')).toEqual([
      { kind: 'reference', type: 'Practitioner', url: 'https://here/fhir/Practitioner/9' },
    ])
    expect(values(patient, 'organization')).toEqual([
      { kind: 'reference', type: 'Organization', identifier: { system: 's', value: 'v' } },
    ])
    expect(values(patient, 'link')).toEqual([{ kind: 'reference' }]) // of a contained resource: not missing
    const instantiatesCanonical = ['http://x/PlanDefinition/1|2.0']
    expect(values({ resourceType: 'CarePlan', instantiatesCanonical }, 'instantiates-canonical')).toEqual([
      { kind: 'reference', url: 'http://x/PlanDefinition/1', version: '2.0' },
    ])
  })

  it('keeps a reference that must resolve to a type only if it is known to', () => {
    const observe = (subject: object): object[] => values({ resourceType: 'Observation', subject }, 'patient')
    expect(observe({ reference: 'Patient/1/_history/3' })).toEqual([
      { kind: 'reference', type: 'Patient', id: '1', version: '3' },
    ])
    expect(observe({ reference: 'Group/1' })).toEqual([])
    expect(observe({ reference: 'urn:uuid:0b1', type: 'Patient' })).toEqual([
      { kind: 'reference', url: 'urn:uuid:0b1' },
    ])
    expect(observe({ identifier: { value: '7' } })).toEqual([])
  })

  it('reads numbers and quantities exactly as written', () => {
    const parsed = parseJson(
      '{"resourceType":"Observation","valueQuantity":{"value":1.50,"system":"http://unitsofmeasure.org","code":"mg","unit":"milligram"}}',
    )
    expect(values(parsed as object, 'value-quantity')).toEqual([
      {
        kind: 'quantity',
        value: '1.5',
        lo: '1.495',
        hi: '1.505',
        system: 'http://unitsofmeasure.org',
        code: 'mg',
        unit: 'milligram',
        canonical: { unit: 'g1', value: '0.0015', lo: '0.001495', hi: '0.001505' },
      },
    ])
    const quantity = (valueQuantity: object): object[] =>
      values({ resourceType: 'Observation', valueQuantity }, 'value-quantity')
    expect(quantity({ value: 5, comparator: '<=' })).toEqual([{ kind: 'quantity', hi: '5' }])
    expect(quantity({ value: 5, comparator: '>' })).toEqual([{ kind: 'quantity', lo: '5' }])
    expect(quantity({ unit: 'mg' })).toEqual([])
    const onsetRange = { low: { value: 3, code: 'a' }, high: { value: 5 } }
    expect(values({ resourceType: 'Condition', onsetRange }, 'onset-age')).toEqual([
      { kind: 'quantity', lo: '3', hi: '5', code: 'a' },
    ])
    const variant = [{ start: 128273725 }]
    expect(values({ resourceType: 'MolecularSequence', variant }, 'variant-start')).toEqual([
      { kind: 'number', value: '128273725', lo: '128273725', hi: '128273725' },
    ])
    expect(values({ resourceType: 'Invoice', totalNet: { value: 12.5, currency: 'EUR' } }, 'totalnet')).toEqual([
      { kind: 'quantity', value: '12.5', lo: '12.45', hi: '12.55', system: 'urn:iso:std:iso:4217', code: 'EUR' },
    ])
  })

  it('finds a canonical profile with and without its version', () => {
    expect(values({ resourceType: 'Patient', meta: { profile: ['http://p|1'] } }, '_profile')).toEqual([
      { kind: 'uri', value: 'http://p|1' },
      { kind: 'uri', value: 'http://p' },
    ])
  })

  it('says what a URL lies below, and what sorts', () => {
    const found = (resource: object, param: string): IndexValue[] =>
      indexValues(resource as ValidResource).filter((value) => value.param === param)
    const below = ['http://a.org/b/c', 'http://a.org/b', 'http://a.org', 'http']
    expect(found({ resourceType: 'ValueSet', url: 'http://a.org/b/c/' }, 'url')).toMatchObject([
      { value: 'http://a.org/b/c/', within: below, sort: 'text' },
    ])
    expect(found({ resourceType: 'ValueSet', url: 'urn:oid:1.2' }, 'url')[0]).not.toHaveProperty('within')
    expect(found({ resourceType: 'Patient', gender: 'male' }, 'gender')).toMatchObject([{ sort: 'text' }])
    expect(found({ resourceType: 'Patient', meta: { profile: ['http://a.org'] } }, '_profile')).toMatchObject([
      { sort: 'name' },
    ])
    const coding = [{ system: 'http://s', code: 'c', display: 'See' }]
    const [first, words] = found({ resourceType: 'Observation', code: { coding, text: 'Sea' } }, 'code')
    expect([first, words]).toMatchObject([{ code: 'c', sort: 'name' }, { words: ['sea'] }])
    // there is no code to sort by
    expect(words).not.toHaveProperty('sort')
    expect(found({ resourceType: 'Patient', identifier: [{ value: '7' }] }, 'identifier')).toMatchObject([
      { sort: 'text' },
    ])
  })

  it('reads the parts of a composite together', () => {
    const component = [
      { code: { coding: [{ code: 'sys' }] }, valueQuantity: { value: 120 } },
      { code: { coding: [{ code: 'dia' }] }, valueQuantity: { value: 80 } },
      { code: { coding: [{ code: 'none' }] } },
    ]
    const parts = (code: string, value: string) => ({
      kind: 'composite',
      parts: [
        [{ kind: 'token', code, param: 'component-code' }],
        [{ kind: 'quantity', value, param: 'component-value-quantity' }],
      ],
    })
    expect(values({ resourceType: 'Observation', component }, 'component-code-value-quantity')).toMatchObject([
      parts('sys', '120'),
      parts('dia', '80'),
    ])
    const sequence = {
      resourceType: 'MolecularSequence',
      referenceSeq: { chromosome: { coding: [{ code: '1' }] } },
      variant: [{ start: 5, end: 9 }],
    }
    expect(values(sequence, 'chromosome-variant-coordinate')).toMatchObject([
      { parts: [[{ code: '1' }], [{ value: '5' }], [{ value: '9' }]] },
    ])
    const relatesTo = [{ code: 'replaces', target: { reference: 'DocumentReference/1' } }]
    expect(values({ resourceType: 'DocumentReference', relatesTo }, 'relationship')).toMatchObject([
      { parts: [[{ kind: 'reference', id: '1' }], [{ kind: 'token', code: 'replaces' }]] },
    ])
  })

  it('reads the resource that a document begins with', () => {
    const bundle = { resourceType: 'Bundle', entry: [{ resource: { resourceType: 'Composition', id: 'c' } }, {}] }
    expect(values(bundle, 'composition')).toEqual([{ kind: 'reference', type: 'Composition', id: 'c' }])
    expect(values(bundle, 'message')).toEqual([])
  })
})

describe('comparable forms', () => {
  it.each([
    ['O’Brien-Müller', 'obrien muller'],
    ["D'Angelo", 'dangelo'],
    ['  Straße\t12,  b ', 'strasse 12 b'],
    ['ΟΔΟΣ', 'οδοσ'],
    ['Ａｎｎ', 'ann'],
    ['---', ''],
  ])('normalises %j', (text, normal) => {
    expect(normaliseString(text)).toBe(normal)
    expect(normaliseString(normal)).toBe(normal)
  })

  it.each([
    ['+61 (3) 5555-6473', '+61355556473'],
    ['ext 4123', 'ext 4123'],
    ['Ana@Example.ORG', 'ana@example.org'],
  ])('folds the contact %j', (text, folded) => expect(foldContactPoint(text)).toBe(folded))

  it.each([
    ['2013', '2013-01-01T00:00:00Z', '2014-01-01T00:00:00Z'],
    ['2012-02', '2012-02-01T00:00:00Z', '2012-03-01T00:00:00Z'],
    ['2012-12-31', '2012-12-31T00:00:00Z', '2013-01-01T00:00:00Z'],
    ['0050-01-01', '0050-01-01T00:00:00Z', '0050-01-02T00:00:00Z'],
    ['2013-01-10T10:00', '2013-01-10T10:00:00Z', '2013-01-10T10:01:00Z'],
    ['2013-01-10T10:00:00 02:00', '2013-01-10T08:00:00Z', '2013-01-10T08:00:01Z'],
    ['2013-01-10T10:00:00.1239-05:30', '2013-01-10T15:30:00.123Z', '2013-01-10T15:30:00.124Z'],
  ])('reads the date %s', (text, lo, hi) => {
    expect(dateRange(text)).toEqual({ lo: Date.parse(lo), hi: Date.parse(hi) })
  })

  it('knows the first and last date', () => {
    expect(dateRange('0001')?.lo).toBe(DATE_MIN)
    expect(dateRange('9999')?.hi).toBe(DATE_MAX)
  })

  it.each(['', '13', '2013-13', '2013-02-29', '2013-1-1', '2013-01-10T24:00:00Z', '2013-01-10T10', '0000', 'today'])(
    'refuses the date %j',
    (text) => expect(dateRange(text)).toBeUndefined(),
  )

  it.each([
    ['100', '100', '99.5', '100.5'],
    ['100.00', '100', '99.995', '100.005'],
    ['1e2', '100', '50', '150'],
    ['5.40e-3', '0.0054', '0.005395', '0.005405'],
    ['-0.1', '-0.1', '-0.15', '-0.05'],
    ['+7', '7', '6.5', '7.5'],
    ['0', '0', '-0.5', '0.5'],
  ])('reads the decimal %s', (text, value, lo, hi) => expect(decimalRange(text)).toEqual({ value, lo, hi }))

  it.each(['', '.5', '1e999999', '0x1', '1_000', 'NaN'])('refuses the decimal %j', (text) =>
    expect(decimalRange(text)).toBeUndefined(),
  )

  it.each([
    ['Patient/1', { type: 'Patient', id: '1' }],
    ['Nonsense/1', undefined],
    ['x/Patient/1', undefined],
    ['Patient?identifier=1', undefined],
    ['#p', undefined],
    ['urn:uuid:1', { url: 'urn:uuid:1' }],
    ['https://there/fhir/Patient/1', { url: 'https://there/fhir/Patient/1', type: 'Patient' }],
    ['https://here/Patient/1', { type: 'Patient', id: '1' }],
  ])('reads the reference %s', (text, target) => expect(referenceTarget(text, 'https://here')).toEqual(target))
})
