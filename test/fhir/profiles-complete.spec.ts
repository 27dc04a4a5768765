import { describe, expect, it } from 'vitest'
import { Profiles } from '../../src/fhir/profiles.js'
import type { Resource, ValidResource } from '../../src/fhir/types.js'
import { validate } from '../../src/fhir/validate.js'

/** What profiles can say, one small definition for each, with a resource that conforms and one that does not. */
const R4 = 'http://hl7.org/fhir/StructureDefinition/'
const e = (id: string, more: object = {}): object => ({ id, path: id.replace(/:[\w/-]+/g, ''), ...more })

function definition(name: string, type: string, element: object[], more: object = {}): Resource {
  const url = `http://a.org/${name}`
  return {
    resourceType: 'StructureDefinition',
    url,
    type,
    baseDefinition: R4 + type,
    differential: { element },
    ...more,
  }
}

/** What the profile `http://a.org/p` says of a resource that is valid R4. */
function issuesOf(definitions: readonly Resource[], resource: object, profile = 'http://a.org/p'): string[] {
  const valid = validate(resource)
  expect(valid.issues.filter(({ severity }) => severity === 'error')).toEqual([])
  const profiles = new Profiles(definitions)
  return profiles.judge(resource as ValidResource, { profiles: [profile] }).map(({ diagnostics }) => diagnostics)
}

const observation = (more: object): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  ...more,
})
const code = (value: string, system = 'http://a.org/cs'): object => ({ coding: [{ system, code: value }] })

describe('cardinality', () => {
  it('counts a primitive that has only extensions', () => {
    const p = definition('p', 'Patient', [e('Patient'), e('Patient.birthDate', { min: 1 })])
    const absent = { extension: [{ url: `${R4}data-absent-reason`, valueCode: 'unknown' }] }
    expect(issuesOf([p], { resourceType: 'Patient', _birthDate: absent })).toEqual([])
    expect(issuesOf([p], { resourceType: 'Patient', active: true })).toEqual([
      'Patient.birthDate: the element must be there at least 1 time, not 0.',
    ])
  })

  it('goes into the extensions of a primitive', () => {
    const p = definition('p', 'Patient', [
      e('Patient'),
      e('Patient.birthDate.extension', { slicing: { discriminator: [{ type: 'value', path: 'url' }], rules: 'open' } }),
      e('Patient.birthDate.extension:time', {
        min: 1,
        type: [{ code: 'Extension', profile: [`${R4}patient-birthTime`] }],
      }),
    ])
    const time = { extension: [{ url: `${R4}patient-birthTime`, valueDateTime: '2020-01-02T03:04:05Z' }] }
    expect(issuesOf([p], { resourceType: 'Patient', birthDate: '2020-01-02', _birthDate: time })).toEqual([])
    expect(issuesOf([p], { resourceType: 'Patient', birthDate: '2020-01-02' })).toEqual([
      'Patient.birthDate.extension: the slice time must be there at least 1 time, not 0.',
    ])
  })
})

describe('ranges', () => {
  const p = definition('p', 'Observation', [
    e('Observation'),
    e('Observation.value[x]', { type: [{ code: 'Quantity' }, { code: 'string' }, { code: 'dateTime' }] }),
    e('Observation.value[x]:valueString', { maxLength: 3, type: [{ code: 'string' }] }),
    e('Observation.value[x]:valueQuantity.value', { minValueDecimal: 1.5, maxValueDecimal: 2 }),
    e('Observation.valueDateTime', { minValueDateTime: '2020-01-01' }),
  ])
  it.each<[object, string[]]>([
    [{ valueString: 'abc' }, []],
    [{ valueString: 'abcd' }, ['Observation.value.ofType(string): must have at most 3 characters.']],
    [{ valueQuantity: { value: 1.5 } }, []],
    [{ valueQuantity: { value: 1.4 } }, ['Observation.value.ofType(Quantity).value: must be at least 1.5.']],
    [{ valueQuantity: { value: 2.5 } }, ['Observation.value.ofType(Quantity).value: must be at most 2.']],
    [{ valueDateTime: '2020-06' }, []],
    [{ valueDateTime: '2019-06' }, ['Observation.value.ofType(dateTime): must be at least 2020-01-01.']],
    [{ valueBoolean: true }, ['Observation.value.ofType(boolean): must be of type Quantity or string or dateTime.']],
  ])('%j', (more, issues) => expect(issuesOf([p], observation(more))).toEqual(issues))
})

