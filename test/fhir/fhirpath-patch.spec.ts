import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import type { JsonObject } from '../../src/fhir/json.js'
import { applyFhirPathPatch } from '../../src/fhir/patch/fhirpath-patch.js'
import { parseXml } from '../../src/fhir/xml.js'
import { hasSharedData, readSharedBytes } from '../support/shared-data.js'

interface Case {
  readonly name: string
  readonly input: JsonObject
  readonly diff: JsonObject
  readonly output: JsonObject
}

/** The suite holds resources in a namespace prefix inside elements of its own. */
function readCases(): Case[] {
  const text = Buffer.from(readSharedBytes('patch', 'fhir-patch-tests.xml')).toString('utf8')
  return [...text.matchAll(/<case name="([^"]*)".*?<\/case>/gs)].map(([body, name = '']) => {
    const part = (tag: string) => {
      const xml = new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(body)?.[1] ?? ''
      return parseXml(xml.trim().replace(/^<f:(\w+)/, '<f:$1 xmlns:f="http://hl7.org/fhir"'))
    }
    return { name, input: part('input'), diff: part('diff'), output: part('output') }
  })
}

describe.skipIf(!hasSharedData)('FHIRPath Patch cases of FHIR (../shared/data is needed)', () => {
  const cases = hasSharedData ? readCases() : []
  it('are there', () => expect(cases.length).toBe(18))
  it.each(cases.map((c) => [c.name, c] as const))('%s', (_, { input, diff, output }) => {
    expect(applyFhirPathPatch(input, diff)).toEqual(output)
  })
})

const patient = (): JsonObject => ({
  resourceType: 'Patient',
  id: 'p',
  name: [
    { family: 'A', given: ['x', 'y'], _given: [null, { id: 'g' }] },
    { use: 'official', family: 'B' },
  ],
  deceasedBoolean: false,
  extension: [{ url: 'http://example.org/e', valueString: 's' }],
})
const operation = (type: string, path: string, ...parts: object[]) => ({
  resourceType: 'Parameters',
  parameter: [
    {
      name: 'operation',
      part: [{ name: 'type', valueCode: type }, { name: 'path', valueString: path }, ...parts],
    },
  ],
})
const value = (what: object) => ({ name: 'value', ...what })
const named = (name: string) => ({ name: 'name', valueString: name })
const at = (index: number, name = 'index') => ({ name, valueInteger: index })
const patched = (type: string, path: string, ...parts: object[]) =>
  applyFhirPathPatch(patient(), operation(type, path, ...parts) as JsonObject)

