import { expect, it } from 'vitest'
import { patientRecord, STORY } from '../../src/cli/story/patient-record.js'
import { validate } from '../../src/fhir/validate.js'

it('is a valid transaction of at least 60 resources with an image and one sensitive resource', () => {
  const { bundle, resources, patientUrl, sensitiveUrl } = patientRecord()
  expect(validate(bundle).issues).toEqual([])
  expect(resources).toBeGreaterThanOrEqual(60)
  const entries = (bundle as { entry: { fullUrl: string; resource: { meta?: unknown } }[] }).entry
  expect(entries.filter((entry) => entry.resource.meta !== undefined).map((entry) => entry.fullUrl)).toEqual([
    sensitiveUrl,
  ])
  expect(entries.map((entry) => entry.fullUrl)).toContain(patientUrl)
  const text = JSON.stringify(bundle)
  expect(text).toContain('image/png')
  expect(text).toContain(STORY.family)
})