describe('slicing', () => {
  const sliced = (slicing: object, ...slices: object[]): Resource =>
    definition('p', 'Observation', [e('Observation'), e('Observation.category', { slicing }), ...slices])
  const byCode = { discriminator: [{ type: 'value', path: 'coding.code' }] }
  const slice = (name: string, more: object = {}): object[] => [
    e(`Observation.category:${name}`, { sliceName: name, ...more }),
    e(`Observation.category:${name}.coding.code`, { fixedCode: name }),
  ]
  const categories = (...codes: string[]): object => observation({ category: codes.map((one) => code(one)) })

  it('closed allows no others', () => {
    const p = sliced({ ...byCode, rules: 'closed' }, ...slice('a'), ...slice('b'))
    expect(issuesOf([p], categories('b', 'a'))).toEqual([])
    expect(issuesOf([p], categories('a', 'c'))).toEqual([
      'Observation.category[1]: this fits no slice (a, b), and no others are allowed.',
    ])
  })

  it('openAtEnd allows others after the slices', () => {
    const p = sliced({ ...byCode, rules: 'openAtEnd' }, ...slice('a'), ...slice('b'))
    expect(issuesOf([p], categories('a', 'b', 'c'))).toEqual([])
    expect(issuesOf([p], categories('a', 'c', 'b'))).toEqual([
      'Observation.category[1]: this fits no slice (a, b), and others are allowed only after those.',
    ])
  })

  it('ordered keeps the order of the definition', () => {
    const p = sliced({ ...byCode, ordered: true, rules: 'open' }, ...slice('a'), ...slice('b'))
    expect(issuesOf([p], categories('a', 'c', 'b'))).toEqual([])
    expect(issuesOf([p], categories('b', 'a'))).toEqual([
      'Observation.category[1]: the slices must be in the order a, b.',
    ])
  })

  it('slices slices again', () => {
    const p = definition('p', 'Observation', [
      e('Observation'),
      e('Observation.category', {
        slicing: { discriminator: [{ type: 'value', path: 'coding.system' }], rules: 'open' },
      }),
      e('Observation.category:ours', { slicing: { ...byCode, rules: 'open' } }),
      e('Observation.category:ours.coding.system', { fixedUri: 'http://a.org/cs' }),
      e('Observation.category:ours/a', { min: 1 }),
      e('Observation.category:ours/a.coding.code', { fixedCode: 'a' }),
    ])
    expect(issuesOf([p], categories('b', 'a'))).toEqual([])
    expect(issuesOf([p], observation({ category: [code('b'), code('a', 'http://b.org/cs')] }))).toEqual([
      'Observation.category: the slice ours/a must be there at least 1 time, not 0.',
    ])
  })

  it('finds discriminators inside of patterns, bindings and profiles of types', () => {
    const typed = definition('typed', 'CodeableConcept', [
      e('CodeableConcept'),
      e('CodeableConcept.coding.system', { fixedUri: 'http://c.org/cs' }),
    ])
    const p = definition('p', 'Observation', [
      e('Observation'),
      e('Observation.category', {
        slicing: { discriminator: [{ type: 'value', path: 'coding.system' }], rules: 'closed' },
      }),
      e('Observation.category:pattern', { patternCodeableConcept: { coding: [{ system: 'http://b.org/cs' }] } }),
      e('Observation.category:typed', { type: [{ code: 'CodeableConcept', profile: ['http://a.org/typed'] }] }),
    ])
    expect(
      issuesOf([p, typed], observation({ category: [code('x', 'http://b.org/cs'), code('x', 'http://c.org/cs')] })),
    ).toEqual([])
    expect(issuesOf([p, typed], observation({ category: [code('x')] }))).toEqual([
      'Observation.category[0]: this fits no slice (pattern, typed), and no others are allowed.',
    ])

    const bound = sliced(
      { discriminator: [{ type: 'value', path: '$this' }], rules: 'closed' },
      e('Observation.category:ours', { min: 1, binding: { strength: 'required', valueSet: 'http://a.org/vs' } }),
    )
    const terms = [
      { resourceType: 'CodeSystem', url: 'http://a.org/cs', content: 'complete', concept: [{ code: 'a' }] },
      { resourceType: 'ValueSet', url: 'http://a.org/vs', compose: { include: [{ system: 'http://a.org/cs' }] } },
    ]
    expect(issuesOf([bound, ...terms], categories('a'))).toEqual([])
    expect(issuesOf([bound, ...terms], categories('b'))).toEqual([
      'Observation.category: the slice ours must be there at least 1 time, not 0.',
      'Observation.category[0]: this fits no slice (ours), and no others are allowed.',
    ])
    // of a value set that nobody has, nothing is said
    expect(issuesOf([bound], categories('b'))).toEqual([])
  })

  it('by type, existence and extension', () => {
    const p = definition('p', 'Observation', [
      e('Observation'),
      e('Observation.component', {
        slicing: {
          discriminator: [
            { type: 'type', path: 'value' },
            { type: 'exists', path: 'dataAbsentReason' },
          ],
          rules: 'open',
        },
      }),
      e('Observation.component:known', { min: 1 }),
      e('Observation.component:known.value[x]', { type: [{ code: 'Quantity' }] }),
      e('Observation.component:known.dataAbsentReason', { max: '0' }),
      e('Observation.note', {
        slicing: { discriminator: [{ type: 'value', path: "extension('http://a.org/kind').value" }], rules: 'closed' },
      }),
      e('Observation.note:good.extension:kind', { type: [{ code: 'Extension', profile: ['http://a.org/kind'] }] }),
      e('Observation.note:good.extension:kind.value[x]', { fixedCode: 'good' }),
    ])
    const component = (more: object): object => ({ code: { text: 'x' }, ...more })
    const note = (kind: string): object => ({ text: 'x', extension: [{ url: 'http://a.org/kind', valueCode: kind }] })
    expect(
      issuesOf([p], observation({ component: [component({ valueQuantity: { value: 1 } })], note: [note('good')] })),
    ).toEqual([])
    expect(issuesOf([p], observation({ component: [component({ valueString: 'x' })], note: [note('bad')] }))).toEqual([
      'Observation.component: the slice known must be there at least 1 time, not 0.',
      'Observation.note[0]: this fits no slice (good), and no others are allowed.',
    ])
  })

  it('by the profile of what a reference resolves to', () => {
    const female = definition('female', 'Patient', [e('Patient'), e('Patient.gender', { min: 1, fixedCode: 'female' })])
    const p = definition('p', 'Observation', [
      e('Observation'),
      e('Observation.focus', { slicing: { discriminator: [{ type: 'profile', path: 'resolve()' }], rules: 'open' } }),
      e('Observation.focus:mother', {
        min: 1,
        type: [{ code: 'Reference', targetProfile: ['http://a.org/female'] }],
      }),
    ])
    const about = (gender: string): object =>
      observation({ contained: [{ resourceType: 'Patient', id: 'm', gender }], focus: [{ reference: '#m' }] })
    expect(issuesOf([p, female], about('female'))).toEqual([])
    expect(issuesOf([p, female], about('male'))).toEqual([
      'Observation.focus: the slice mother must be there at least 1 time, not 0.',
    ])
    // another server's Patient may be one, a Device may not
    expect(issuesOf([p, female], observation({ focus: [{ reference: 'http://b.org/Patient/1' }] }))).toEqual([])
    expect(issuesOf([p, female], observation({ focus: [{ reference: 'Device/1' }] }))).toEqual([
      'Observation.focus: the slice mother must be there at least 1 time, not 0.',
    ])
  })

  it('keeps the slices of the profile under it', () => {
    const under = { ...sliced({ ...byCode, rules: 'open' }, ...slice('a')), url: 'http://a.org/under' }
    const over = definition('p', 'Observation', [e('Observation'), e('Observation.category:a', { min: 1 })], {
      baseDefinition: 'http://a.org/under',
    })
    expect(issuesOf([under, over], categories('a'))).toEqual([])
    expect(issuesOf([under, over], categories('b'))).toEqual([
      'Observation.category: the slice a must be there at least 1 time, not 0.',
    ])
  })
})

