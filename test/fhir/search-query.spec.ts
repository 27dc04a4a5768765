import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import {
  criteriaOf,
  type Handling,
  parseSearch,
  type SearchOptions,
  type SearchQuery,
  parseSystemSearch,
} from '../../src/fhir/search-query.js'
import { r4Terminology } from '../../src/fhir/terminology.js'
import { splitEscaped } from '../../src/fhir/search/escape.js'
import { parseClause } from '../../src/fhir/search/parse-clause.js'

function parse(type: string, query: string, handling?: Handling, options?: SearchOptions): SearchQuery {
  return parseSearch(type, [...new URLSearchParams(query)], handling, options)
}

function refusal(type: string, query: string, handling?: Handling, options?: SearchOptions): ConsentryError {
  try {
    parse(type, query, handling, options)
  } catch (error) {
    if (error instanceof ConsentryError) return error
    throw error
  }
  throw new Error(`${type}?${query} was accepted`)
}

const day = (text: string): number => Date.parse(`${text}T00:00:00Z`)

it.each(['_id', 'name', 'identifier', '_filter', '_cursor', '_lastUpdated', 'general-practitioner'])(
  'refuses a control character in %s, wherever the search comes from',
  (name) => {
    const error = expect.objectContaining({ kind: 'malformed' })
    expect(() => parseSearch('Patient', [[name, 'a\u0000b']])).toThrow(error)
    expect(() => parseSearch('Patient', [[name, 'a\ud800']])).toThrow(error)
    expect(() => parseSearch('Patient', [[`${name}\u0000`, 'a']])).toThrow(error)
  },
)

