import { describe, expect, it } from 'vitest'
import { BlindIndex } from '../../src/records/blind-index.js'
import { joined } from '../../src/records/entry-lists.js'
import { LONGEST_PART, LONGEST_PREFIX } from '../../src/records/string-parts.js'
import type { IndexValue } from '../../src/records/search-query.js'

const index = new BlindIndex(new Uint8Array(32).fill(1))
const tokens = (value: IndexValue, type = 'Patient') => index.entries(type, [value]).tokens

describe('blind index', () => {
  it('binds a token to key, type, parameter and kind', () => {
    const value: IndexValue = { param: 'name', kind: 'uri', value: 'x' }
    const here = tokens(value)
    expect(new BlindIndex(new Uint8Array(32).fill(1)).entries('Patient', [value]).tokens).toEqual(here)
    expect(new BlindIndex(new Uint8Array(32).fill(2)).entries('Patient', [value]).tokens).not.toEqual(here)
    expect(tokens(value, 'Person')).not.toEqual(here)
    expect(tokens({ ...value, param: 'family' })).not.toEqual(here)
    expect(tokens({ param: 'name', kind: 'reference', url: 'x' })).not.toEqual(here)
  })

  it('gives each value as many tokens as there are ways to ask for it, and one that it is there', () => {
    expect(tokens({ param: 'code', kind: 'token', system: 's', code: 'c' })).toHaveLength(1 + 3)
    expect(tokens({ param: 'code', kind: 'token', code: 'c' })).toHaveLength(1 + 2)
    expect(tokens({ param: 'name', kind: 'string', value: 'Ab', normal: 'ab' })).toHaveLength(1 + 3 + 3 + 1)
    expect(tokens({ param: 'name', kind: 'string', value: 'Ab', normal: 'ab', word: true })).toHaveLength(1 + 2)
    const long = 'a'.repeat(200)
    expect(tokens({ param: 'name', kind: 'string', value: long, normal: long })).toHaveLength(
      1 + LONGEST_PREFIX + LONGEST_PART + 1 + 1,
    )
  })

  it('gives a well-known value the token that says exactly what it is', () => {
    const here = new BlindIndex(new Uint8Array(32).fill(1), {
      strings: [{ value: 'Ab', normal: 'ab' }],
      codes: [{ system: 's', code: 'c' }],
    })
    const known = (value: IndexValue, type = 'Patient') => here.entries(type, [value]).tokens
    const string: IndexValue = { param: 'name', kind: 'string', value: 'Ab', normal: 'ab' }
    const exact = (type: string) => index.token('exact', type, 'name', 'Ab')
    expect(new Set(Array.from(known(string)))).toEqual(
      new Set([exact('Patient'), index.token('present', 'Patient', 'name', '')]),
    )
    expect(known({ param: 'code', kind: 'token', system: 's', code: 'c' })).toHaveLength(1 + 1)
    // what every request writes has that one alone
    expect(Array.from(known(string, 'AuditEvent'))).toEqual([exact('AuditEvent')])
    expect(known({ param: 'code', kind: 'token', system: 's', code: 'c', words: ['a'] }, 'AuditEvent')).toHaveLength(1)
    const others: IndexValue[] = [
      { ...string, value: 'AB' },
      { ...string, word: true },
      { param: 'code', kind: 'token', code: 'c' },
      { param: 'code', kind: 'token', system: 't', code: 'c' },
    ]
    for (const other of others) expect(known(other)).toEqual(tokens(other))
    expect(() => new BlindIndex(new Uint8Array(32), { strings: [], codes: [{ system: '', code: 'c' }] })).toThrow(
      RangeError,
    )
  })

  it('does not mistake one pair of system and code for another', () => {
    const ask = (system: string, code: string) => index.codeTokens('', 'Patient', 'identifier', { system, code })
    expect(ask('a', '|b')).not.toEqual(ask('a|', 'b'))
    expect(ask('', 'a')).not.toEqual(index.codeTokens('', 'Patient', 'identifier', { code: 'a' }))
  })

  it('is the same for values that were indexed in two parts', () => {
    const subject: IndexValue = { param: 'subject', kind: 'reference', type: 'Patient', id: '1' }
    const code: IndexValue = { param: 'code', kind: 'token', system: 's', code: 'c' }
    const name: IndexValue = { param: 'name', kind: 'string', value: 'Ab', normal: 'ab' }
    const at: IndexValue = { param: 'date', kind: 'date', lo: 1, hi: 2 }
    const parts = [
      [subject, code],
      [name, at, subject, code],
    ]
    const [a, b] = parts.map((values) => index.entries('Observation', values))
    expect(joined([a!, b!])).toEqual(index.entries('Observation', parts.flat()))
  })

  it('sorts tokens and lists each, and each reference, once', () => {
    const subject: IndexValue = { param: 'subject', kind: 'reference', type: 'Patient', id: '1' }
    const entries = index.entries('Observation', [subject, subject, { param: 'code', kind: 'token', code: 'c' }])
    expect(entries.tokens).toHaveLength(2 + 1 + 2)
    const tokens = Array.from(entries.tokens)
    expect(tokens.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(tokens)
    expect(entries.references).toEqual([{ parameter: 'Observation.subject', targetType: 'Patient', targetId: '1' }])
  })
})