describe('references', () => {
  const named = definition('named', 'Patient', [e('Patient'), e('Patient.name', { min: 1 })])
  const p = definition('p', 'Observation', [
    e('Observation'),
    e('Observation.subject', {
      type: [{ code: 'Reference', targetProfile: ['http://a.org/named'], aggregation: ['contained'] }],
    }),
  ])
  const about = (patient: object, reference = '#p'): object =>
    observation({ contained: [{ resourceType: 'Patient', id: 'p', ...patient }], subject: { reference } })

  it('lead to what conforms, where it is at hand, and is where it may be', () => {
    expect(issuesOf([p, named], about({ name: [{ text: 'x' }] }))).toEqual([])
    expect(issuesOf([p, named], about({ active: true }))).toEqual([
      'Observation.subject: must refer to a Patient that conforms to http://a.org/named.',
    ])
    expect(issuesOf([p, named], observation({ subject: { reference: 'Patient/1' } }))).toEqual([
      'Observation.subject: must refer to a resource that is contained.',
    ])
  })

  it('resolve among the entries of a Bundle, by fullUrl', () => {
    const bundle = (name: object[], url: string): object => ({
      resourceType: 'Bundle',
      type: 'collection',
      entry: [
        {
          fullUrl: 'http://b.org/fhir/Observation/1',
          resource: { ...observation({ subject: { reference: url } }), id: '1', meta: { profile: ['http://a.org/q'] } },
        },
        {
          fullUrl: 'http://b.org/fhir/Patient/2',
          resource: { resourceType: 'Patient', id: '2', active: true, ...(name.length > 0 && { name }) },
        },
      ],
    })
    const q = definition('q', 'Observation', [
      e('Observation'),
      e('Observation.subject', { type: [{ code: 'Reference', targetProfile: ['http://a.org/named'] }] }),
    ])
    const profiles = new Profiles([q, named])
    const judge = (resource: object): number => profiles.judge(resource as ValidResource).length
    expect(judge(bundle([{ text: 'x' }], 'Patient/2'))).toBe(0)
    expect(judge(bundle([], 'Patient/2'))).toBe(1)
    expect(judge(bundle([], 'http://b.org/fhir/Patient/2'))).toBe(1)
    expect(judge(bundle([], 'http://c.org/fhir/Patient/2'))).toBe(0)
    const whole = profiles.judge(bundle([{ text: 'x' }], 'Patient/3') as ValidResource, { targets: 'must-exist' })
    expect(whole.map(({ diagnostics }) => diagnostics)).toEqual([
      'Bundle.entry[0].resource.subject: there is no such resource in this document.',
    ])
  })
})

