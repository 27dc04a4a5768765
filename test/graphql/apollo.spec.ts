import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { getIntrospectionQuery, parse } from 'graphql'
import { describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { BoundedDocuments } from '../../src/graphql/document-store.js'
import { FhirGraphqlModule, GraphqlEngine } from '../../src/graphql/module.js'
import { type GraphqlRequest, runGraphql } from '../../src/graphql/run.js'
import { type Graphql, MemorySource, startGraphql, table } from './support.js'

const graphql = startGraphql()
const closed = startGraphql({ introspection: false })

const resources = [
  { resourceType: 'Patient', id: 'a', active: true, name: [{ family: 'Chalmers' }] },
  { resourceType: 'Patient', id: 'b', name: [{ family: 'Windsor' }, { family: 'Levin' }] },
]
async function ask(request: string | GraphqlRequest, on: Graphql = graphql) {
  const source = new MemorySource(resources)
  return runGraphql(on.server, typeof request === 'string' ? { query: request } : request, source, 'me')
}
const message = ({ errors }: { errors?: readonly { message: string }[] }): string => errors?.[0]?.message ?? 'no error'

describe('the Apollo Server of Nest', () => {
  it('has no way in of its own', async () => {
    const engine = new GraphqlEngine({ table, introspection: true, early: false, onFault: () => undefined })
    const app = await NestFactory.create<NestFastifyApplication>(FhirGraphqlModule.with(engine), new FastifyAdapter(), {
      logger: false,
    })
    await expect(engine.server()).rejects.toThrow('not ready')
    await app.init()
    try {
      expect(await engine.server()).toBeDefined()
      const query = JSON.stringify({ query: '{ __typename }' })
      const headers = { accept: 'text/html', 'apollo-require-preflight': '1' }
      for (const url of ['/graphql', '/graphql/', '/', '/graphiql', '/fhir/$graphql']) {
        for (const method of ['GET', 'POST', 'OPTIONS'] as const) {
          const { statusCode } = await app.inject({
            method,
            url,
            headers: method === 'POST' ? { ...headers, 'content-type': 'application/json' } : headers,
            ...(method === 'POST' ? { body: query } : {}),
          })
          expect(`${method} ${url} ${statusCode}`).toBe(`${method} ${url} 404`)
        }
      }
    } finally {
      await app.close()
    }
  })

  it('is started when it is first asked for, once, or before Nest is ready', async () => {
    for (const early of [false, true]) {
      let tables = 0
      const counted = {
        ...table,
        get resources() {
          tables++
          return table.resources
        },
      }
      const engine = new GraphqlEngine({ table: counted, introspection: true, early, onFault: () => undefined })
      const app = await NestFactory.create(FhirGraphqlModule.with(engine), new FastifyAdapter(), { logger: false })
      await app.init()
      expect(tables > 0).toBe(early)
      const [one, other] = await Promise.all([engine.server(), engine.server()])
      const made = tables
      expect([one === other, made > 0]).toEqual([true, true])
      expect(await engine.server()).toBe(one)
      expect(tables).toBe(made)
      await app.close()
      await expect(one.executeOperation({ query: '{ __typename }' })).rejects.toThrow('stopped')
    }
  })

  it('ends with Nest, whether anybody asked for it or not', async () => {
    const engine = new GraphqlEngine({ table, introspection: true, early: false, onFault: () => undefined })
    const app = await NestFactory.create(FhirGraphqlModule.with(engine), new FastifyAdapter(), { logger: false })
    await app.init()
    await app.close()
  })

  it('lets the schema be read or not', async () => {
    expect((await ask(getIntrospectionQuery())).errors).toBeUndefined()
    const refused = await ask(getIntrospectionQuery(), closed)
    expect(refused).toMatchObject({ status: 400, data: null })
    expect(message(refused)).toContain('introspection')
    expect((await ask('{ Patient(id: a) { __typename active } }', closed)).data).toEqual({
      Patient: { __typename: 'Patient', active: true },
    })
  })

  it('shows nothing of what went wrong inside, and tells operators', async () => {
    class Broken extends MemorySource {
      override async read(): Promise<undefined> {
        throw new TypeError('password=1')
      }
    }
    const answer = await runGraphql(graphql.server, { query: '{ Patient(id: a) { id } }' }, new Broken([]), '')
    expect(answer).toMatchObject({
      status: 500,
      data: null,
      errors: [{ message: 'The query could not be carried out.' }],
    })
    expect(JSON.stringify(answer)).not.toMatch(/password|stack|\.ts/)
    expect(graphql.faults).toContainEqual(new TypeError('password=1'))
  })

  it('tells errors in the order of the query, whichever came first', async () => {
    class Slow extends MemorySource {
      override async read(_: string, id: string): Promise<undefined> {
        if (id === 'a') await new Promise((resolve) => setTimeout(resolve, 20))
        throw id === 'a' ? new ConsentryError('forbidden', 'a') : new ConsentryError('not-found', 'b')
      }
    }
    const query = '{ one: Patient(id: a) { id } two: Patient(id: b) { id } }'
    const { status, errors } = await runGraphql(graphql.server, { query }, new Slow([]), '')
    expect([status, errors?.map(({ path }) => path)]).toEqual([403, [['one'], ['two']]])
  })

  it('keeps documents for every id of a type, and apart for every type', async () => {
    const query = '{ id name { family } }'
    const of = (type: string, id: string) => ask({ query, instance: { type, id } })
    expect((await of('Patient', 'a')).data).toEqual({ id: 'a', name: [{ family: 'Chalmers' }] })
    expect((await of('Patient', 'b')).data).toMatchObject({ id: 'b' })
    expect((await of('Patient', 'c')).status).toBe(404)
    expect(message(await of('Observation', 'a'))).toContain('name')
    expect(message(await ask(query))).toContain('Query')
    expect(message(await ask(`${query}\n# in Patient`))).toContain('Query')
  })

  it('answers a kept document like a new one, with other variables', async () => {
    const query =
      'query ($id: ID!, $is: Boolean) { Patient(id: $id) @flatten { id @include(if: $is) name @first { family } } }'
    const of = async (id: string, is: unknown) => ask({ query, variables: { id, is } })
    for (const _ of [1, 2]) {
      expect((await of('a', true)).data).toEqual({ id: 'a', name: [{ family: 'Chalmers' }] })
      expect((await of('b', false)).data).toEqual({ name: [{ family: 'Windsor' }] })
      expect((await of('a', undefined)).status).toBe(400)
    }
  })
})

describe('variables', () => {
  const search = async (definitions: string, place: string, variables: Record<string, unknown>) => {
    const source = new MemorySource(resources)
    const query = `query (${definitions}) { PatientList(${place}) { id } }`
    const answer = await runGraphql(graphql.server, { query, variables }, source, 'me')
    return answer.errors === undefined ? source.calls[0] : message(answer)
  }

  it('fit where FHIR lets them, each place by its own type', async () => {
    expect(await search('$v: String', 'gender: $v, family: $v, _sort: $v', { v: '_lastUpdated' })).toContain(
      'family=_lastUpdated&gender=_lastUpdated&_sort=_lastUpdated',
    )
    expect(await search('$v: String = "x"', 'name: $v', {})).toBe('me search Patient?name=x')
    expect(await search('$v: [String!]', 'name: $v', { v: ['x', 'y'] })).toBe('me search Patient?name=x,y')
    expect(await search('$v: Boolean', 'active: $v', { v: true })).toBe('me search Patient?active=true')
  })

  it('and nowhere else', async () => {
    expect(await search('$v: String', 'name: "x", _count: $v', { v: '1' })).toContain('expecting type "Int"')
    expect(await search('$v: [String]', 'name: "x", _sort: $v', { v: ['1'] })).toContain('expecting type "String"')
    expect(await search('$v: String', 'name: $w', { w: 'x' })).toContain('not defined')
    expect(await search('$v: String, $u: String', 'name: $v', { v: 'x' })).toContain('never used')
    expect(await search('$v: String', 'name: $v', { v: { a: 1 } })).toContain('string')
  })

  it('and cursors that somebody made up count by what is in them', async () => {
    const cursor = Buffer.from(JSON.stringify([['_count', '1000']])).toString('base64url')
    const query = (place: string) =>
      `query ($at: String = "${cursor}") { PatientConnection(_cursor: ${place}) { edges { resource { ObservationList(_reference: subject) { id } } } } }`
    expect(message(await ask(query('$at')))).toContain('costs')
    expect(message(await ask(query(`"${cursor}"`).replace(/query .*?\) /, '')))).toContain('costs')
    expect(message(await ask(query('$at').replace(/ = "[^"]*"/, '')))).toBe('no error')
  })

  it('with defaults count as much as what is given', async () => {
    const greedy =
      '{ PatientConnection(_count: $n) { edges { resource { ObservationList(_reference: subject) { id } } } } }'
    expect(message(await ask(`query ($n: Int = 1000) ${greedy}`))).toContain('costs')
    expect((await ask(`query ($n: Int = 2) ${greedy}`)).errors).toBeUndefined()
  })
})

describe('what grows beyond its text', () => {
  const quickly = async (query: string) => {
    const from = performance.now()
    const answer = await ask(query)
    // Each of these would take longer than the universe is old if nothing stopped it; a busy machine takes a second.
    expect(performance.now() - from).toBeLessThan(20_000)
    return answer
  }
  const bomb = (on: string, spread: (name: string) => string, last: string): string =>
    Array.from({ length: 60 }, (_, n) => `fragment f${n} on ${on} { ${n < 59 ? spread(`f${n + 1}`) : last} }`).join(' ')

  it('is refused: fragments that spread others twice', async () => {
    const twice = bomb('Patient', (name) => `...${name} ...${name}`, 'id')
    expect(message(await quickly(`{ Patient(id: a) { ...f0 } } ${twice}`))).toContain('costs')
  })

  it('or done once: fragments on an interface, whose branches count only once', async () => {
    const branches = bomb(
      'Resource',
      (name) => `... on Patient { ...${name} } ... on Patient { ...${name} }`,
      'id @first',
    )
    const { data } = await quickly(`{ PatientList(_id: a) { contained { ...f0 } ...f0 } } ${branches}`)
    expect(data).toEqual({ PatientList: [{ contained: null, id: 'a' }] })
  })

  it('is refused: references within references whose types nobody named', async () => {
    const nested = `${'basedOn { resource { '.repeat(7)} id ${'} }'.repeat(7)}`
    expect(message(await quickly(`{ TaskList { focus { resource { ${nested} } } } }`))).toContain('name the types')
  })

  it('is refused: introspection that walks from type to type', async () => {
    const walk =
      '{ __schema { types { ...t } } } fragment t on __Type { fields { type { ...u } } } fragment u on __Type { possibleTypes { name } }'
    expect(message(await quickly(walk))).toContain('within fields')
    const often = Array.from({ length: 100 }, (_, n) => `a${n}: __schema { types { fields { name } } }`).join(' ')
    expect(message(await quickly(`{ ${often} }`))).toContain('costs')
  })
})

describe('the store of documents', () => {
  it('forgets what was not asked for, and keeps nothing that would fill it', async () => {
    const store = new BoundedDocuments(100)
    const document = parse('{ a }')
    for (let n = 0; n < 50; n++) {
      await store.set(`k${n}`, document)
      await store.get('k0')
    }
    expect(store.nodes).toBeGreaterThan(50)
    expect(store.nodes).toBeLessThanOrEqual(100)
    expect(await store.get('k0')).toBe(document)
    expect(await store.get('k1')).toBeUndefined()
    await store.set('large', parse('{ a b c d e f }'))
    expect(await store.get('large')).toBeUndefined()
    await store.set('k0', document)
    expect(store.nodes).toBeLessThanOrEqual(100)
  })
})
