import { describe, expect, it } from 'vitest'
import { readBusinessClaim } from '../../src/auth/b2b.js'

const read = (claim: unknown) => readBusinessClaim({ extensions: { 'hl7-b2b': claim } })

describe('the hl7-b2b extension', () => {
  it('may be absent', () => {
    expect(readBusinessClaim({})).toBeUndefined()
    expect(readBusinessClaim({ extensions: { other: 1 } })).toBeUndefined()
  })

  it('gives purposes by code, each once, and who asks', () => {
    expect(
      read({
        version: '1',
        subject_name: 'A Person',
        organization_id: 'https://x.example',
        purpose_of_use: [
          'urn:oid:2.16.840.1.113883.5.8#TREAT',
          'http://terminology.hl7.org/CodeSystem/v3-ActReason#ETREAT',
          'HRESCH',
          'TREAT',
        ],
        consent_policy: ['ignored'],
      }),
    ).toEqual({ purposes: ['TREAT', 'ETREAT', 'HRESCH'], subjectName: 'A Person', organizationId: 'https://x.example' })
  })

  it.each([
    ['text', /object/],
    [{}, /version/],
    [{ version: '1', purpose_of_use: 'TREAT' }, /list/],
    [{ version: '1', purpose_of_use: ['http://elsewhere#TREAT'] }, /codes like/],
    [{ version: '1', purpose_of_use: [1] }, /codes like/],
    [{ version: '1', purpose_of_use: Array(17).fill('TREAT') }, /list/],
    [{ version: '1', subject_id: 7 }, /subject_id/],
    [{ version: '1', subject_id: 'x'.repeat(300) }, /short/],
  ])('%j is refused', (claim, words) => {
    expect(read(claim)).toMatch(words)
  })

  it('is refused when extensions is no object', () => {
    expect(readBusinessClaim({ extensions: [] })).toMatch(/object/)
  })
})