describe('extensions of R4', () => {
  const judge = (resource: object): string[] =>
    new Profiles([]).judge(resource as ValidResource).map(({ diagnostics }) => diagnostics)
  const birthTime = (value: object): object => ({ extension: [{ url: `${R4}patient-birthTime`, ...value }] })

  it('stand where they may, with values of their types', () => {
    expect(judge({ resourceType: 'Patient', _birthDate: birthTime({ valueDateTime: '2020' }) })).toEqual([])
    expect(judge({ resourceType: 'Patient', _birthDate: birthTime({ valueString: '2020' }) })).toEqual([
      'Patient.birthDate.extension[0].value.ofType(string): must be of type dateTime.',
    ])
    expect(judge({ resourceType: 'Patient', ...birthTime({ valueDateTime: '2020' }) })).toEqual([
      'Patient.extension[0]: this extension is for Patient.birthDate, not for Patient.',
    ])
  })

  it('know data types as contexts, in resources that are contained or entries too', () => {
    const own = [{ url: `${R4}humanname-own-name`, valueString: 'x' }]
    const patient = (name: object): object => ({ resourceType: 'Patient', name: [name] })
    expect(judge(patient({ family: 'x', _family: { extension: own } }))).toEqual([])
    const wrong = {
      resourceType: 'Bundle',
      type: 'collection',
      entry: [{ resource: patient({ given: ['x'], _given: [{ extension: own }] }) }],
    }
    expect(judge(wrong)).toEqual([
      'Bundle.entry[0].resource.name[0].given[0].extension[0]: this extension is for HumanName.family, not for Patient.name.given.',
    ])
  })

  it('are modifiers or are not, and satisfy the invariant of their context', () => {
    const url = `${R4}questionnaire-unit`
    const item = (type: string, key: string): object => ({
      resourceType: 'Questionnaire',
      status: 'draft',
      item: [{ linkId: '1', type, [key]: [{ url, valueCoding: { code: 'kg' } }] }],
    })
    expect(judge(item('decimal', 'extension'))).toEqual([])
    expect(judge(item('decimal', 'modifierExtension'))).toEqual([
      'Questionnaire.item[0].modifierExtension[0]: this extension must be in extension.',
    ])
    expect(judge(item('string', 'extension'))).toEqual([
      expect.stringContaining('Questionnaire.item[0].extension[0]: contextInvariant'),
    ])
  })
})