describe('applyFhirPathPatch', () => {
  it('finds elements by conditions, choices and extensions', () => {
    expect(
      patched('replace', "Patient.name.where(use = 'official').family", value({ valueString: 'C' }))['name'],
    ).toEqual([patient()['name'] && (patient()['name'] as object[])[0], { use: 'official', family: 'C' }])
    const changed = patched('replace', 'Patient.deceased', value({ valueDateTime: '2020' }))
    expect(changed).toMatchObject({ deceasedDateTime: '2020' })
    expect(changed).not.toHaveProperty('deceasedBoolean')
    expect(
      patched('replace', "Patient.extension('http://example.org/e').value", value({ valueString: 't' }))['extension'],
    ).toEqual([{ url: 'http://example.org/e', valueString: 't' }])
  })

  it('keeps the two lists of a primitive in step', () => {
    const names = (resource: JsonObject) => (resource['name'] as JsonObject[])[0]
    expect(names(patched('delete', 'Patient.name[0].given[0]'))).toEqual({
      family: 'A',
      given: ['y'],
      _given: [{ id: 'g' }],
    })
    expect(names(patched('insert', 'Patient.name[0].given', at(1), value({ valueString: 'z' })))).toEqual({
      family: 'A',
      given: ['x', 'z', 'y'],
      _given: [null, null, { id: 'g' }],
    })
    expect(names(patched('move', 'Patient.name[0].given', at(0, 'source'), at(1, 'destination')))).toEqual({
      family: 'A',
      given: ['y', 'x'],
      _given: [{ id: 'g' }, null],
    })
  })

  it('adds choices by their name without the type, and types without a name from parts', () => {
    const added = patched('add', 'Patient', named('multipleBirth'), value({ valueInteger: 2 }))
    expect(added).toMatchObject({ multipleBirthInteger: 2 })
    const contact = value({
      part: [
        { name: 'relationship', valueCodeableConcept: { text: 'r' } },
        { name: 'gender', valueCode: 'male' },
      ],
    })
    expect(patched('add', 'Patient', named('contact'), contact)).toMatchObject({
      contact: [{ relationship: [{ text: 'r' }], gender: 'male' }],
    })
  })

  it('deletes nothing where there is nothing, and never the resource', () => {
    expect(patched('delete', 'Patient.birthDate')).toEqual(patient())
    expect(() => patched('delete', 'Patient')).toThrow(/resource itself/)
  })

  it.each<[string, string, object[], string, RegExp]>([
    ['an unknown type', 'upsert', [], 'malformed', /add, insert/],
    ['no FHIRPath', 'delete:Patient..', [], 'malformed', /not FHIRPath/],
    ['a function without bound', 'delete:Patient.descendants()', [], 'malformed', /functions/],
    ['a regular expression', "delete:Patient.name.where(family.matches('(a+)+b'))", [], 'malformed', /functions/],
    ['a union', 'delete:Patient.name[0] | Patient.name[1]', [], 'malformed', /unions/],
    ['a variable', 'delete:%resource.name[0]', [], 'malformed', /variables/],
    ['a bracket that closes ours', 'delete:Patient.name).where((true', [], 'malformed', /not FHIRPath/],
    [
      'a comment that swallows ours',
      'replace:Patient.birthDate //',
      [value({ valueDate: '2020' })],
      'invalid',
      /selects nothing/,
    ],
    ['a computed value', "delete:'a' + 'b'", [], 'malformed', /cannot be evaluated/],
    ['several', 'replace:Patient.name', [value({ valueString: 'x' })], 'invalid', /several/],
    ['nothing to replace', 'replace:Patient.gender', [value({ valueCode: 'male' })], 'invalid', /selects nothing/],
    [
      'an element that the type lacks',
      'add:Patient',
      [named('nickname'), value({ valueString: 'x' })],
      'invalid',
      /no element/,
    ],
    [
      'a second of what does not repeat',
      'add:Patient.name[1]',
      [named('family'), value({ valueString: 'x' })],
      'invalid',
      /already/,
    ],
    ['a place beyond the end', 'insert:Patient.name', [at(5), value({ valueHumanName: {} })], 'invalid', /no place 5/],
    ['a move beyond the end', 'move:Patient.name', [at(0, 'source'), at(2, 'destination')], 'invalid', /2 elements/],
    ['no value', 'replace:Patient.name[0]', [], 'malformed', /part value/],
  ])('refuses %s', (_, what, parts, kind, message) => {
    const [type = '', path = 'Patient'] = what.split(/:(.*)/s)
    let thrown: unknown
    try {
      patched(type, path, ...parts)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(ConsentryError)
    expect([(thrown as ConsentryError).kind, (thrown as ConsentryError).message]).toEqual([
      kind,
      expect.stringMatching(message),
    ])
  })

  it('changes nothing of what it was given', () => {
    const given = patient()
    applyFhirPathPatch(given, operation('delete', 'Patient.name[0]') as JsonObject)
    expect(given).toEqual(patient())
  })

  it('is bounded in what all operations take together', () => {
    const many = (count: number, path: string) => ({
      resourceType: 'Parameters',
      parameter: Array.from({ length: count }, () => operation('delete', path).parameter[0]),
    })
    const large = { ...patient(), name: Array.from({ length: 3000 }, () => ({ family: 'x' })) } as JsonObject
    expect(() => applyFhirPathPatch(large, many(20, 'Patient.gender') as unknown as JsonObject)).toThrow(
      /too much at once/,
    )
    const long = `Patient.name.where(${'use = 1 or '.repeat(70)}false)`
    expect(() => applyFhirPathPatch(patient(), many(300, long) as unknown as JsonObject)).toThrow(/too much at once/)
    expect(() => applyFhirPathPatch(patient(), many(100, 'Patient.gender') as unknown as JsonObject)).not.toThrow()
  })
})
