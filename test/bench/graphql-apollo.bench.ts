import { execute, type GraphQLSchema, Kind, parse, specifiedRules, validate } from 'graphql'
import { expect, it } from 'vitest'
import { expandFhirForms } from '../../src/graphql/expand.js'
import { introspectionRule } from '../../src/graphql/introspection-rule.js'
import { GRAPHQL_LIMITS, tooCostly } from '../../src/graphql/limits.js'
import { plainValues, plainVariables } from '../../src/graphql/plain-variables.js'
import { GraphqlRequestState } from '../../src/graphql/request.js'
import { reshape, reshapes, selectSlices } from '../../src/graphql/reshape.js'
import { runGraphql } from '../../src/graphql/run.js'
import type { GraphqlResource, SearchPage } from '../../src/graphql/table.js'
import { MemorySource, schema, startGraphql } from '../graphql/support.js'

/**
 * `npx vitest bench test/bench/graphql-apollo.bench.ts`: microseconds for a request through Apollo Server with its
 * document kept, through Apollo with a document that it has never seen, and with graphql-js alone, which parses,
 * writes out and validates each time. The source costs nothing, so that what is between shows.
 */
const graphql = startGraphql()

const resources: GraphqlResource[] = Array.from({ length: 50 }, (_, n) => ({
  resourceType: 'Patient',
  id: `p${n}`,
  active: true,
  name: [{ use: 'official', family: 'Chalmers', given: ['Peter', 'James'] }],
  managingOrganization: { reference: 'Organization/o' },
}))
class Free extends MemorySource {
  override async search(): Promise<SearchPage> {
    return { resources }
  }
}
const source = new Free([...resources, { resourceType: 'Organization', id: 'o', name: 'Here' }])

async function direct(own: GraphQLSchema, query: string, variables: Record<string, unknown>): Promise<unknown> {
  const parsed = parse(query, { maxTokens: GRAPHQL_LIMITS.tokens })
  const document = plainVariables(own, expandFhirForms(own, selectSlices(parsed), GRAPHQL_LIMITS.fields))
  expect(validate(own, document, [...specifiedRules, introspectionRule])).toEqual([])
  const [operation] = document.definitions
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new TypeError(query)
  const variableValues = plainValues(operation, variables)
  expect(tooCostly(own, document, operation, GRAPHQL_LIMITS, variableValues)).toBeUndefined()
  const contextValue = new GraphqlRequestState(source, 'me')
  const { data } = await execute({ schema: own, document, contextValue, variableValues })
  return reshapes(document) ? reshape(document, undefined, data) : data
}

const QUERIES: readonly (readonly [string, string])[] = [
  ['one resource', 'query ($id: ID!) { Patient(id: $id) { id active name { family given } } }'],
  [
    'a list of 50 with references',
    'query ($use: String) { PatientList { id name(use: $use) { family given } managingOrganization { resource { ... on Organization { name } } } } }',
  ],
  [
    'a polymorphic reference, flattened',
    '{ ObservationList @flatten { subject { resource(optional: true) { name @first } } } }',
  ],
]

it('runs GraphQL', async () => {
  const variables = { id: 'p1', use: 'official' }
  for (const [name, query] of QUERIES) {
    let fresh = 0
    const ways = {
      kept: () => runGraphql(graphql.server, { query, variables }, source, 'me'),
      unseen: () => runGraphql(graphql.server, { query: `${query} # ${fresh++}`, variables }, source, 'me'),
      direct: () => direct(schema(), query, variables),
    }
    expect(JSON.stringify((await ways.kept()).data)).toBe(JSON.stringify(await ways.direct()))
    const times: Record<string, number[]> = { kept: [], unseen: [], direct: [] }
    for (let round = 0; round < 400; round++) {
      for (const [way, run] of Object.entries(ways)) {
        const from = performance.now()
        await run()
        times[way]?.push((performance.now() - from) * 1000)
      }
    }
    const median = (way: string): number => times[way]?.sort((a, b) => a - b)[200] ?? NaN
    const [kept, unseen, alone] = [median('kept'), median('unseen'), median('direct')]
    console.log(
      `${name}: Apollo ${kept.toFixed(0)} µs, unseen ${unseen.toFixed(0)} µs, graphql-js alone ${alone.toFixed(0)} µs; ` +
        `ratio ${(kept / alone).toFixed(2)}, unseen ${(unseen / alone).toFixed(2)}`,
    )
  }
})
