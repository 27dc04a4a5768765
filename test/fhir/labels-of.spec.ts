import { describe, expect, it } from 'vitest'
import { labelsOf } from '../../src/fhir/labels-of.js'

const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
const CONF = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality'

function labels(...security: object[]): string[] {
  return labelsOf({ resourceType: 'Condition', meta: { security } })
}

describe('labelsOf', () => {
  it('finds nothing where nothing is said', () => {
    expect(labelsOf({ resourceType: 'Condition' })).toEqual([])
    expect(labels()).toEqual([])
    expect(labels({ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HTEST' })).toEqual([])
  })

  it('takes every sensitivity class once, known or not', () => {
    expect(labels({ system: ACT, code: 'HIV' }, { system: ACT, code: 'PSY' }, { system: ACT, code: 'HIV' })).toEqual([
      'HIV',
      'PSY',
    ])
    expect(labels({ system: ACT, code: 'NEWCLASS' })).toEqual(['NEWCLASS'])
    expect(labels({ system: 'urn:oid:2.16.840.1.113883.5.4', code: 'SUD' })).toEqual(['SUD'])
  })

  it('takes those of the entries of a Bundle, whatever it says of itself', () => {
    const entry = [
      { resource: { resourceType: 'Condition', meta: { security: [{ system: ACT, code: 'HIV' }] } } },
      {
        resource: {
          resourceType: 'Bundle',
          entry: [{ resource: { resourceType: 'Basic', meta: { security: [{ system: ACT, code: 'PSY' }] } } }],
        },
      },
      { fullUrl: 'urn:uuid:1' },
    ]
    expect(labelsOf({ resourceType: 'Bundle', entry })).toEqual(['HIV', 'PSY'])
    expect(labelsOf({ resourceType: 'Bundle', entry, meta: { security: [{ system: ACT, code: 'SUD' }] } })).toEqual([
      'HIV',
      'PSY',
      'SUD',
    ])
  })

  it('takes those of whatever else a Bundle holds: outcomes, and what stands in Parameters', () => {
    const labelled = { resourceType: 'Basic', meta: { security: [{ system: ACT, code: 'HIV' }] } }
    const parameters = {
      resourceType: 'Parameters',
      parameter: [{ name: 'a', part: [{ name: 'b', resource: labelled }] }],
    }
    for (const entry of [
      [{ resource: parameters }],
      [{ response: { status: '200', outcome: labelled } }],
      [{ resource: { resourceType: 'Bundle', entry: [{ resource: parameters }] } }],
    ]) {
      expect(labelsOf({ resourceType: 'Bundle', entry })).toEqual(['HIV'])
    }
  })

  it('leaves out handling instructions, which are no class', () => {
    expect(labels({ system: ACT, code: 'NORDSCLCD' }, { system: ACT, code: 'PERSISTLABEL' })).toEqual([])
  })

  it('reads laws that protect a class as that class', () => {
    expect(labels({ system: ACT, code: '42CFRPart2' })).toEqual(['SUD'])
  })

  it('takes restricted and very restricted, not the lower confidentialities', () => {
    expect(labels({ system: CONF, code: 'R' })).toEqual(['R'])
    expect(labels({ system: CONF, code: 'V' })).toEqual(['V'])
    expect(labels({ system: CONF, code: 'N' }, { system: CONF, code: 'L' })).toEqual([])
  })

  it('counts a coding without system, because leaving it out would disclose', () => {
    expect(labels({ code: 'HIV' })).toEqual(['HIV'])
    expect(labels({ code: 'N' })).toEqual([])
  })

  it('gives the whole record the labels of its elements when these are labelled inline', () => {
    const extension = [
      {
        url: 'http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label',
        valueCoding: { system: ACT, code: 'ETH' },
      },
    ]
    const note = [{ text: 'x', extension }]
    expect(labelsOf({ resourceType: 'Condition', note })).toEqual([])
    const meta = { security: [{ system: ACT, code: 'PROCESSINLINELABEL' }] }
    expect(labelsOf({ resourceType: 'Condition', meta, note })).toEqual(['ETH'])
  })

  it.each([null, 'x', [null], [{}], [{ system: ACT }]])('reads a malformed list %j as far as it goes', (security) => {
    expect(labelsOf({ resourceType: 'Condition', meta: { security } as never })).toEqual([])
  })
})
