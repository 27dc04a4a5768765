import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { searchParametersOf } from '../../src/fhir/search-parameters.js'
import { parseQuery } from '../../src/fhir/bundle.js'
import { isServed, parseSearch } from '../../src/fhir/search-query.js'
import type { IndexValue } from '../../src/fhir/search/index-value.js'
import { matches, type Subject, subjectOf } from '../../src/fhir/search/matches.js'
import { parseJson, stringify } from '../../src/fhir/json.js'
import type { Resource } from '../../src/fhir/types.js'
import { end, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { preparedGateway } from '../support/prepared-data.js'
import { hasSharedData, readShared, SHARED_DATA } from '../support/shared-data.js'

/*
 * Every search that US Core says a server SHALL serve, with the values of Inferno's reference patients, through HTTP. What
 * is expected is decided on the resources themselves by the slow twin of the SQL search, and holds the one resource that the
 * values were taken from.
 */
interface Group {
  readonly ':resource': string
  readonly ':profile_url': string
  readonly ':searches'?: readonly { readonly ':names': readonly string[]; readonly ':expectation': string }[]
  readonly ':search_definitions'?: Readonly<Record<string, Definition>>
  readonly ':revincludes'?: readonly string[]
  readonly ':include_params'?: readonly string[]
}

interface Definition {
  readonly ':comparators'?: Readonly<Record<string, string>>
  readonly ':multiple_or'?: string
  readonly ':chain'?: readonly { readonly ':chain': string; readonly ':expectation': string }[]
}

interface Entry {
  readonly resource: Resource
  request: { method: string; url: string }
}

const BUNDLES = [
  'uscore_bundle_patient_85.json.gz',
  'uscore_bundle_patient_907.json',
  'uscore_bundle_patient_client_test.json',
]
/** Parameters that US Core defines itself, beyond R4's; they are not loaded. */
const OF_US_CORE = new Set<string>()

interface Answer {
  readonly status: number
  readonly text: string
  readonly found: Record<'match' | 'include', string[]>
}

describe.skipIf(!hasSharedData)('searches of US Core (../shared/data is needed)', () => {
  let data: string
  let gateway: RunningProcess
  let token: string
  const subjects: Subject[] = []

  beforeAll(async () => {
    data = await preparedGateway('consentry-us-core-')
    gateway = await startGateway(data, { EMBEDDED_PROXIES: '0' })
    token = await tokenOf(data, 'ehr')
    const headers = { authorization: `Bearer ${token}` }
    const names = new Set<string>()
    for (const name of BUNDLES) {
      const bundle = readShared('inferno-reference-data', name) as unknown as { entry: Entry[] }
      for (const entry of bundle.entry) {
        const at = `${entry.resource.resourceType}/${entry.resource.id}`
        entry.request = { method: 'PUT', url: at }
        names.add(at)
      }
      const answer = await fetch(gateway.fhir, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/fhir+json' },
        body: stringify(bundle),
      })
      expect(answer.status, await answer.text()).toBe(200)
    }
    // as stored: references between entries are resolved
    for (const name of names) {
      const text = await (await fetch(`${gateway.fhir}/${name}`, { headers })).arrayBuffer()
      subjects.push(subjectOf(parseJson(new Uint8Array(text)) as unknown as Resource, gateway.fhir))
    }
  }, 600_000)

  afterAll(async () => {
    if (gateway) await end(gateway.child, 'SIGTERM')
    await rm(data, { recursive: true, force: true })
  })

  async function search(type: string, query: string): Promise<Answer> {
    const response = await fetch(`${gateway.fhir}/${type}?${query}&_count=1000`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const text = await response.text()
    const { entry = [] } = (response.status === 200 ? JSON.parse(text) : {}) as {
      entry?: { search: { mode: 'match' | 'include' }; resource: Resource }[]
    }
    const found: Answer['found'] = { match: [], include: [] }
    for (const each of entry) found[each.search.mode].push(`${each.resource.resourceType}/${each.resource.id}`)
    return { status: response.status, text, found: { match: found.match.sort(), include: found.include.sort() } }
  }

  const nameOf = ({ resource }: Subject): string => `${resource.resourceType}/${resource.id}`

  function expected(type: string, query: string): string[] {
    const parsed = parseSearch(type, parseQuery(query, 'query'))
    return subjects
      .filter((subject) => matches(subject, parsed))
      .map(nameOf)
      .sort()
  }

  /** A value for each parameter from one resource; undefined if it lacks one. */
  function valuesOf(subject: Subject, names: readonly string[], prefix = ''): string | undefined {
    const parts = names.map((name) => {
      if (name === '_id') return `_id=${subject.resource.id}`
      const value = subject.values.map((each) => (each.param === name ? textOf(each, prefix) : undefined))
      const text = value.find((each) => each !== undefined)
      return text === undefined ? undefined : `${name}=${encodeURIComponent(text)}`
    })
    return parts.includes(undefined) ? undefined : parts.join('&')
  }

  const outcome = { asked: 0, without: [] as string[], failed: [] as string[] }

  async function hold(type: string, query: string, origin?: Subject): Promise<void> {
    outcome.asked++
    const wanted = expected(type, query)
    const { status, text, found } = await search(type, query)
    const good =
      status === 200 &&
      JSON.stringify(found.match) === JSON.stringify(wanted) &&
      (origin === undefined || found.match.includes(nameOf(origin)))
    if (!good)
      outcome.failed.push(`${type}?${query}: ${status === 200 ? `${found.match.join()} not ${wanted.join()}` : text}`)
  }

  it.each(['3.1.1', '6.1.0'])(
    'of %s are answered, all that SHALL be',
    async (version) => {
      Object.assign(outcome, { asked: 0, without: [], failed: [] })
      const file = join(SHARED_DATA, 'us-core-search-metadata', `us-core-${version}-metadata.yml`)
      const { ':groups': groups } = load(readFileSync(file, 'utf8')) as { ':groups': Group[] }
      for (const group of groups) {
        const type = group[':resource']
        const own = subjects.filter(({ resource }) => resource.resourceType === type)
        const shall = (group[':searches'] ?? []).filter((each) => each[':expectation'] === 'SHALL')
        const definitions = group[':search_definitions'] ?? {}
        for (const { ':names': names } of shall) {
          if (names.some((name) => !searchParametersOf(type).has(name))) {
            names.forEach((name) => searchParametersOf(type).has(name) || OF_US_CORE.add(`${type}.${name}`))
            outcome.failed.push(`${type}?${names.join('&')}`)
            continue
          }
          // the first that has all values, and the last, so that not every value is that of one resource
          const usable = own.filter((subject) => valuesOf(subject, names) !== undefined)
          if (usable.length === 0) outcome.without.push(`${type}?${names.join('&')}`)
          for (const subject of new Set([usable[0], usable.at(-1)])) {
            if (subject === undefined) continue
            const query = valuesOf(subject, names) ?? ''
            await hold(type, query, subject)
            for (const name of names) {
              const { ':comparators': comparators = {}, ':multiple_or': or } = definitions[name] ?? {}
              const rest = names.filter((each) => each !== name)
              for (const [prefix, how] of Object.entries(comparators)) {
                if (how !== 'SHALL') continue
                const query = [valuesOf(subject, rest) ?? '', valuesOf(subject, [name], prefix)]
                  .filter(Boolean)
                  .join('&')
                await hold(type, query)
              }
              if (or !== 'SHALL') continue
              const others = new Set(usable.map((each) => valuesOf(each, [name])?.split('=')[1]))
              await hold(
                type,
                [valuesOf(subject, rest) ?? '', `${name}=${[...others].slice(0, 5).join(',')}`]
                  .filter(Boolean)
                  .join('&'),
              )
            }
            await includes(group, type, query)
          }
        }
      }
      expect(outcome.failed).toEqual([])
      expect(outcome.without).toEqual([])
      expect(outcome.asked).toBeGreaterThanOrEqual(version === '3.1.1' ? 294 : 452)
    },
    600_000,
  )

  async function includes(group: Group, type: string, query: string): Promise<void> {
    for (const revinclude of group[':revincludes'] ?? []) {
      const [source = '', param = ''] = revinclude.split(':')
      outcome.asked++
      const { status, found } = await search(type, `${query}&_revinclude=${revinclude}`)
      const referring = subjects
        .filter(
          ({ resource, values }) =>
            resource.resourceType === source &&
            values.some(
              (value) =>
                value.param === param &&
                value.kind === 'reference' &&
                found.match.includes(`${value.type}/${value.id}`),
            ),
        )
        .map(nameOf)
        .sort()
      if (status !== 200 || String(found.include) !== String(referring)) {
        outcome.failed.push(
          `${type}?${query}&_revinclude=${revinclude}: ${found.include.join()} not ${referring.join()}`,
        )
      }
    }
    for (const include of group[':include_params'] ?? []) {
      const [, param = '', target] = include.split(':')
      outcome.asked++
      const { status, found } = await search(type, `${query}&_include=${include}`)
      const targets = subjects
        .filter((subject) => found.match.includes(nameOf(subject)))
        .flatMap(({ values }) =>
          values.flatMap((value) =>
            value.param === param && value.kind === 'reference' && value.id && (target ?? value.type) === value.type
              ? [`${value.type}/${value.id}`]
              : [],
          ),
        )
      const wanted = [...new Set(targets)]
        .filter((name) => subjects.some((subject) => nameOf(subject) === name) && !found.match.includes(name))
        .sort()
      if (status !== 200 || String(found.include) !== String(wanted)) {
        outcome.failed.push(`${type}?${query}&_include=${include}: ${found.include.join()} not ${wanted.join()}`)
      }
    }
  }

  it('are the parameters that the statement names', async () => {
    expect([...OF_US_CORE]).toEqual([])
    expect(isServed(searchParametersOf('Patient').get('family')!)).toBe(true)
    for (const chain of ['practitioner.identifier', 'practitioner.name']) {
      const [role] = subjects.filter(({ resource }) => resource.resourceType === 'PractitionerRole')
      const to = role?.values.find(({ param }) => param === 'practitioner')
      const practitioner = subjects.find(
        ({ resource }) => to?.kind === 'reference' && nameOf({ resource, values: [] }) === `${to.type}/${to.id}`,
      )
      const value = valuesOf(practitioner!, [chain.split('.')[1]!])?.split('=')[1]
      const { found } = await search('PractitionerRole', `${chain}=${value}`)
      expect(found.match).toContain(nameOf(role!))
    }
  })
})

function textOf(value: IndexValue, prefix: string): string | undefined {
  switch (value.kind) {
    case 'token':
      if (value.code === undefined) return undefined
      return value.system === undefined ? escaped(value.code) : `${escaped(value.system)}|${escaped(value.code)}`
    case 'string':
      return value.word ? undefined : escaped(value.value)
    case 'uri':
      return escaped(value.value)
    case 'reference':
      return value.id === undefined ? undefined : `${value.type}/${value.id}`
    case 'date':
      return dateText(value, prefix)
    default:
      return undefined
  }
}

const escaped = (text: string): string => text.replace(/[\\,$|]/g, '\\$&')

/** The day, month or year that contains a time; what is in none of them is asked for from its beginning on. */
function dateText({ lo, hi }: { lo: number; hi: number }, prefix: string): string {
  const [from, to] = [lo, hi - 1].map((at) => new Date(Math.min(Math.max(at, -6e13), 2.5e14)).toISOString()) as [
    string,
    string,
  ]
  if (prefix !== '') return prefix + from.slice(0, 10)
  const length = [10, 7, 4].find((digits) => from.slice(0, digits) === to.slice(0, digits))
  return length === undefined ? `ge${from.slice(0, 10)}` : from.slice(0, length)
}