describe('parseSearch: what is served', () => {
  it.each([
    ['code=a', { code: 'a' }],
    ['code=http://loinc.org|1-2', { system: 'http://loinc.org', code: '1-2' }],
    ['code=|a', { system: null, code: 'a' }],
    ['code=http://loinc.org|', { system: 'http://loinc.org' }],
    ['code=a\\|b', { code: 'a|b' }],
    ['code=a\\,b', { code: 'a,b' }],
    ['code=a\\\\b', { code: 'a\\b' }],
    ['_security=http://x|R', { system: 'http://x', code: 'R' }],
    ['_tag=t', { code: 't' }],
    ['_id=aB-7', { code: 'aB-7' }],
  ])('token %s', (query, value) => {
    const [param = ''] = query.split('=')
    expect(parse('Observation', query).clauses).toEqual([{ is: 'filter', param, kind: 'token', values: [value] }])
  })

  it('compares contact points and texts as the index does', () => {
    const values = (type: string, query: string): unknown[] =>
      parse(type, query).clauses.flatMap((clause): unknown[] => (clause.is === 'filter' ? [...clause.values] : []))
    expect(values('Patient', 'telecom=(03) 5555-6473,A@B.c')).toEqual([{ code: '0355556473' }, { code: 'a@b.c' }])
    expect(values('Consent', 'identifier=aB')).toEqual([{ code: 'aB' }])
  })

  it('takes commas as alternatives and repeats as conditions', () => {
    const { clauses } = parse('Observation', 'status=final,amended&status=final&code=')
    expect(clauses).toEqual([
      { is: 'filter', param: 'status', kind: 'token', values: [{ code: 'final' }, { code: 'amended' }] },
      { is: 'filter', param: 'status', kind: 'token', values: [{ code: 'final' }] },
    ])
  })

  it('reads references by id, type, version, URL and identifier', () => {
    const first = (query: string): unknown => {
      const [clause] = parse('Observation', query, 'strict', { base: 'https://here/fhir' }).clauses
      return clause?.is === 'filter' ? [clause.modifier, clause.values[0]] : undefined
    }
    expect(first('patient=23')).toEqual([undefined, { types: ['Patient'], id: '23' }])
    expect(first('subject=23')).toEqual([undefined, { types: ['Device', 'Group', 'Location', 'Patient'], id: '23' }])
    expect(first('subject=Patient/23')).toEqual([undefined, { types: ['Patient'], id: '23' }])
    expect(first('subject:Group=23')).toEqual([undefined, { types: ['Group'], id: '23' }])
    expect(first('subject:Group=Group/23')).toEqual([undefined, { types: ['Group'], id: '23' }])
    expect(first('subject:Group=Patient/23')).toEqual([undefined, { types: [], id: '23' }])
    expect(first('subject=https://here/fhir/Patient/23')).toEqual([undefined, { types: ['Patient'], id: '23' }])
    expect(first('subject=https://there/fhir/Patient/23')).toEqual([
      undefined,
      { url: 'https://there/fhir/Patient/23' },
    ])
    expect(first('derived-from=Observation/1/_history/2')).toEqual([
      undefined,
      { types: ['Observation'], id: '1', version: '2' },
    ])
    expect(first('subject:identifier=urn:mrn|9')).toEqual([
      'identifier',
      { identifier: { system: 'urn:mrn', code: '9' } },
    ])
    const canonical = parse('CarePlan', 'instantiates-canonical=http://x/PlanDefinition/1|2').clauses
    expect(canonical).toMatchObject([{ values: [{ url: 'http://x/PlanDefinition/1', version: '2' }] }])
    const below = parse('CarePlan', 'instantiates-canonical:below=http://x/PlanDefinition/1|2').clauses
    expect(below).toMatchObject([{ modifier: 'below', values: [{ url: 'http://x/PlanDefinition/1', version: '2' }] }])
  })

  it('reads strings by prefix and exactly, and uris', () => {
    expect(parse('Patient', 'name=Müll er&family:exact=---').clauses).toEqual([
      { is: 'filter', param: 'name', kind: 'string', values: [{ value: 'Müll er', normal: 'mull er' }] },
      { is: 'filter', param: 'family', kind: 'string', modifier: 'exact', values: [{ value: '---', normal: '' }] },
    ])
    expect(parse('Patient', '_profile=http://p|1').clauses).toMatchObject([
      { kind: 'uri', values: [{ value: 'http://p|1' }] },
    ])
  })

  it.each(['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb'])('reads dates with the prefix %s', (prefix) => {
    expect(parse('Patient', `birthdate=${prefix}2000-02-29`).clauses).toEqual([
      {
        is: 'filter',
        param: 'birthdate',
        kind: 'date',
        values: [{ prefix, lo: day('2000-02-29'), hi: day('2000-03-01') }],
      },
    ])
  })

  it('widens approximate dates by a tenth of the gap between now and them', () => {
    const now = day('2000-03-11')
    const { clauses } = parseSearch('Patient', [['birthdate', 'ap2000-02-29']], 'strict', { now })
    const [start, end] = [day('2000-02-29'), day('2000-03-01')]
    const values = [{ prefix: 'ap', lo: start - (now - start) / 10, hi: end + (now - end) / 10 }]
    expect(clauses).toEqual([{ is: 'filter', param: 'birthdate', kind: 'date', values }])
  })

  it('turns value sets and hierarchies into their codes', () => {
    const gender = 'http://hl7.org/fhir/administrative-gender'
    const codes = ['male', 'female', 'other', 'unknown'].map((code) => ({ system: gender, code }))
    expect(parse('Patient', 'gender:in=http://hl7.org/fhir/ValueSet/administrative-gender').clauses).toEqual([
      { is: 'filter', param: 'gender', kind: 'token', modifier: 'in', values: codes },
    ])
    const status = 'http://terminology.hl7.org/CodeSystem/condition-clinical'
    const [below, above] = parse(
      'Condition',
      `clinical-status:below=${status}|active&clinical-status:above=${status}|relapse`,
    ).clauses
    const of = (clause: typeof below) =>
      clause?.is === 'filter' ? clause.values.map((value) => 'code' in value && value.code) : []
    expect(of(below).sort()).toEqual(['active', 'recurrence', 'relapse'])
    expect(of(above).sort()).toEqual(['active', 'relapse'])
  })

  it('gives units of UCUM in base units', () => {
    const canonical = (query: string) => {
      const [clause] = parse('Observation', query).clauses
      return clause?.is === 'filter' && clause.kind === 'quantity' ? clause.values[0]?.canonical : undefined
    }
    const ucum = 'http://unitsofmeasure.org'
    expect(canonical(`value-quantity=1.0|${ucum}|kg`)).toEqual({ unit: 'g1', value: '1000', lo: '950', hi: '1050' })
    expect(canonical(`value-quantity=1000|${ucum}|g`)).toEqual({ unit: 'g1', value: '1000', lo: '999.5', hi: '1000.5' })
    expect(canonical(`value-quantity=98.6|${ucum}|[degF]`)?.value).toBe(
      canonical(`value-quantity=37|${ucum}|Cel`)?.value,
    )
    expect(canonical(`value-quantity=5|${ucum}|[IU]/L`)).toBeUndefined()
    expect(canonical(`value-quantity=7|${ucum}|[pH]`)).toBeUndefined()
    expect(canonical(`value-quantity=7|${ucum}|{score}`)).toBeUndefined()
    expect(canonical('value-quantity=7||kg')).toBeUndefined()
  })

  it('reads what shapes the answer', () => {
    const query = parse(
      'Patient',
      '_count=20&_sort=-_lastUpdated&_total=accurate&_summary=count&_elements=id,name&_lastUpdated=gt2020&_format=json&_cursor=Ab-_',
    )
    expect(query).toMatchObject({
      count: 20,
      total: 'accurate',
      summary: 'count',
      elements: ['id', 'name'],
      sort: [{ param: '_lastUpdated', kind: 'date', descending: true }],
      cursor: 'Ab-_',
      clauses: [{ param: '_lastUpdated', kind: 'date' }],
    })
    expect(query.applied.map(([name]) => name)).toEqual([
      '_count',
      '_sort',
      '_total',
      '_summary',
      '_elements',
      '_lastUpdated',
    ])
  })
})

