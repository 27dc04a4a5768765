import { describe, expect, it } from 'vitest'
import { hasPatientCompartment, patientIdentifiers, patientReferences } from '../../src/fhir/compartments.js'
import { patientCompartment, structures } from '../../src/fhir/definitions/structures.js'
import { indexValues } from '../../src/fhir/search-parameters.js'
import type { Resource, ValidResource } from '../../src/fhir/types.js'
import { exampleNames, readExample } from '../support/r4-package.js'

const UUID = 'urn:uuid:c757873d-ec9a-4326-a141-556f43239520'
const to = (reference: string, more = {}): object => ({ reference, ...more })
const referencesIn = (resource: Resource): string[] =>
  patientReferences(resource).map(({ path, reference }) => `${path}=${reference}`)

describe('patientReferences', () => {
  it('follows the places of the compartment definition, in lists and at any depth', () => {
    expect(
      patientReferences({
        resourceType: 'Appointment',
        participant: [{ actor: to('Practitioner/1') }, { actor: to('Patient/1') }, { status: 'accepted' }],
      }),
    ).toEqual([{ parameter: 'actor', path: 'participant[1].actor', reference: 'Patient/1' }])
    expect(
      referencesIn({
        resourceType: 'AuditEvent',
        agent: [{ who: to('Patient/1') }, { who: to('Device/1') }],
        entity: [{ what: to('Patient/2') }, { what: to('Observation/1') }],
      }),
    ).toEqual(['agent[0].who=Patient/1', 'entity[0].what=Patient/2'])
    expect(referencesIn({ resourceType: 'Provenance', target: [to('Observation/1'), to('Patient/1')] })).toEqual([
      'target[1]=Patient/1',
    ])
    expect(
      referencesIn({ resourceType: 'Group', member: [{ entity: to('Patient/1') }, { entity: to('Patient/2') }] }),
    ).toHaveLength(2)
  })

  it('names a place once that several parameters share', () => {
    expect(patientReferences({ resourceType: 'MedicationDispense', subject: to('Patient/1') })).toHaveLength(1)
  })

  it.each([
    ['Patient/1', true],
    ['Patient/1/_history/3', true],
    ['http://a.org/fhir/Patient/1', true],
    ['Patient?identifier=x|1', true],
    [UUID, true],
    ['Group/1', false],
    ['http://a.org/fhir/Group/1', false],
    ['#p', false],
    ['http://a.org/whatever', false],
  ])('%s as a subject counts: %s', (reference, counts) => {
    expect(referencesIn({ resourceType: 'Observation', subject: to(reference) })).toHaveLength(counts ? 1 : 0)
  })

  it('believes what a URN says of its type', () => {
    expect(referencesIn({ resourceType: 'Observation', subject: to(UUID, { type: 'Group' }) })).toEqual([])
    expect(referencesIn({ resourceType: 'Observation', subject: to(UUID, { type: 'Patient' }) })).toHaveLength(1)
  })

  it('does not look at other references', () => {
    expect(
      referencesIn({ resourceType: 'Observation', focus: [to('Patient/1')], hasMember: [to('Patient/1')] }),
    ).toEqual([])
    expect(referencesIn({ resourceType: 'Patient', id: '1' })).toEqual([])
    expect(referencesIn({ resourceType: 'Organization', partOf: to('Patient/1') })).toEqual([])
  })

  it('survives what no validator has seen', () => {
    expect(referencesIn({ resourceType: 'Observation', subject: 'Patient/1' })).toEqual([])
    expect(referencesIn({ resourceType: 'Observation', subject: [null, 3, { reference: 4 }] })).toEqual([])
    expect(referencesIn({ resourceType: 'Nonsense', subject: to('Patient/1') })).toEqual([])
  })
})

describe('patientIdentifiers', () => {
  const identifier = { system: 'http://a.org', value: '1' }
  it('finds references by identifier alone that can only mean a patient', () => {
    expect(patientIdentifiers({ resourceType: 'Consent', patient: { identifier } })).toEqual([
      { parameter: 'patient', path: 'patient', identifier },
    ])
    expect(patientIdentifiers({ resourceType: 'Observation', subject: { identifier, type: 'Patient' } })).toHaveLength(
      1,
    )
    expect(patientIdentifiers({ resourceType: 'Observation', subject: { identifier } })).toEqual([])
    expect(patientIdentifiers({ resourceType: 'Observation', subject: { identifier, type: 'Group' } })).toEqual([])
    expect(patientIdentifiers({ resourceType: 'Observation', subject: { display: 'Peter' } })).toEqual([])
    expect(patientIdentifiers({ resourceType: 'Observation', subject: { ...to('Patient/1'), identifier } })).toEqual([])
  })
})

describe('the compartment table', () => {
  it('knows 145 types, 66 of which have patients, and that a Binary is whose its security context says', () => {
    const table = patientCompartment()
    expect(Object.keys(table)).toHaveLength(145)
    expect(structures().resources.filter(hasPatientCompartment)).toHaveLength(67)
    const binary = { resourceType: 'Binary', contentType: 'image/png', securityContext: { reference: 'Patient/1' } }
    expect(patientReferences(binary)).toEqual([
      { parameter: 'securityContext', path: 'securityContext', reference: 'Patient/1' },
    ])
    expect(hasPatientCompartment('Organization')).toBe(false)
  })

  it('has paths that exist: each leads to a reference in some way that R4 allows', () => {
    for (const [type, places] of Object.entries(patientCompartment())) {
      for (const [, path] of places) {
        let at = type
        for (const step of path.split('.')) {
          const row = structures().types[at]?.elements.find(([name]) => name === step)
          expect(row, `${type}.${path}`).toBeDefined()
          const [elementType] = row?.[3] ?? []
          at = typeof elementType === 'string' ? elementType.replace('#', '') : (elementType?.[0] ?? '')
        }
        expect(at, `${type}.${path}`).toBe('Reference')
      }
    }
  })

  it('agrees with what the search index of the same parameters finds in official examples', () => {
    let found = 0
    for (const name of exampleNames(3)) {
      const resource = readExample(name)
      const parameters = new Set((patientCompartment()[resource.resourceType] ?? []).map(([parameter]) => parameter))
      const indexed = indexValues(resource as ValidResource).flatMap((value) =>
        value.kind === 'reference' && value.type === 'Patient' && value.id !== undefined && parameters.has(value.param)
          ? [`Patient/${value.id}`]
          : [],
      )
      const literal = patientReferences(resource).flatMap(
        ({ reference }) => reference.match(/^Patient\/[^/]+/)?.[0] ?? [],
      )
      expect(new Set(literal), name).toEqual(new Set(indexed))
      found += literal.length
    }
    expect(found).toBeGreaterThan(100)
  })
})
