import { describe, expect, it } from 'vitest'
import { r4Terminology, Terminology, UnknownContent } from '../../src/fhir/terminology.js'
import type { Resource } from '../../src/fhir/types.js'

const CS = 'http://a.org/cs'
const animals: Resource = {
  resourceType: 'CodeSystem',
  url: CS,
  version: '2',
  content: 'complete',
  concept: [
    {
      code: 'animal',
      display: 'Animal',
      property: [{ code: 'notSelectable', valueBoolean: true }],
      concept: [
        { code: 'dog', display: 'Dog', property: [{ code: 'legs', valueInteger: 4 }], concept: [{ code: 'pug' }] },
        { code: 'hen', display: 'Hen', property: [{ code: 'legs', valueInteger: 2 }] },
      ],
    },
    {
      code: 'dodo',
      display: 'Dodo',
      property: [
        { code: 'inactive', valueBoolean: true },
        { code: 'parent', valueCode: 'animal' },
      ],
    },
  ],
}
const set = (name: string, compose: object): Resource => ({
  resourceType: 'ValueSet',
  url: `http://a.org/vs/${name}`,
  compose,
})
const filter = (property: string, op: string, value: string): object => ({
  include: [{ system: CS, filter: [{ property, op, value }] }],
})
const all = { include: [{ system: CS }] }

function terminology(...resources: Resource[]): Terminology {
  return new Terminology([animals, ...resources], r4Terminology())
}

describe('a value set', () => {
  it.each<[string, object, string[]]>([
    ['a whole code system', all, ['animal', 'dodo', 'dog', 'hen', 'pug']],
    ['codes by name', { include: [{ system: CS, concept: [{ code: 'hen' }] }] }, ['hen']],
    ['is-a', filter('concept', 'is-a', 'animal'), ['animal', 'dodo', 'dog', 'hen', 'pug']],
    ['descendent-of', filter('concept', 'descendent-of', 'dog'), ['pug']],
    ['is-not-a', filter('concept', 'is-not-a', 'dog'), ['animal', 'dodo', 'hen']],
    ['generalizes', filter('concept', 'generalizes', 'pug'), ['animal', 'dog', 'pug']],
    ['= of a property', filter('legs', '=', '4'), ['dog']],
    ['= of a parent', filter('parent', '=', 'animal'), ['dodo', 'dog', 'hen']],
    ['in', filter('code', 'in', 'dog, hen'), ['dog', 'hen']],
    ['not-in', filter('code', 'not-in', 'dog,hen,pug'), ['animal', 'dodo']],
    ['exists', filter('legs', 'exists', 'true'), ['dog', 'hen']],
    ['regex of the whole code', filter('code', 'regex', 'do.*'), ['dodo', 'dog']],
    ['exclude', { ...all, exclude: [{ system: CS, concept: [{ code: 'pug' }] }] }, ['animal', 'dodo', 'dog', 'hen']],
    [
      'the same of several sets',
      { include: [{ valueSet: ['http://a.org/vs/dogs', 'http://a.org/vs/legs'] }] },
      ['dog'],
    ],
  ])('of %s', (_, compose, codes) => {
    const terms = terminology(
      set('x', compose),
      set('dogs', filter('concept', 'is-a', 'dog')),
      set('legs', filter('legs', 'exists', 'true')),
    )
    const expansion = terms.expand('http://a.org/vs/x').map(({ code }) => code)
    expect([...expansion].sort()).toEqual(codes)
    // what is asked one by one is what is listed
    for (const { code } of terms.codeSystem(CS)?.all() ?? []) {
      expect(terms.holds('http://a.org/vs/x', { system: CS, code }), code).toBe(codes.includes(code) ? 'in' : 'out')
    }
    expect(terms.holds('http://a.org/vs/x', { system: 'http://b.org', code: codes[0] ?? '' })).toBe('out')
  })

  it('knows what cannot be used', () => {
    const members = terminology(set('x', all)).expand('http://a.org/vs/x')
    expect(members.filter(({ inactive }) => inactive).map(({ code }) => code)).toEqual(['dodo'])
    expect(members.filter(({ abstract }) => abstract).map(({ code }) => code)).toEqual(['animal'])
  })

  it('is unknown where it needs what is not here, and known where it does not', () => {
    const sct = 'http://snomed.info/sct'
    const terms = terminology(
      set('x', {
        include: [{ system: CS }, { system: sct, filter: [{ property: 'concept', op: 'is-a', value: '1' }] }],
      }),
      set('listed', { include: [{ system: sct, concept: [{ code: '1' }] }] }),
      set('odd', filter('code', 'regex', '(a+)+')),
      set('loop', { include: [{ valueSet: ['http://a.org/vs/loop'] }] }),
    )
    expect(terms.holds('http://a.org/vs/x', { system: CS, code: 'dog' })).toBe('in')
    expect(terms.holds('http://a.org/vs/x', { system: sct, code: '2' })).toBe('unknown')
    expect(terms.holds('http://a.org/vs/x', { system: CS, code: 'cat' })).toBe('out')
    expect(terms.holds('http://a.org/vs/listed', { system: sct, code: '1' })).toBe('in')
    expect(terms.holds('http://a.org/vs/listed', { system: sct, code: '2' })).toBe('out')
    expect(terms.holds('http://a.org/vs/none', { system: CS, code: 'dog' })).toBe('unknown')
    // a pattern that may take for ever, and a set that includes itself
    expect(terms.holds('http://a.org/vs/odd', { system: CS, code: 'dog' })).toBe('unknown')
    expect(terms.holds('http://a.org/vs/loop', { system: CS, code: 'dog' })).toBe('unknown')
    for (const name of ['x', 'none', 'odd', 'loop']) {
      expect(() => terms.expand(`http://a.org/vs/${name}`), name).toThrow(UnknownContent)
    }
  })

  it('costs a bounded amount, however sets include each other', () => {
    const many = Array.from({ length: 30 }, (_, i) =>
      set(String(i), { include: [1, 2, 3].map(() => ({ valueSet: [`http://a.org/vs/${i + 1}`] })) }),
    )
    const terms = terminology(...many, set('30', all))
    expect(terms.holds('http://a.org/vs/0', { system: CS, code: 'cat' })).toBe('unknown')
    expect(() => terms.expand('http://a.org/vs/0')).toThrow(UnknownContent)
  })

  it('may be the one that a code system names for all of its codes', () => {
    const terms = new Terminology([{ ...animals, valueSet: 'http://a.org/vs/all' }])
    expect(terms.holds('http://a.org/vs/all', { system: CS, code: 'pug' })).toBe('in')
  })
})

