import { expect, it } from 'vitest'
import { categoryBits, isCategory } from '../../src/consent/terms.js'
import { clinicalCategories } from '../../src/fhir/clinical-categories.js'

it.each([
  [{ resourceType: 'Condition' }, ['problems']],
  [{ resourceType: 'Basic' }, []],
  [{ resourceType: 'FamilyMemberHistory' }, ['family-history']],
  [{ resourceType: 'CoverageEligibilityResponse' }, ['coverage']],
  [{ resourceType: 'QuestionnaireResponse' }, ['assessments']],
  [{ resourceType: 'Observation', category: [{ coding: [{ code: 'survey' }, { code: 'sdoh' }] }] }, ['assessments']],
  [{ resourceType: 'Observation', category: [{ coding: [{ code: 'vital-signs' }] }] }, ['vital-signs']],
  [
    { resourceType: 'Observation', category: [{ coding: [{ code: 'laboratory' }, { code: 'imaging' }] }] },
    ['laboratory', 'imaging'],
  ],
  [{ resourceType: 'Observation', category: 'not a list' }, []],
  [{ resourceType: 'DiagnosticReport', category: [{ text: 'free text' }, null] }, ['laboratory']],
])('%j is in %j', (resource, categories) => {
  expect(clinicalCategories(resource)).toEqual(categories)
  expect(categories.every(isCategory)).toBe(true)
})

it('puts what has no category of its own under bit 0', () => {
  expect(categoryBits([])).toBe(1n)
})
