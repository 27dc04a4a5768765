import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { parseQuery } from '../../src/fhir/bundle.js'
import { parseSearch } from '../../src/fhir/search-query.js'
import { matches, type Subject, subjectOf } from '../../src/fhir/search/matches.js'
import type { Resource } from '../../src/fhir/types.js'
import { hasSharedData, listShared, readShared, SHARED_DATA } from '../support/shared-data.js'

/**
 * The search cases of two servers, asked of parser and matcher: what is served must find what they find. Rows that
 * R4 does not bear out are listed with its sentence; what is not served yet must be refused as such.
 */
interface Case {
  readonly type: string
  readonly query: string
  readonly expected: string
}

function rows(...path: string[]): string[][] {
  if (!hasSharedData) return []
  const lines = readFileSync(join(SHARED_DATA, ...path), 'utf8')
    .trim()
    .split('\n')
  return lines.slice(1).map((line) => line.split('\t'))
}

function ask({ type, query }: Case, subjects: readonly Subject[]): string[] | 'not-supported' | 'refused' {
  try {
    const parsed = parseSearch(type, parseQuery(query, 'query'))
    return subjects.filter((subject) => matches(subject, parsed)).map(({ resource }) => resource.id ?? '')
  } catch (error) {
    if (!(error instanceof ConsentryError)) throw error
    return error.issues[0]?.code === 'not-supported' ? 'not-supported' : 'refused'
  }
}

const CONTAINS =
  'eq: "the range of the search value fully contains the range of the target value"; the server takes overlap'
const NO_PIPE = 'ContactPoint: "the presence of the pipe symbol SHALL NOT be used"'
const BAD_FORM = '"Where the content of the parameter is syntactically incorrect, servers SHOULD return an error"'

const NOT_R4: ReadonlyMap<string, string> = new Map([
  ['date=1980-01', CONTAINS],
  ['date=1980-05-11', CONTAINS],
  ['date=1980-05-11T16:32:15', CONTAINS],
  ['date=1980-05-11T16:32:15.500', CONTAINS],
  ['date=1980-05-11T16:32:15.5000001', CONTAINS],
  ['date=!', BAD_FORM],
  ['date=1973-02-30', BAD_FORM],
  ['telecom=phone|(03) 5555 6473', NO_PIPE],
  ['telecom=|(03) 5555 6473', NO_PIPE],
  ['telecom=phone|', NO_PIPE],
  [
    'active:missing=true',
    'none of its five Patients lacks Patient.active; it counts one of a Bundle that is not loaded here',
  ],
])

describe.skipIf(!hasSharedData)('search cases of Microsoft (../shared/data is needed)', () => {
  const fixtures = hasSharedData
    ? readFileSync(join(SHARED_DATA, 'search-cases-microsoft', 'fixtures.ndjson'), 'utf8')
    : ''
  const subjects = fixtures
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => subjectOf(JSON.parse(line) as Resource))
  const cases = rows('search-cases-microsoft', 'search-cases.tsv').map(
    ([, type = '', query = '', expected = '']): Case => ({ type, query, expected }),
  )

  it('find what is expected, or are not served yet, or not R4', () => {
    const outcome = { found: 0, unserved: 0, otherwise: 0, differing: [] as string[] }
    for (const each of cases) {
      const found = ask(each, subjects)
      const [, own = each.query] = /^_tag=[\w-]+&(.*)$/.exec(each.query) ?? []
      if (found === 'not-supported') outcome.unserved++
      else if (found !== 'refused' && found.join(' ') === each.expected) outcome.found++
      else if (NOT_R4.has(own)) outcome.otherwise++
      else outcome.differing.push(own)
    }
    expect(outcome.differing).toEqual([])
    expect(outcome.unserved).toBe(0)
    expect(outcome.found + outcome.otherwise).toBe(cases.length)
    expect(outcome.otherwise).toBeLessThanOrEqual(7)
  })
})

describe.skipIf(!hasSharedData)('search cases of candle (../shared/data is needed)', () => {
  // the Bundles among the fixtures are transactions that this suite does not load
  const subjects = listShared('search-cases-candle', 'data-r4')
    .filter((name) => name.endsWith('.json') && !name.startsWith('Bundle-'))
    .map((name) => subjectOf(readShared('search-cases-candle', 'data-r4', name)))
  const cases = rows('search-cases-candle', 'search-cases.tsv')
    // other callers' views, compartments, order and what goes through other resources are matters of the gateway
    .filter(
      ([path = '', caller, query = '']) =>
        caller === '' && !path.includes('/') && !/_sort|_has|_include|\w\.\w+=/.test(query),
    )
    .map(([type = '', , query = '', expected = '']): Case => ({ type, query, expected }))

  it('count what is expected, or are not served yet, or not R4', () => {
    const outcome = { found: 0, unserved: 0, differing: [] as string[] }
    for (const each of cases) {
      const found = ask(each, subjects)
      if (found === 'not-supported') outcome.unserved++
      else if (found !== 'refused' && String(found.length) === each.expected) outcome.found++
      else if (!NOT_R4.has(each.query))
        outcome.differing.push(`${each.type}?${each.query}: ${found.length}, not ${each.expected}`)
    }
    expect(outcome.differing).toEqual([])
    expect(outcome.found).toBeGreaterThanOrEqual(20)
  })
})
