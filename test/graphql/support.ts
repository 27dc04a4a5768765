import 'reflect-metadata'
import type { ApolloServer } from '@apollo/server'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import type { GraphQLSchema } from 'graphql'
import { afterAll, beforeAll } from 'vitest'
import { elementFilter } from '../../src/fhir/element-filter.js'
import { structures } from '../../src/fhir/definitions/structures.js'
import { searchParametersOf } from '../../src/fhir/search-parameters.js'
import { isServed, parseSearch } from '../../src/fhir/search-query.js'
import { matches, subjectOf } from '../../src/fhir/search/matches.js'
import type { GraphqlResource, GraphqlSource, GraphqlTable, ResourceRef, SearchPage } from '../../src/graphql/table.js'
import type { ApolloParts } from '../../src/graphql/apollo.js'
import { FhirGraphqlModule, GraphqlEngine } from '../../src/graphql/module.js'
import { buildSchema } from '../../src/graphql/schema.js'

export const table: GraphqlTable = {
  ...structures(),
  searchParameters: (type) => [...searchParametersOf(type).values()].filter(isServed),
  filter: elementFilter,
}

let built: GraphQLSchema | undefined
export const schema = (): GraphQLSchema => (built ??= buildSchema(table))

export interface Graphql {
  readonly server: ApolloServer
  /** What operators would have been told. */
  readonly faults: unknown[]
}

/** The Apollo Server of a Nest application, as the gateway has it; for the tests of the file that calls it. */
export function startGraphql(parts: Partial<ApolloParts> = {}): Graphql {
  const faults: unknown[] = []
  const onFault = (_: string, error: unknown): void => void faults.push(error)
  const engine = new GraphqlEngine({ table, introspection: true, early: true, onFault, ...parts })
  let stop = async (): Promise<void> => undefined
  let server: ApolloServer
  beforeAll(async () => {
    const app = await NestFactory.create(FhirGraphqlModule.with(engine), new FastifyAdapter(), { logger: false })
    stop = () => app.close()
    await app.init()
    server = await engine.server()
  })
  afterAll(() => stop())
  return {
    faults,
    get server() {
      return server
    },
  }
}

/** A server in memory that searches with the parser and matcher of src/fhir, and counts what it is asked. */
export class MemorySource implements GraphqlSource<string> {
  readonly calls: string[] = []
  readonly base = 'https://here.example/fhir'

  constructor(
    readonly resources: readonly GraphqlResource[],
    readonly page = 50,
  ) {}

  async read(type: string, id: string, context: string): Promise<GraphqlResource | undefined> {
    this.calls.push(`${context} read ${type}/${id}`)
    return this.#find({ type, id })
  }

  async resolve(refs: readonly ResourceRef[], context: string): Promise<(GraphqlResource | undefined)[]> {
    this.calls.push(`${context} resolve ${refs.map(({ type, id }) => `${type}/${id}`).join(' ')}`)
    return refs.map((ref) => this.#find(ref))
  }

  async search(type: string, params: readonly (readonly [string, string])[], context: string): Promise<SearchPage> {
    this.calls.push(`${context} search ${type}?${params.map(([name, value]) => `${name}=${value}`).join('&')}`)
    const query = parseSearch(type, params)
    const found = this.resources.filter((resource) => matches(subjectOf(resource as never), query))
    const from = Number(query.cursor ?? 0)
    const to = from + (query.count ?? this.page)
    return {
      resources: found.slice(from, to),
      ...(query.total === 'accurate' ? { total: found.length } : {}),
      ...(to < found.length ? { next: String(to) } : {}),
    }
  }

  #find({ type, id }: ResourceRef): GraphqlResource | undefined {
    return this.resources.find((resource) => resource.resourceType === type && resource.id === id)
  }
}
