import { afterEach, describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { indexForms, indexValues, useFullText } from '../../src/fhir/search-parameters.js'
import { parseSearch, servedCodes } from '../../src/fhir/search-query.js'
import { matches, subjectOf } from '../../src/fhir/search/matches.js'
import type { Resource, ValidResource } from '../../src/fhir/types.js'

const patient = {
  resourceType: 'Patient',
  id: 'p',
  name: [
    { family: 'Schmidt-Müller', given: ['Catherine', 'Ana María'], prefix: ['Thorsten'] },
    { text: '李 娜', use: 'usual' },
  ],
}
const practice = { resourceType: 'Organization', id: 'o', name: 'Knightsbridge Clinic', alias: ['Zebra'] }
const found = (resource: Resource, text: string, type = resource.resourceType) =>
  matches(subjectOf(resource), parseSearch(type, [['phonetic', text]]))
const refusal = (type: string, name: string, value: string): string => {
  try {
    parseSearch(type, [[name, value]])
  } catch (error) {
    if (error instanceof ConsentryError) return error.message
    throw error
  }
  throw new Error('accepted')
}

afterEach(() => useFullText('none', { pending: false }))

describe('phonetic', () => {
  it.each([
    ['kathryn', true],
    ['KATRINE', true],
    // spoken with the English or the German sound
    ['smith', true],
    ['miller', true],
    ['Mueller', true],
    ['Anna', true],
    ['kathryn smit', true],
    ['smit kathryn', true],
    ['kathryn jones', false],
    ['jones', false],
    ['jones,kathryn', true],
    // no part of a word, and no prefix, which is neither family nor given
    ['kat', false],
    ['thorsten', false],
    // what is not written in Latin letters sounds like itself
    ['李', true],
    ['娜 李', true],
    ['王', false],
  ])('%s: %s', (text, expected) => {
    expect(found(patient, text)).toBe(expected)
  })

  it('is of the name of an organization, and not of its aliases', () => {
    expect(found(practice, 'nitesbridge')).toBe(true)
    expect(found(practice, 'clinique')).toBe(true)
    expect(found(practice, 'zebra')).toBe(false)
  })

  it.each(['Patient', 'Practitioner', 'Person', 'RelatedPerson', 'Organization', 'InsurancePlan'])(
    'is served for %s',
    (type) => {
      expect(servedCodes(type)).toContain('phonetic')
    },
  )

  it('is missing where there is no name', () => {
    const [missing, there] = ['true', 'false'].map((value) => parseSearch('Patient', [['phonetic:missing', value]]))
    expect(matches(subjectOf({ resourceType: 'Patient', id: 'x' }), missing as never)).toBe(true)
    expect(matches(subjectOf(patient), there as never)).toBe(true)
  })

  it('asks each word for itself, in a chain too', () => {
    const { clauses } = parseSearch('Observation', [['patient.phonetic', 'Thompson']])
    expect(JSON.stringify(clauses)).toContain('"values":[{"text":["TMPSN"]}]')
  })

  it.each([
    ['phonetic:exact', 'smith', 'has no modifier :exact'],
    ['phonetic', '...', 'has no word'],
    ['phonetic', Array.from({ length: 3_000 }, (_, i) => `a${i}`).join(' '), 'number of values'],
    ['_sort', 'phonetic', 'cannot sort by phonetic'],
    ['_filter', 'phonetic eq "smith"', 'a parameter of its own beside _filter'],
  ])('%s=%.40s is refused', (name, value, reason) => {
    expect(refusal('Patient', name, value)).toContain(reason)
  })

  it('waits until records from before are indexed by it', () => {
    useFullText('none', { pending: true })
    expect(refusal('Patient', 'phonetic', 'smith')).toContain('is being indexed')
    expect(servedCodes('Patient')).not.toContain('phonetic')
  })

  it('makes entries of words that sound, whatever the length, and changes the form of its types alone', () => {
    const family = 'baker'.repeat(2_000)
    const values = indexValues({ ...patient, name: [{ family }] } as unknown as ValidResource)
    const [sounds, ...more] = values.flatMap((value) => (value.param === 'phonetic' ? [value] : []))
    expect(more).toEqual([])
    expect(sounds).toMatchObject({ kind: 'token', words: [expect.stringMatching(/^PKR[A-Z]{1,61}$/)] })
    const forms = indexForms(() => 1)
    expect(new Set([forms['Patient'], forms['Practitioner'], forms['AuditEvent']]).size).toBe(3)
  })
})
