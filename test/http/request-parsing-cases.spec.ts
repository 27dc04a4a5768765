import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { matchRoute } from '../../src/http/routes.js'
import { TYPES } from '../support/edge.js'
import { hasSharedData, SHARED_DATA } from '../support/shared-data.js'

/** The interactions of that server by ours; absent: nothing is there. */
const OURS: Readonly<Record<string, string>> = {
  SystemSearch: 'search-system',
  SystemCapabilities: 'capabilities',
  SystemHistory: 'history-system',
  SystemOperation: 'operation',
  TypeOperation: 'operation',
  TypeCreate: 'create',
  TypeSearch: 'search-type',
  TypeDeleteConditional: 'delete',
  InstanceOperation: 'operation',
  InstanceReadHistory: 'history-instance',
  InstancePatch: 'patch',
  CompartmentSearch: 'search-compartment',
  CompartmentTypeSearch: 'search-compartment',
}

/** By method and path, the sentence of R4 for what is answered otherwise. */
const OTHERWISE: ReadonlyMap<string, string> = new Map([
  ['PUT Patient', 'a conditional update (http.html#cond-update); without parameters the interaction refuses it'],
  ['DELETE $test', 'this server serves the DELETE of an asynchronous request at an operation of the base'],
  ['DELETE ', 'R4 deletes by condition within a type alone (http.html#3.1.0.7.1)'],
  ['DELETE Patient/id/_history', 'no interaction of R4 deletes versions'],
  ['DELETE Patient/id/_history/version', 'no interaction of R4 deletes versions'],
])
/** https://hl7.org/fhir/R4/http.html#general: the edge answers HEAD as GET without a body, so the table has no HEAD. */
const HEAD = 'HEAD is answered from GET'

describe.skipIf(!hasSharedData)('request parsing cases of candle (../shared/data is needed)', () => {
  const cases = hasSharedData
    ? readFileSync(join(SHARED_DATA, 'search-cases-candle', 'request-parsing-cases.tsv'), 'utf8')
        .split('\n')
        .slice(1)
        .map((line) => line.split('\t').map((column) => column.trim()))
        .filter(([method]) => method !== '')
    : []

  it('are told apart as there, or are listed', () => {
    const differing: string[] = []
    for (const [method = '', url = '', expected = ''] of cases) {
      if (method === 'HEAD') continue
      const path = url.split('?')[0] ?? ''
      const match = matchRoute(method, path === '' ? [] : path.split('/'), TYPES)
      const found = match.kind === 'found' ? match.target.interaction : undefined
      if (found !== OURS[expected] && !OTHERWISE.has(`${method} ${path}`)) {
        differing.push(`${method} ${url}: ${found}, not ${expected}`)
      }
    }
    expect(differing, HEAD).toEqual([])
    expect(cases.length).toBeGreaterThanOrEqual(50)
  })
})
