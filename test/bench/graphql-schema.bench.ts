import { it } from 'vitest'
import { structures } from '../../src/fhir/definitions/structures.js'
import { searchParametersOf } from '../../src/fhir/search-parameters.js'
import { buildSchema } from '../../src/graphql/schema.js'
import { table } from '../graphql/support.js'

/** `npx vitest bench test/bench/graphql-schema.bench.ts`: milliseconds from nothing loaded to a schema of all 146 types. */
it('buildSchema', () => {
  structures()
  searchParametersOf('Patient')
  const times = Array.from({ length: 5 }, () => {
    const from = performance.now()
    const schema = buildSchema(table)
    return [performance.now() - from, Object.keys(schema.getTypeMap()).length] as const
  })
  const [first] = times
  const warm = times.map(([time]) => time).sort((a, b) => a - b)[2] ?? NaN
  console.log(`buildSchema: ${first?.[1]} types in ${first?.[0].toFixed(0)} ms cold, median ${warm.toFixed(0)} ms of 5`)
})
