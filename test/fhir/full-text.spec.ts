import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { indexForms, indexValues, useFullText } from '../../src/fhir/search-parameters.js'
import { parseSearch, servedCodes } from '../../src/fhir/search-query.js'
import { matches, subjectOf } from '../../src/fhir/search/matches.js'
import type { ValidResource } from '../../src/fhir/types.js'

const div = (inside: string) => `<div xmlns="http://www.w3.org/1999/xhtml">${inside}</div>`
const condition = {
  resourceType: 'Condition' as const,
  id: 'c',
  text: {
    status: 'generated',
    div: div('<p class="a &gt; b" title="hidden">Métastases of the <b>bone</b> &amp; X-ray of 2024</p>'),
  },
  code: { text: 'Secondary malignant neoplasm', coding: [{ code: '94222008', display: 'Spread' }] },
  onsetAge: { value: 61.5, unit: 'years' },
}
const found = (name: string, text: string) => matches(subjectOf(condition), parseSearch('Condition', [[name, text]]))

afterEach(() => useFullText('none', { pending: false }))

describe('_text and _content', () => {
  beforeEach(() => useFullText('content', { pending: false }))

  it.each([
    ['_text', 'metastases', true],
    ['_text', 'METASTASES bone', true],
    ['_text', 'bone and metastases', true],
    ['_text', '(bone OR liver) and metastases', true],
    ['_text', 'liver or (metastases and not bone)', false],
    ['_text', 'liver or metastases and not bone', false],
    ['_text', 'metastases or liver and lung', true],
    ['_text', 'not liver', true],
    ['_text', 'not (liver or bone)', false],
    ['_text', 'x-ray', true],
    ['_text', 'liver,bone', true],
    ['_text', 'metastas', false],
    // neither tags nor attributes nor other elements
    ['_text', 'hidden', false],
    ['_text', 'class', false],
    ['_text', 'neoplasm', false],
    ['_content', 'neoplasm and bone and spread', true],
    ['_content', '94222008', true],
    ['_content', '61.5 years', true],
    ['_content', 'generated', true],
    ['_content', 'coding', false],
  ])('%s=%s: %s', (name, text, expected) => {
    expect(found(name, text)).toBe(expected)
  })

  it.each([
    ['(bone', 'not closed'],
    ['bone)', 'nothing opens'],
    ['bone or', 'needs a word'],
    ['and bone', 'needs a word'],
    ['not', 'needs a word'],
    ['"bone marrow"', 'phrases and wildcards'],
    ['bon*', 'phrases and wildcards'],
    ['--', 'punctuation'],
    [`${'('.repeat(21)}bone${')'.repeat(21)}`, 'parentheses inside'],
    [`${'not '.repeat(22)}bone`, 'times not'],
    ['word '.repeat(2_001), 'allowed number of values'],
  ])('of %s is refused with what would be right', (text, word) => {
    expect(() => parseSearch('Condition', [['_text', text]])).toThrow(word)
  })

  it('has no modifier but :missing, no order, and no operator of _filter', () => {
    expect(() => parseSearch('Condition', [['_text:exact', 'bone']])).toThrow('has no modifier :exact')
    expect(matches(subjectOf(condition), parseSearch('Condition', [['_text:missing', 'false']]))).toBe(true)
    expect(() => parseSearch('Condition', [['_sort', '_text']])).toThrow('cannot sort')
    expect(() => parseSearch('Condition', [['_filter', '_text co bone']])).toThrow('beside _filter')
  })

  it('is asked through a chain too', () => {
    const [clause] = parseSearch('Observation', [['subject:Patient._text', 'bone liver']]).clauses
    expect(clause).toMatchObject({ is: 'chain', targets: [{ type: 'Patient', clause: { is: 'all' } }] })
  })

  it('has a limited number of words, and none that is endless', () => {
    const words = (text: string) => {
      const value = indexValues({
        ...condition,
        text: { status: 'generated', div: div(text) },
      } as unknown as ValidResource)
        .filter(({ param }) => param === '_text')
        .at(0)
      return value?.kind === 'token' ? (value.words ?? []) : []
    }
    expect(words(Array.from({ length: 7_000 }, (_, i) => `w${i}`).join(' '))).toHaveLength(5_000)
    expect(words(`short ${'x'.repeat(65)}`)).toEqual(['short'])
    // one that is never closed is no tag, and takes no time
    expect(words(`${'<'.repeat(50_000)} end`)).toContain('end')
  })
})

describe('a site without an index of words', () => {
  it.each([
    ['none', '_text', 'FULL_TEXT_INDEX=narrative'],
    ['none', '_content', 'FULL_TEXT_INDEX=content'],
    ['narrative', '_content', 'FULL_TEXT_INDEX=content'],
  ] as const)('that has %s refuses %s and says what would serve it', (level, name, setting) => {
    useFullText(level, { pending: false })
    expect(() => parseSearch('Condition', [[name, 'bone']])).toThrow(setting)
    expect(servedCodes('Condition')).not.toContain(name)
    const indexed = indexValues(condition as unknown as ValidResource)
    expect(indexed.some(({ param }) => param === name)).toBe(false)
  })

  it('that comes to want one indexes all types anew but AuditEvents, and refuses meanwhile', () => {
    const before = indexForms(() => 1)
    useFullText('narrative', { pending: true })
    const after = indexForms(() => 1)
    expect(after['Condition']).not.toBe(before['Condition'])
    expect(after['AuditEvent']).toBe(before['AuditEvent'])
    expect(() => parseSearch('Condition', [['_text', 'bone']])).toThrow('is being indexed')
    expect(indexValues(condition as unknown as ValidResource).some(({ param }) => param === '_text')).toBe(true)
    useFullText('narrative', { pending: false })
    expect(servedCodes('Condition')).toContain('_text')
    expect(servedCodes('AuditEvent')).not.toContain('_text')
    // a resource without a narrative element
    expect(servedCodes('Binary')).not.toContain('_text')
  })
})
