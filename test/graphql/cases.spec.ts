import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runGraphql } from '../../src/graphql/run.js'
import type { GraphqlResource, SearchPage } from '../../src/graphql/table.js'
import { hasSharedData, listShared, readShared, SHARED_DATA } from '../support/shared-data.js'
import { MemorySource, startGraphql } from './support.js'

const graphql = startGraphql()

/** The cases of FHIR/fhir-test-cases with what the reference implementation answers. */
const FOLDER = `${SHARED_DATA}graphql/`

interface Case {
  readonly name: string
  readonly source: string
  readonly output: string
  readonly context: string
  readonly operation: string | undefined
}

function cases(): Case[] {
  if (!existsSync(`${FOLDER}manifest.xml`)) return []
  const manifest = readFileSync(`${FOLDER}manifest.xml`, 'utf8')
  return Array.from(manifest.matchAll(/<test ([^>]*?)\/>/g), ([, attributes = '']) => {
    const of = (name: string): string | undefined => new RegExp(`${name}="([^"]*)"`).exec(attributes)?.[1]
    return {
      name: of('name') ?? '',
      source: of('source') ?? '',
      output: of('output') ?? '',
      context: of('context') ?? '',
      operation: of('operation'),
    }
  })
}

/** The answer of GraphQL has null for what is not there, the cases leave it out. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, each]) => each !== null && !ITS_OWN.has(key))
      .map(([key, each]) => [key, comparable(each)]),
  )
}

/** The page that the reference implementation's double of a server makes up. */
class CaseSource extends MemorySource {
  override async search(): Promise<SearchPage> {
    const example = this.resources.filter(({ resourceType, id }) => resourceType === 'Patient' && id === 'example')
    return { resources: [...example, { resourceType: 'Patient', id: 'xds', active: true }], total: 50, next: '50' }
  }
}

/** Made up by that double as well, or its own form: the score, and the text of a cursor. */
const ITS_OWN: ReadonlySet<string> = new Set(['score', 'mode', 'next', 'pagesize'])

describe.skipIf(!hasSharedData)('GraphQL cases of FHIR (../shared/data is needed)', () => {
  const files = listShared('r4-examples', 'json').filter((name) =>
    /^(Patient|Observation|List|MedicationDispense)-/.test(name),
  )
  const long = new URL('../../node_modules/hl7.fhir.r4.examples/List-long.json', import.meta.url)
  const resources = [
    ...files.map((name) => readShared('r4-examples', 'json', name) as unknown as GraphqlResource),
    { ...(JSON.parse(readFileSync(long, 'utf8')) as GraphqlResource), id: 'example-long' },
  ]

  it.each(cases())('$name', async ({ source, output, context, operation }) => {
    const [, type, id] = /^(\w+)\/([\w-]+)\/\$graphql$/.exec(context) ?? []
    const known = type === undefined || resources.some((each) => each.resourceType === type && each.id === id)
    expect(known, `${context} is among the examples`).toBe(true)
    const answer = await runGraphql(
      graphql.server,
      {
        query: readFileSync(FOLDER + source, 'utf8'),
        variables: { var: true },
        ...(operation === undefined ? {} : { operationName: operation }),
        ...(type === undefined || id === undefined ? {} : { instance: { type, id } }),
      },
      new CaseSource(resources),
      'case',
    )
    const plain = JSON.parse(JSON.stringify(answer)) as { data: unknown; errors?: unknown[] }
    if (output === '$error') expect(plain.errors).not.toBeUndefined()
    else {
      expect(plain.errors).toBeUndefined()
      expect(comparable(plain.data)).toEqual(comparable(JSON.parse(readFileSync(FOLDER + output, 'utf8'))))
    }
  })
})
