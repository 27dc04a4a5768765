import { describe, expect, it } from 'vitest'
import { parseJson, stringify } from '../../src/fhir/json.js'
import { parseReference, referencesOf, rewriteReferences } from '../../src/fhir/references.js'
import type { Resource } from '../../src/fhir/types.js'
import { exampleNames, readExample } from '../support/r4-package.js'

const UUID = 'urn:uuid:c757873d-ec9a-4326-a141-556f43239520'

describe('parseReference', () => {
  it.each([
    ['Patient/1', { kind: 'relative', type: 'Patient', id: '1' }],
    ['Patient/1/_history/2', { kind: 'relative', type: 'Patient', id: '1', version: '2' }],
    ['http://a.org/fhir/Patient/1', { kind: 'absolute', base: 'http://a.org/fhir', type: 'Patient', id: '1' }],
    [
      'https://a.org/Patient/1/_history/2',
      { kind: 'absolute', base: 'https://a.org', type: 'Patient', id: '1', version: '2' },
    ],
    [UUID, { kind: 'urn', urn: UUID }],
    ['#a', { kind: 'contained', id: 'a' }],
    ['#', { kind: 'contained', id: '' }],
    ['Patient?identifier=http://x|1', { kind: 'conditional', type: 'Patient', query: 'identifier=http://x|1' }],
    ['http://a.org/x', { kind: 'url', url: 'http://a.org/x' }],
    ['http://a.org/Patients/1', { kind: 'url', url: 'http://a.org/Patients/1' }],
    ['Patients/1', { kind: 'malformed' }],
    ['Patient/a_b', { kind: 'malformed' }],
    ['Patients?x=1', { kind: 'malformed' }],
    ['', { kind: 'malformed' }],
  ])('%s', (text, parsed) => expect(parseReference(text)).toEqual(parsed))
})

describe('referencesOf', () => {
  it('finds references at every depth, with their places', () => {
    const resource = {
      resourceType: 'Bundle',
      type: 'collection',
      entry: [
        {
          resource: {
            resourceType: 'Observation',
            contained: [{ resourceType: 'Specimen', id: 's', subject: { reference: 'Patient/2' } }],
            subject: { reference: 'Patient/1', identifier: { assigner: { display: 'x' } } },
            valueCodeableConcept: { extension: [{ url: 'http://a.org', valueReference: { reference: 'Device/1' } }] },
            _status: { extension: [{ url: 'http://a.org', valueReference: { reference: 'Device/2' } }] },
            specimen: { reference: '#s' },
          },
        },
      ],
    }
    const at = 'entry[0].resource'
    expect(
      Object.fromEntries(referencesOf(resource).map(({ path, reference }) => [path, reference.reference])),
    ).toEqual({
      [`${at}.contained[0].subject`]: 'Patient/2',
      [`${at}.subject`]: 'Patient/1',
      [`${at}.subject.identifier.assigner`]: undefined,
      [`${at}.valueCodeableConcept.extension[0].valueReference`]: 'Device/1',
      [`${at}._status.extension[0].valueReference`]: 'Device/2',
      [`${at}.specimen`]: '#s',
    })
  })

  it('finds whatever is written as "reference" in the official examples, but the URIs of that name', () => {
    for (const name of exampleNames(2)) {
      const resource = readExample(name)
      const written = stringify(resource).match(/"reference":"/g)?.length ?? 0
      const uris = stringify(resource).match(/"language":"[^"]*","reference":"/g)?.length ?? 0
      const found = referencesOf(resource).filter(({ reference }) => typeof reference.reference === 'string')
      expect(found.length, name).toBe(written - uris)
    }
  })
})

describe('rewriteReferences', () => {
  const resource: Resource = {
    resourceType: 'DocumentReference',
    identifier: [{ system: 'urn:ietf:rfc:3986', value: UUID }],
    description: UUID,
    subject: { reference: UUID, display: UUID },
    content: [{ attachment: { url: UUID, title: UUID } }],
    text: { status: 'generated', div: `<div><a href="${UUID}">${UUID}</a><img alt='x' src='${UUID}'/></div>` },
    meta: { source: UUID, profile: [UUID] },
  }
  const rewritten = rewriteReferences(resource, (text) => (text === UUID ? 'Patient/1' : undefined))

  it('replaces references, URIs and links, and no other text', () => {
    expect(rewritten).toEqual({
      ...resource,
      subject: { reference: 'Patient/1', display: UUID },
      content: [{ attachment: { url: 'Patient/1', title: UUID } }],
      text: { status: 'generated', div: `<div><a href="Patient/1">${UUID}</a><img alt='x' src="Patient/1"/></div>` },
      meta: { source: 'Patient/1', profile: [UUID] },
    })
  })

  it('shares what did not change and leaves the argument alone', () => {
    expect(rewritten).not.toBe(resource)
    expect(rewritten['identifier']).toBe(resource['identifier'])
    expect((resource['subject'] as { reference: string }).reference).toBe(UUID)
    expect(rewriteReferences(resource, () => undefined)).toBe(resource)
  })

  it('tells what kind of text it asks about', () => {
    const kinds = new Set<string>()
    rewriteReferences(resource, (_, kind) => void kinds.add(kind))
    expect([...kinds].sort()).toEqual(['link', 'reference', 'uri'])
  })

  it('can be undone on every official example, decimals included', () => {
    for (const name of exampleNames(2)) {
      const example = readExample(name)
      const before = stringify(example)
      expect(rewriteReferences(example, () => undefined)).toBe(example)
      const marked = rewriteReferences(example, (text) => `${text}&1`)
      const restored = rewriteReferences(marked, (text) => text.slice(0, -2))
      expect(stringify(restored), name).toBe(before)
      expect(stringify(example)).toBe(before)
    }
  })

  it('passes exact numbers on', () => {
    const claim = parseJson(
      `{"resourceType":"Claim","total":{"value":1.50},"patient":{"reference":"${UUID}"}}`,
    ) as unknown as Resource
    expect(stringify(rewriteReferences(claim, () => 'Patient/1'))).toBe(
      '{"resourceType":"Claim","total":{"value":1.50},"patient":{"reference":"Patient/1"}}',
    )
  })
})