describe('parseSearch: what is refused', () => {
  it('names an unknown parameter and what is served instead', () => {
    const error = refusal('Patient', 'nome=Ana&birthdate=2000')
    expect(error.kind).toBe('malformed')
    expect(error.issues).toMatchObject([{ code: 'not-supported', expression: ['nome'] }])
    expect(error.message).toContain('served for Patient are _id, _lastUpdated, _profile, _security')
    expect(error.message).toContain('birthdate')
    expect(error.message).toContain('phonetic')
    expect(error.message).not.toContain('_query')
    expect(error.message).not.toContain('Ana')
  })

  it('takes the default of _contained', () => {
    expect(parse('Patient', '_contained=false&_id=1').clauses).toHaveLength(1)
  })

  it.each([
    ['Patient', '_text=x', '_text'],
    ['Patient', '_contained=true', '_contained'],
    ['AuditEvent', '_sort=outcome', '_sort'],
    ['Observation', '_sort=_lastUpdated,code-value-quantity', '_sort'],
    ['Location', '_sort=near', '_sort'],
  ])('says that %s?%s is not served yet, or leaves it out if asked to', (type, query, name) => {
    expect(refusal(type, query).issues).toMatchObject([{ code: 'not-supported', expression: [name] }])
    const lenient = parse(type, `${query}&_id=1`, 'lenient')
    expect(lenient.ignored.map((each) => each.name)).toEqual([name])
    expect(lenient.applied).toEqual([['_id', '1']])
    expect(lenient.clauses).toHaveLength(1)
  })

  it.each([
    ['Patient', '_has:Foo:patient:code=x', 'invalid', 'names Foo, which is no resource type'],
    ['Patient', '_has:Observation=x', 'invalid', 'of the form _has'],
    ['Patient', 'name:text=x', 'not-supported', ':exact, :contains'],
    ['AuditEvent', 'outcome:missing=true', 'not-supported', 'not indexed'],
    ['AuditEvent', 'address:contains=1', 'not-supported', 'not indexed'],
    ['Patient', '_sort=name,family,given,gender,birthdate,_id', 'too-costly', '5 keys'],
    ['Patient', 'gender:in=http://nowhere.org/vs', 'not-supported', 'does not have'],
    ['Patient', 'gender:below=male', 'value', 'system|code'],
    ['Observation', 'code:text=--', 'value', 'no word'],
    ['Observation', 'code-value-quantity=http://loinc.org|$5', 'not-supported', 'needs a code'],
    ['Observation', 'code-value-quantity=a', 'value', 'parts joined by $'],
    [
      'Patient',
      'general-practitioner.organization.partof.partof.partof.partof.name=x',
      'too-costly',
      'too many references',
    ],
    ['Patient', 'link.link.link.link.link.link.name=x', 'too-costly', 'chained through too many references: 5 at most'],
    ['Patient', 'gender:bogus=x', 'not-supported', ':missing'],
    ['Observation', 'subject:Medication=1', 'not-supported', ':Patient'],
    ['Patient', '_query=x', 'not-supported', 'knows none'],
    ['Procedure', 'location:below=42', 'not-supported', 'ask for each step with a chain'],
    ['Encounter', 'part-of:above=42', 'not-supported', 'a hierarchy of references'],
    ['QuestionnaireResponse', 'questionnaire:above=http://x|1', 'not-supported', ':below alone'],
    ['QuestionnaireResponse', 'questionnaire:exact=x', 'not-supported', ':identifier, :below, :missing'],
    ['Observation', 'subject:exact=x', 'not-supported', 'has :identifier, :missing'],
    ['Patient', 'birthdate=2000-13', 'value', 'yyyy-mm-dd'],
    ['Patient', 'birthdate=xx2000', 'value', 'yyyy-mm-dd'],
    ['Patient', 'telecom=phone|555', 'value', 'without |'],
    ['Patient', 'active=x|true', 'value', 'without |'],
    ['Patient', 'identifier=a|b|c', 'value', 'system|code'],
    ['Patient', 'identifier=|', 'value', 'both sides'],
    ['Patient', 'name=...', 'value', 'punctuation'],
    ['Patient', 'name=a\\b', 'value', 'backslash'],
    ['Observation', 'subject=a b', 'value', 'Type/id'],
    ['Patient', '_count=-1', 'value', 'whole number'],
    ['Patient', '_count=1&_count=2', 'invalid', 'twice'],
    ['Patient', '_total=all', 'value', 'estimate'],
    ['Patient', '_summary=yes', 'value', 'count'],
    ['Patient', '_elements=a b', 'value', 'elements'],
    ['Patient', '_include=Nonsense:x', 'value', 'names Nonsense, which is no resource type of R4'],
    ['Patient', '_include=Patient', 'value', 'Type:parameter'],
    ['Patient', '_include=Patient:nonsense', 'value', 'it has general-practitioner, link, organization'],
    ['Patient', '_include=Patient:link:Nonsense', 'value', 'names Nonsense, which is no resource type of R4'],
    ['Patient', '_include=Observation:code', 'value', 'no reference of Observation'],
    ['Patient', '_include:recurse=Patient:link', 'not-supported', 'has no modifier but :iterate'],
    ['Patient', '_count:exact=1', 'not-supported', '_count:exact has no modifier'],
    ['Patient', 'name:bogus=x', 'not-supported', 'is a string and has :exact, :contains, :missing'],
    ['Patient', 'name:text=x', 'not-supported', 'of a string :exact, :contains, :missing are served'],
    ['Patient', 'name:exact:exact=x', 'invalid', 'more than one modifier'],
    ['Patient', 'name.given=x', 'invalid', 'no reference'],
  ])('refuses %s?%s whatever the handling', (type, query, code, words) => {
    for (const handling of ['strict', 'lenient'] as const) {
      const error = refusal(type, query, handling)
      expect(error.kind).toBe('malformed')
      expect(error.issues[0]).toMatchObject({ code })
      expect(error.message).toContain(words)
    }
  })

  it('reads includes and orders', () => {
    const query = parse(
      'Patient',
      '_include=Patient:general-practitioner:Practitioner&_revinclude:iterate=Provenance:target&_include=*&_sort=family,-birthdate',
    )
    expect(query.includes).toEqual([
      { reverse: false, iterate: false, source: 'Patient', param: 'general-practitioner', target: 'Practitioner' },
      { reverse: true, iterate: true, source: 'Provenance', param: 'target' },
      { reverse: false, iterate: false, source: '*', param: '*' },
    ])
    expect(query.sort).toEqual([
      { param: 'family', kind: 'string', descending: false },
      { param: 'birthdate', kind: 'date', descending: true },
    ])
  })

  it('tells of every bad parameter at once', () => {
    expect(refusal('Patient', 'birthdate=x&_count=x&y=1').issues.map(({ expression }) => expression)).toEqual([
      ['birthdate'],
      ['_count'],
      ['y'],
    ])
  })

  it('tells a search of several types that it takes what all of them have', () => {
    const searching =
      (...types: string[]) =>
      () =>
        parseSystemSearch(types, [['name', 'x']])
    expect(searching('Patient', 'AdverseEvent')).toThrow(
      'AdverseEvent has no search parameter name, and a search of several types takes what all of them have: name fewer with _type',
    )
    expect(searching('AdverseEvent')).toThrow('AdverseEvent has no search parameter name; served for AdverseEvent')
    expect(searching('Patient', 'Practitioner')().searched).toHaveLength(2)
  })

  it('never repeats a name that is none, and knows its types', () => {
    expect(refusal('Patient', 'John+Smith+1974=1').message).not.toContain('John')
    expect(() => parseSearch('Person?', [])).toThrow(ConsentryError)
    expect(refusal('Nonsense', '').kind).toBe('not-found')
  })

  it('keeps to its limits', () => {
    const limits = { parameters: 2, values: 3, length: 50 }
    expect(refusal('Patient', '_id=1&_id=2&_id=3', 'strict', { limits }).issues[0]?.code).toBe('too-costly')
    const values = refusal('Patient', '_id=1,2&_id=3,4', 'strict', { limits })
    expect([values.issues[0]?.code, values.message]).toEqual(['too-costly', expect.stringContaining('values, 3.')])
    expect(refusal('Patient', `name=${'x'.repeat(60)}`, 'strict', { limits }).issues[0]?.code).toBe('too-long')
    const deep = 'part-of.'.repeat(40) + 'status'
    expect(refusal('Observation', `${deep}=x`, 'strict', { limits: { steps: 30 } }).issues[0]?.code).toBe('too-costly')
    const chains = (count: number) => Array.from({ length: count }, (_, i) => `subject:Patient.name=x${i}`).join('&')
    expect(parse('Observation', chains(20)).clauses).toHaveLength(20)
    expect(refusal('Observation', chains(21)).issues[0]?.code).toBe('too-costly')
    const filter = Array.from({ length: 21 }, () => '_has:Observation:patient:code eq x').join(' and ')
    expect(refusal('Patient', `_filter=${filter}`).issues[0]?.code).toBe('too-costly')
    const parts = Array.from({ length: 201 }, (_, i) => `abc${i}`).join(',')
    expect(refusal('Patient', `name:contains=${parts}`).issues[0]?.code).toBe('too-costly')
    expect(refusal('ValueSet', `url:above=http://a${'/a'.repeat(1_000)}`).issues[0]?.code).toBe('too-costly')
  })
})

