import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { operationOutcome, outcomeOf } from '../../src/fhir/operation-outcome.js'
import { validate } from '../../src/fhir/validate.js'

describe('operationOutcome', () => {
  it('is a valid resource that tells each issue in both places where clients look', () => {
    const { issues } = validate({ resourceType: 'Patient', gender: 'x', foo: 1 })
    const outcome = operationOutcome(issues)
    expect(validate(outcome).issues).toEqual([])
    expect(outcome['issue']).toEqual([
      expect.objectContaining({ severity: 'error', code: 'code-invalid', expression: ['Patient.gender'] }),
      expect.objectContaining({ severity: 'error', code: 'structure', expression: ['Patient.foo'] }),
    ])
    for (const issue of outcome['issue'] as { details: { text: string }; diagnostics: string }[]) {
      expect(issue.details.text).toBe(issue.diagnostics)
    }
  })

  it('is never without an issue, which R4 would refuse', () => {
    expect(operationOutcome([])['issue']).toMatchObject([{ severity: 'information', code: 'informational' }])
    expect(validate(operationOutcome([])).issues).toEqual([])
  })

  it('is made of the issues of an error', () => {
    const outcome = outcomeOf(new ConsentryError('not-found', 'Nothing is here.', { expression: [] }))
    expect(outcome['issue']).toEqual([
      { severity: 'error', code: 'not-found', details: { text: 'Nothing is here.' }, diagnostics: 'Nothing is here.' },
    ])
  })
})
