import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { indexValues, isIndexed, type IndexValue, searchParametersOf } from '../../src/fhir/search-parameters.js'
import type { Resource, ValidResource } from '../../src/fhir/types.js'
import { hasSharedData, listShared, readShared, syntheaResources } from '../support/shared-data.js'

/**
 * Holds the compiled extractors against the original expressions, evaluated by the fhirpath library on the
 * same resources. What the library finds is turned into comparable texts here, independently and more simply.
 */
const require = createRequire(import.meta.url)
type Evaluate = (resource: unknown) => unknown[]
const fhirpath = require('fhirpath') as {
  compile: (expression: string, model: unknown, options: unknown) => Evaluate
}
const r4 = require('fhirpath/fhir-context/r4') as unknown

const DEFINITIONS = new URL('../../node_modules/hl7.fhir.r4.examples/', import.meta.url).pathname
const expressions = new Map(
  readdirSync(DEFINITIONS)
    .filter((name) => name.startsWith('SearchParameter-'))
    .map((name) => JSON.parse(readFileSync(DEFINITIONS + name, 'utf8')) as { url: string; expression?: string })
    .map(({ url, expression }) => [url, expression]),
)

/** The library resolves nothing here: the type is told by the reference itself, as an index must. */
const invocations = {
  pointsTo: {
    fn: (references: { reference?: string; type?: string }[], type: string) =>
      references.some(
        (to) => to.type === type || new RegExp(`(^|/)${type}/[^/]+(/_history/.+)?$`).test(to.reference ?? ''),
      ),
    arity: { 1: ['String'] },
  },
}

const evaluators = new Map<string, Evaluate>()

