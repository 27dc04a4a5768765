import { it } from 'vitest'
import { indexValues } from '../../src/fhir/search-parameters.js'
import type { ValidResource } from '../../src/fhir/types.js'
import { syntheaResources } from '../support/shared-data.js'

/**
 * `npx vitest bench test/bench/search-parameters.bench.ts`: microseconds per Synthea resource for every search
 * parameter of its type, median over each resource's own median of rounds, and by type.
 */
const resources = syntheaResources('2019-smart', 10) as ValidResource[]
const ROUNDS = 15

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? NaN
}

function microseconds(resource: ValidResource): number {
  const from = process.hrtime.bigint()
  indexValues(resource)
  return Number(process.hrtime.bigint() - from) / 1000
}

it('indexValues of Synthea resources', () => {
  for (const resource of resources) indexValues(resource)
  const times = resources.map((resource) => ({
    type: resource.resourceType,
    time: median(Array.from({ length: ROUNDS }, () => microseconds(resource))),
    found: indexValues(resource).length,
  }))
  const byType = Object.groupBy(times, ({ type }) => type)
  console.table(
    Object.entries(byType)
      .map(([type, of = []]) => ({
        type,
        resources: of.length,
        'median µs': Number(median(of.map(({ time }) => time)).toFixed(1)),
        'median values': median(of.map(({ found }) => found)),
      }))
      .sort((a, b) => b['median µs'] - a['median µs']),
  )
  console.log(
    `indexValues: median ${median(times.map(({ time }) => time)).toFixed(1)} µs a resource over ${times.length} resources`,
  )
})
