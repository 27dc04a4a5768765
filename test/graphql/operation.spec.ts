import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import type { FhirInteractions, InteractionRequest } from '../../src/gateway/interaction.js'
import { graphqlOperation } from '../../src/graphql/operation.js'
import { startGraphql } from './support.js'

const graphql = startGraphql()
let underWay: number
let atOnce: number
let asked: number
beforeEach(() => {
  ;[underWay, atOnce, asked] = [0, 0, 0]
})

async function search(): Promise<object> {
  asked++
  atOnce = Math.max(atOnce, ++underWay)
  await sleep(5)
  underWay--
  const entry = [{ resource: { resourceType: 'Patient', id: 'a' }, search: { mode: 'match' } }]
  return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ resourceType: 'Bundle', entry })) }
}
const operation = () =>
  graphqlOperation({
    engine: { server: async () => graphql.server },
    interactions: () => ({ 'search-type': search }) as unknown as FhirInteractions, // what lists are made of
    parse: (body) => JSON.parse(Buffer.from(body).toString()) as unknown,
    baseUrl: 'https://here.example/fhir',
  })
const request = (query: string) =>
  ({ params: [['query', query]], headers: {}, method: 'GET' }) as unknown as InteractionRequest // what the operation reads

describe('a query of many searches', () => {
  const query = `{ ${Array.from({ length: 40 }, (_, i) => `a${i}: PatientList(name: "n${i}") { id }`).join(' ')} }`

  it('has four of them under way at a time, and all of them answered', async () => {
    const { body } = await operation()(request(query))
    const { data } = JSON.parse(body as string) as { data: Record<string, { id: string }[]> }
    expect(Object.values(data)).toEqual(Array.from({ length: 40 }, () => [{ id: 'a' }]))
    expect([asked, atOnce]).toEqual([40, 4])
  })

  it('waits for nobody else’s', async () => {
    const run = operation()
    await Promise.all([run(request(query)), run(request(query))])
    expect([asked, atOnce]).toEqual([80, 8])
  })
})