function evaluator(type: string, url: string): Evaluate {
  const key = `${type} ${url}`
  let evaluate = evaluators.get(key)
  if (evaluate === undefined) {
    const own = (expressions.get(url) ?? '{}')
      .split('|')
      .filter((term) => !/^\s*\(?[A-Z]/.test(term) || new RegExp(`^\\s*\\(?(${type}|Resource)\\b`).test(term))
      .join('|')
      .replaceAll(/resolve\(\) is (\w+)/g, "pointsTo('$1')")
      // `as` takes one element only; R4 writes it on lists where later releases corrected it to ofType
      .replaceAll(/\(([\w.]+) as (\w+)\)/g, '$1.ofType($2)')
      .replaceAll(/\.as\(/g, '.ofType(')
    evaluate = fhirpath.compile(own, r4, { userInvocationTable: invocations })
    evaluators.set(key, evaluate)
  }
  return evaluate
}

type Json = Record<string, unknown>
const list = (value: unknown): Json[] => (value === undefined ? [] : ([value].flat() as Json[]))
const strings = (value: Json, ...names: string[]): string[] => names.flatMap((name) => list(value[name]).map(String))

/** What an index entry must say of an element that the library found, as texts. */
function expected(kind: string, element: unknown): string[] {
  if (typeof element !== 'object' || element === null) {
    const text = String(element)
    if (kind === 'uri') return [text, ...(text.includes('|') ? [text.slice(0, text.indexOf('|'))] : [])]
    // occurrence[x] and scheduled[x] may be text for people, which no date search finds
    if (kind === 'date') return /^\d{4}(-|$)/.test(text) ? instants(text, text) : []
    return [kind === 'token' ? text.toLowerCase() : kind === 'number' ? String(Number(text)) : text]
  }
  const value = element as Json
  switch (kind) {
    case 'token':
      if ('coding' in value || 'text' in value) return list(value['coding']).flatMap((each) => expected(kind, each))
      if ('code' in value) return [String(value['code']).toLowerCase()]
      return strings(value, 'value').map((text) =>
        ['phone', 'fax'].includes(String(value['system'])) && !/[a-z]/.test(text)
          ? text.replaceAll(/[\s().-]/g, '')
          : text.toLowerCase(),
      )
    case 'string':
      return strings(
        value,
        ...['text', 'family', 'given', 'prefix', 'suffix'],
        ...['line', 'city', 'district', 'state', 'postalCode', 'country'],
      )
    case 'reference':
      if ('resourceType' in value) return [`${String(value['resourceType'])}/${String(value['id'])}`]
      return [
        ...strings(value, 'reference').filter((text) => !text.startsWith('#') && !text.includes('?')),
        ...list(value['identifier']).flatMap((identifier) => strings(identifier, 'value')),
      ]
    case 'date':
      if ('repeat' in value || 'event' in value) {
        const bounds = (value['repeat'] as Json | undefined)?.['boundsPeriod']
        const events = strings(value, 'event').sort()
        return [
          ...(events.length === 0 ? [] : instants(events[0], events.at(-1))),
          ...(bounds ? expected(kind, bounds) : []),
        ]
      }
      return instants(value['start'] as string | undefined, value['end'] as string | undefined)
    case 'quantity':
      if ('low' in value || 'high' in value) {
        return [value['low'], value['high']].flatMap((each) =>
          list(each).map((bound) => String(Number(bound['value']))),
        )
      }
      if ('origin' in value) {
        const zero = Number((value['origin'] as Json)['value'])
        const all = strings(value, 'data')
          .flatMap((text) => text.split(' ').map((word) => zero + Number(word) * Number(value['factor'] ?? 1)))
          .sort((a, b) => a - b)
        return [all[0], all.at(-1)].map((bound) => String(Number(bound?.toPrecision(12))))
      }
      return strings(value, 'value').map((text) => String(Number(text)))
    case 'special':
      return [`${Number(value['latitude'])},${Number(value['longitude'])}`]
    default:
      throw new Error(`No ${kind} of ${JSON.stringify(element)}`)
  }
}

/** First millisecond of the first and, for whole seconds and days, last of the last; JavaScript knows these forms. */
function instants(start: string | undefined, end: string | undefined): string[] {
  if (start === undefined && end === undefined) return []
  const to = end === undefined ? undefined : Date.parse(end)
  const width = end?.length === 10 ? 86_400_000 : /:\d\d:\d\d(Z|[+-]\d\d:\d\d)?$/.test(end ?? '') ? 1000 : undefined
  return [
    `from ${start === undefined ? 'ever' : Date.parse(start)}`,
    ...(width === undefined ? [] : [`to ${(to ?? 0) + width}`]),
  ]
}

/** The same texts of what the compiled extractors found. */
function actual(value: IndexValue, wantsEnd: (text: string) => boolean): string[] {
  switch (value.kind) {
    case 'token':
      return value.code === undefined ? [] : [value.code.toLowerCase()]
    case 'string':
      return value.word ? [] : [value.value]
    case 'uri':
      return [value.value]
    case 'reference': {
      const version =
        value.version === undefined ? '' : value.url === undefined ? `/_history/${value.version}` : `|${value.version}`
      const literal = value.url ?? (value.id === undefined ? undefined : `${value.type}/${value.id}`)
      return [
        ...(literal === undefined ? [] : [literal + version]),
        ...(value.identifier ? [value.identifier.value] : []),
      ]
    }
    case 'date':
      return [`from ${value.lo < -6e13 ? 'ever' : value.lo}`, `to ${value.hi}`].filter(
        (text) => !text.startsWith('to') || wantsEnd(text),
      )
    // no SearchParameter: see groupValue
    case 'group':
      return []
    case 'position':
      return [`${value.lat},${value.lon}`]
    case 'number':
      return [String(Number(value.value))]
    case 'quantity':
      return value.value === undefined
        ? [value.lo, value.hi].flatMap((bound) => (bound === undefined ? [] : [String(Number(bound))]))
        : [String(Number(value.value))]
    case 'composite':
      return []
  }
}

interface Difference {
  resource: string
  param: string
  expected: string[]
  actual: string[]
}

function compare(resource: Resource): Difference[] {
  const plain: unknown = JSON.parse(JSON.stringify(resource))
  const found = Map.groupBy(indexValues(resource as ValidResource), ({ param }) => param)
  const differences: Difference[] = []
  for (const parameter of searchParametersOf(resource.resourceType).values()) {
    // the parts of a composite are held against R4 in search-parameters.spec.ts
    // and sounds against names in phonetic.spec.ts
    if (!isIndexed(parameter) || parameter.kind === 'composite' || parameter.code === 'phonetic') continue
    const { code, kind, url, targets } = parameter
    const wanted = evaluator(
      resource.resourceType,
      url,
    )(plain)
      .filter((element) => isTarget(element, targets))
      .flatMap((element) => expected(kind, element))
    const got = (found.get(code) ?? []).flatMap((value) => actual(value, (text) => wanted.includes(text)))
    if (same(wanted) !== same(got)) {
      differences.push({
        resource: `${resource.resourceType}/${resource.id}`,
        param: code,
        expected: wanted,
        actual: got,
      })
    }
  }
  return differences
}

/** Any Bundle's first entry fits the expression of Bundle.composition; the parameter is for documents. */
function isTarget(element: unknown, targets: readonly string[]): boolean {
  const type = (element as { resourceType?: string } | null)?.resourceType
  return type === undefined || targets.includes(type)
}

const same = (texts: string[]): string => JSON.stringify([...new Set(texts)].sort())

describe.skipIf(!hasSharedData)('extractors and the original expressions (../shared/data is needed)', () => {
  it('find the same in the official examples', () => {
    const examples = listShared('r4-examples', 'json').map((name) => readShared('r4-examples', 'json', name))
    const differences = examples.flatMap(compare)
    expect(differences).toEqual([])
    expect(examples.length).toBeGreaterThan(300)
  })

  it('find the same in Synthea records', () => {
    const resources = syntheaResources('2021-google-hiv', 20).concat(syntheaResources('2019-smart', 60))
    expect(resources.flatMap(compare)).toEqual([])
    expect(resources.length).toBeGreaterThan(100)
  })
})
