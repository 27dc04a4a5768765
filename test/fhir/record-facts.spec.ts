import { describe, expect, it } from 'vitest'
import { CARE_DATES } from '../../src/fhir/care-dates.js'
import { recordFacts } from '../../src/fhir/record-facts.js'
import { indexValues } from '../../src/fhir/search-parameters.js'
import type { Resource, ValidResource } from '../../src/fhir/types.js'
import { hasSharedData, syntheaResources } from '../support/shared-data.js'

const of = (reference: string) => ({ reference })
const day = (text: string): number => Date.parse(`${text}T00:00:00Z`)

describe('what a consent can ask of a record', () => {
  it('is what it is, who wrote it and what it refers to, wherever it does', () => {
    const facts = recordFacts({
      resourceType: 'Observation',
      id: 'o',
      subject: of('Patient/p'),
      performer: [of('Practitioner/a'), of('http://other.example/Practitioner/b')],
      encounter: of('Encounter/e'),
      component: [{ extension: [{ url: 'x', valueReference: of('Device/d/_history/2') }] }],
      contained: [{ resourceType: 'Observation', performer: [of('Practitioner/inside')] }],
    })
    expect(facts.instance).toBe('Observation/o')
    // Who wrote what is contained has not written the record.
    expect(facts.authors).toEqual(['Practitioner/a'])
    expect(facts.references.toSorted()).toEqual(
      ['Device/d', 'Encounter/e', 'Patient/p', 'Practitioner/a', 'Practitioner/inside'].toSorted(),
    )
  })

  it.each<[string, Resource, string[]]>([
    [
      'the actor of a performer',
      { resourceType: 'Procedure', performer: [{ actor: of('Practitioner/a') }] },
      ['Practitioner/a'],
    ],
    [
      'who recorded and asserted',
      { resourceType: 'Condition', recorder: of('Practitioner/a'), asserter: of('Patient/p') },
      ['Practitioner/a', 'Patient/p'],
    ],
    [
      'who asked',
      { resourceType: 'ServiceRequest', requester: of('Practitioner/a'), performer: [of('Organization/o')] },
      ['Practitioner/a', 'Organization/o'],
    ],
    [
      'nobody who only took part',
      { resourceType: 'Encounter', participant: [{ individual: of('Practitioner/a') }] },
      [],
    ],
  ])('has as author %s', (_, resource, authors) => {
    expect(recordFacts(resource).authors.toSorted()).toEqual(authors.toSorted())
  })

  it.each<[string, Resource, [string, string] | null]>([
    ['a day', { resourceType: 'Observation', effectiveDateTime: '2022-03-01' }, ['2022-03-01', '2022-03-02']],
    [
      'from the first to the last of its dates',
      { resourceType: 'Condition', onsetDateTime: '2020-01-01', recordedDate: '2022-01-01' },
      ['2020-01-01', '2022-01-02'],
    ],
    [
      'no date of its record',
      { resourceType: 'Observation', meta: { lastUpdated: '2022-03-01T00:00:00Z' }, issued: '2022-03-01T00:00:00Z' },
      null,
    ],
    ['none for a type without', { resourceType: 'Patient', birthDate: '1970-01-01' }, null],
  ])('has as date of care %s', (_, resource, care) => {
    expect(recordFacts(resource).care).toEqual(care && { lo: day(care[0]), hi: day(care[1]) })
  })

  it.skipIf(!hasSharedData)('has the dates that the search parameters of care find, in Synthea records', () => {
    let dated = 0
    for (const resource of syntheaResources('2019-smart', 40)) {
      const found = indexValues(resource as ValidResource).flatMap((value) =>
        value.kind === 'date' && CARE_DATES[resource.resourceType]?.includes(value.param) ? [value] : [],
      )
      const care =
        found.length === 0
          ? null
          : { lo: Math.min(...found.map(({ lo }) => lo)), hi: Math.max(...found.map(({ hi }) => hi)) }
      expect(recordFacts(resource).care).toEqual(care)
      if (care !== null) dated++
    }
    expect(dated).toBeGreaterThan(100)
  })
})