describe('a code system', () => {
  it('knows what subsumes what', () => {
    const system = terminology().codeSystem(CS)
    expect(system?.subsumption('animal', 'pug')).toBe('subsumes')
    expect(system?.subsumption('pug', 'animal')).toBe('subsumed-by')
    expect(system?.subsumption('dog', 'dog')).toBe('equivalent')
    expect(system?.subsumption('dog', 'dodo')).toBe('not-subsumed')
    expect(system?.subsumption('dog', 'cat')).toBeUndefined()
    const codes = (found: readonly { code: string }[]): string[] => found.map(({ code }) => code).sort()
    expect(codes(terminology().subsumed(CS, 'dog'))).toEqual(['dog', 'pug'])
    expect(codes(terminology().subsuming(CS, 'pug'))).toEqual(['animal', 'dog', 'pug'])
    expect(codes(terminology().subsumed(CS, 'cat'))).toEqual(['cat'])
    expect(() => terminology().subsumed('http://snomed.info/sct', '1')).toThrow(UnknownContent)
  })

  it('in a circle, or with codes of no case, is read all the same', () => {
    const circle: Resource = {
      resourceType: 'CodeSystem',
      url: 'http://a.org/circle',
      content: 'complete',
      caseSensitive: false,
      concept: [
        { code: 'A', property: [{ code: 'parent', valueCode: 'b' }] },
        { code: 'B', property: [{ code: 'parent', valueCode: 'a' }] },
      ],
    }
    const system = new Terminology([circle]).codeSystem('http://a.org/circle')
    expect(system?.subsumption('a', 'B')).toBe('subsumes')
    expect(system?.get('b')?.code).toBe('B')
  })
})

describe("R4's own", () => {
  it.each([
    ['http://hl7.org/fhir/ValueSet/administrative-gender', 'male', 'in'],
    ['http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1', 'man', 'out'],
    ['http://terminology.hl7.org/ValueSet/v3-PurposeOfUse', 'TREAT', 'in'],
    ['http://hl7.org/fhir/ValueSet/observation-codes', '1234-5', 'unknown'],
  ])('%s: %s is %s', (url, code, answer) => expect(r4Terminology().holds(url, { code })).toBe(answer))

  it('has the hierarchies of v3', () => {
    const system = r4Terminology().codeSystem('http://terminology.hl7.org/CodeSystem/v3-ActCode')
    expect(system?.subsumption('_ActEncounterCode', 'AMB')).toBe('subsumes')
  })
})