describe('criteriaOf', () => {
  it('is one text for one set of criteria', () => {
    const one = criteriaOf(parse('Patient', 'identifier=urn:x%7C1&birthdate=2000&_count=3'))
    expect(criteriaOf(parse('Patient', 'birthdate=eq2000&identifier=urn:x|1'))).toBe(one)
    expect(criteriaOf(parse('Patient', 'birthdate=2000&identifier=urn:x|2'))).not.toBe(one)
  })
})

describe('the form of a query, beyond what is served', () => {
  const context = () => ({
    base: undefined,
    budget: { values: 100, steps: 100, references: 100 },
    depth: 2,
    limits: { values: 100, references: 100, depth: 2 },
    terminology: r4Terminology,
    now: 0,
    servedCodes: () => [],
  })

  it('has chains, reverse chains, composites and quantities', () => {
    expect(parseClause('DiagnosticReport', 'subject:Patient.name', 'peter', context())).toEqual({
      is: 'chain',
      param: 'subject',
      targets: [
        {
          type: 'Patient',
          clause: { is: 'filter', param: 'name', kind: 'string', values: [{ value: 'peter', normal: 'peter' }] },
        },
      ],
    })
    expect(
      parseClause('Patient', '_has:Observation:patient:_has:AuditEvent:entity:agent', 'x', context()),
    ).toMatchObject({
      is: 'has',
      type: 'Observation',
      param: 'patient',
      clause: { is: 'has', type: 'AuditEvent', param: 'entity', clause: { param: 'agent', kind: 'reference' } },
    })
    expect(
      parseClause('Observation', 'code-value-quantity', 'http://loinc.org|1$gt5.40|http://u|mg', context()),
    ).toEqual({
      is: 'filter',
      param: 'code-value-quantity',
      kind: 'composite',
      values: [
        {
          parts: [
            { is: 'filter', param: 'code', kind: 'token', values: [{ system: 'http://loinc.org', code: '1' }] },
            {
              is: 'filter',
              param: 'value-quantity',
              kind: 'quantity',
              values: [{ prefix: 'gt', value: '5.4', lo: '5.395', hi: '5.405', system: 'http://u', code: 'mg' }],
            },
          ],
        },
      ],
    })
    expect(parseClause('Patient', 'identifier:of-type', 'http://t|MR|12', context())).toMatchObject({
      modifier: 'of-type',
      values: [{ typeSystem: 'http://t', typeCode: 'MR', code: '12' }],
    })
    expect(parseClause('Patient', 'gender:missing', 'true', context())).toEqual({
      is: 'missing',
      param: 'gender',
      kind: 'token',
      missing: true,
    })
  })

  it('splits only where nothing is escaped', () => {
    expect(splitEscaped('a\\,b,c\\\\,d', ',')).toEqual(['a\\,b', 'c\\\\', 'd'])
  })
})