describe('claims', () => {
  const claims = (...profile: string[]): ValidResource =>
    ({ resourceType: 'Patient', meta: { profile } }) as unknown as ValidResource
  const judge = (resource: ValidResource, unknown?: 'ignore' | 'warning' | 'error'): string[] =>
    new Profiles(
      [definition('p', 'Patient', [e('Patient')], { version: '1.0.3' })],
      unknown && { unknownProfiles: unknown },
    )
      .judge(resource, { warnings: true })
      .map(({ severity, diagnostics }) => `${severity} ${diagnostics}`)

  it('of profiles that are not loaded are told as configured', () => {
    const said = 'Patient: the profile http://b.org/p is not loaded, so nothing was checked by it.'
    expect(judge(claims('http://b.org/p'))).toEqual([`warning ${said}`])
    expect(judge(claims('http://b.org/p'), 'error')).toEqual([`error ${said}`])
    expect(judge(claims('http://b.org/p'), 'ignore')).toEqual([])
    expect(new Profiles([]).judge(claims('http://b.org/p'))).toEqual([])
  })

  it('name versions', () => {
    expect(judge(claims('http://a.org/p', 'http://a.org/p|1.0.3', 'http://a.org/p|1.0', `${R4}Patient`))).toEqual([])
    expect(judge(claims('http://a.org/p|1.1'))).toEqual([expect.stringMatching(/^warning .* is not loaded/)])
  })

  it("of R4's own profiles are enforced", () => {
    const bmi = observation({ meta: { profile: [`${R4}bmi`] }, subject: { reference: 'Patient/1' } }) as ValidResource
    expect(new Profiles([]).judge(bmi).map(({ diagnostics }) => diagnostics)).toContain(
      'Observation.category: the slice VSCat must be there at least 1 time, not 0.',
    )
  })
})
