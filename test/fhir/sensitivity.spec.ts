import { describe, expect, it } from 'vitest'
import { labelsOf } from '../../src/fhir/labels-of.js'
import { ownDefinitions } from '../../src/fhir/profiles.js'
import { IMPLIED_LABEL, LABEL_BASIS, Sensitivity } from '../../src/fhir/sensitivity.js'
import type { Resource } from '../../src/fhir/types.js'

const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
const ICD = 'http://hl7.org/fhir/sid/icd-10-cm'
const SCT = 'http://snomed.info/sct'
const own = new Sensitivity(ownDefinitions())

const condition = (code: string, more: object = {}, system = ICD): Resource => ({
  resourceType: 'Condition',
  code: { coding: [{ system, code }] },
  ...more,
})
const labels = (resource: Resource, by = own): string[] => labelsOf(by.labelled(resource))
const valueSet = (label: string, compose: object, url = 'urn:site:set'): Resource => ({
  resourceType: 'ValueSet',
  url,
  extension: [{ url: IMPLIED_LABEL, valueCode: label }],
  compose,
})

describe('a record', () => {
  it.each([
    ['B20', ['HIV']],
    ['Z21', ['HIV']],
    ['F11.20', ['OPIOIDUD']],
    ['F10.10', ['ETHUD']],
    ['F14.1', ['SUD']],
    ['F17.210', []],
    ['F32.1', ['PSY']],
    ['A53.9', ['STD']],
    ['D57.1', ['SICKLE']],
    ['G30.9', ['COGN']],
    ['T74.21XA', ['SDV']],
    ['Z30.011', ['SEX']],
    ['Q90.9', ['GDIS']],
    ['J45.909', []],
    ['B2', []],
    ['XB20', []],
    ['b20', []],
  ])('of the code %s has the labels %j', (code, expected) => {
    expect(labels(condition(code))).toEqual(expected)
    expect(labels(condition(code, {}, 'http://hl7.org/fhir/sid/icd-10'))).toEqual(expected)
    expect(labels(condition(code, {}, 'urn:another'))).toEqual([])
    // As CDA names them.
    for (const oid of ['90', '3'])
      expect(labels(condition(code, {}, `urn:oid:2.16.840.1.113883.6.${oid}`))).toEqual(expected)
  })

  it('has the labels of a set that names its system by OID', () => {
    const compose = { include: [{ system: 'urn:oid:2.16.840.1.113883.6.96', concept: [{ code: '86406008' }] }] }
    const site = new Sensitivity([valueSet('HIV', compose)])
    expect(labels(condition('86406008', {}, SCT), site)).toEqual(['HIV'])
  })

  it('says by which set, and keeps what somebody said', () => {
    const security = [
      { system: ACT, code: 'PSY' },
      { system: ACT, code: 'HIV' },
    ]
    const meta = { security, tag: [{ code: 'x' }] }
    expect(own.labelled(condition('F32.1', { meta })).meta).toEqual(meta)
    const basis = 'https://consentry.health/fhir/ValueSet/sensitivity-hiv|0.1.0'
    expect(own.labelled(condition('B20')).meta).toEqual({
      security: [{ extension: [{ url: LABEL_BASIS, valueCanonical: basis }], system: ACT, code: 'HIV' }],
    })
    expect(own.labelled(condition('J45.909'))).not.toHaveProperty('meta')
  })

  it('has them for a code anywhere inside, but in its own labels and tags', () => {
    const coding = [{ system: ICD, code: 'B20' }]
    for (const resource of [
      { resourceType: 'Encounter', reasonCode: [{ coding }] },
      { resourceType: 'Encounter', contained: [{ resourceType: 'Condition', code: { coding } }] },
      { resourceType: 'Encounter', extension: [{ url: 'urn:x', valueCoding: coding[0] }] },
      { resourceType: 'Bundle', entry: [{ resource: { resourceType: 'Condition', code: { coding } } }] },
      { resourceType: 'Consent', provision: { code: [{ coding }] } },
    ]) {
      expect(labels(resource), resource.resourceType).toEqual(['HIV'])
    }
    expect(labels({ resourceType: 'Basic', meta: { tag: coding, security: coding } })).toEqual([])
  })

  it('gets them anew at every write: what was given by a set goes with its code or its set', () => {
    const labelled = own.labelled(condition('B20', { meta: { security: [{ system: ACT, code: 'SUD' }] } }))
    expect(labelsOf(labelled)).toEqual(['SUD', 'HIV'])
    expect(own.labelled(labelled)).toEqual(labelled)
    const recoded = { ...labelled, code: { coding: [{ system: ICD, code: 'F32.1' }] } }
    expect(labels(recoded)).toEqual(['SUD', 'PSY'])
    expect(labels(labelled, new Sensitivity([]))).toEqual(['SUD'])
    const only = own.labelled(condition('B20', { meta: { source: 'urn:s' } }))
    expect(new Sensitivity([]).labelled(only).meta).toEqual({ source: 'urn:s' })
  })

  it('is the same object where nothing is to be done', () => {
    const plain = condition('J45.909', { meta: { security: [{ system: ACT, code: 'ETH' }] } })
    expect(own.labelled(plain)).toBe(plain)
  })
})

describe('a site', () => {
  it('adds sets of its own, and replaces ours by their url', () => {
    const snomed = valueSet('HIV', { include: [{ system: SCT, concept: [{ code: '86406008' }] }] })
    const site = new Sensitivity([...ownDefinitions(), snomed])
    expect(labels(condition('86406008', {}, SCT), site)).toEqual(['HIV'])
    expect(labels(condition('B20'), site)).toEqual(['HIV'])
    expect(labels(condition('195967001', {}, SCT), site)).toEqual([])
    const hiv = 'https://consentry.health/fhir/ValueSet/sensitivity-hiv'
    const narrower = valueSet('HIV', { include: [{ system: ICD, concept: [{ code: 'B20' }] }] }, hiv)
    const replaced = new Sensitivity([...ownDefinitions(), narrower])
    expect([labels(condition('B20'), replaced), labels(condition('Z21'), replaced)]).toEqual([['HIV'], []])
  })

  it.each<[string, object]>([
    ['no system', { include: [{ concept: [{ code: 'x' }] }] }],
    ['another value set', { include: [{ system: ICD, concept: [{ code: 'x' }], valueSet: ['urn:other'] }] }],
    ['a whole system', { include: [{ system: ICD }] }],
    ['a hierarchy', { include: [{ system: SCT, filter: [{ property: 'concept', op: 'is-a', value: '1' }] }] }],
    ['a pattern that is none', { include: [{ system: ICD, filter: [{ property: 'code', op: 'regex', value: '(' }] }] }],
    [
      'an exclusion of a hierarchy',
      {
        include: [{ system: ICD, concept: [{ code: 'x' }] }],
        exclude: [{ system: ICD, filter: [{ property: 'concept', op: 'is-a', value: '1' }] }],
      },
    ],
  ])('is told that a set with %s implies nothing', (_, compose) => {
    expect(() => new Sensitivity([valueSet('HIV', compose)])).toThrowError(/urn:site:set.*implies a label/)
  })
})
