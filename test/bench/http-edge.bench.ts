/**
 * What the edge costs, and which compression is worth it. `npx vitest bench --run test/bench/http-edge.bench.ts`
 * Requests go over one keep-alive connection at a time, with a warm token; the interaction answers at once.
 */
import { Agent, request } from 'node:http'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { fastify } from 'fastify'
import { afterAll, beforeAll, it } from 'vitest'
import { stringify } from '../../src/fhir/json.js'
import { startEdge, type TestEdge } from '../support/edge.js'
import { hasSharedData, syntheaResources } from '../support/shared-data.js'

const resource = JSON.stringify({
  resourceType: 'Observation',
  id: 'a1',
  meta: { versionId: '1', lastUpdated: '2026-11-20T10:00:00.000Z' },
  status: 'final',
  category: [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
  ],
  code: { coding: [{ system: 'http://loinc.org', code: '8302-2', display: 'Body Height' }], text: 'Body Height' },
  subject: { reference: 'Patient/p1' },
  effectiveDateTime: '2012-03-04T05:06:07+01:00',
  valueQuantity: { value: 171.5, unit: 'cm', system: 'http://unitsofmeasure.org', code: 'cm' },
})
/** Fifty resources of a real-looking record as one page, where the shared data is at hand. */
const entries = syntheaResources('2021-blaze', 1000)
  .filter(({ resourceType }) => resourceType !== 'DiagnosticReport')
  .slice(100, 150)
const page = Buffer.from(
  stringify({ resourceType: 'Bundle', type: 'searchset', entry: entries.map((r) => ({ resource: r })) }),
)

let edge: TestEdge
let bearer: string
const bare = fastify()
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
let bareUrl: string

beforeAll(async () => {
  edge = await startEdge({
    interactions: { read: async () => ({ status: 200, headers: { etag: 'W/"1"' }, body: Buffer.from(resource) }) },
  })
  bearer = `Bearer ${await edge.token()}`
  bare.get('/Observation/:id', async () => Buffer.from(resource))
  bareUrl = await bare.listen({ port: 0, host: '127.0.0.1' })
})
afterAll(async () => {
  agent.destroy()
  await edge.close()
  await bare.close()
})

function get(url: string, headers: Record<string, string> = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    request(url, { agent, headers }, (response) => {
      response.resume()
      response.on('end', resolve)
    })
      .on('error', reject)
      .end()
  })
}

const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1] ?? NaN
async function timed(times: number, work: () => Promise<unknown>): Promise<number> {
  const measured: number[] = []
  for (let i = 0; i < times; i++) {
    const from = performance.now()
    await work()
    measured.push(performance.now() - from)
  }
  return median(measured) * 1000
}

it('one read after the other', async () => {
  const ways = {
    bare: () => get(`${bareUrl}/Observation/a1`),
    edge: () => get(`${edge.fhir}/Observation/a1`, { authorization: bearer }),
  }
  for (const way of Object.values(ways)) await timed(3000, way)
  const bareTime = await timed(5000, ways.bare)
  const edgeTime = await timed(5000, ways.edge)
  console.log(
    `a read: bare fastify ${bareTime.toFixed(0)} µs, the edge ${edgeTime.toFixed(0)} µs, ratio ${(edgeTime / bareTime).toFixed(2)}`,
  )
})

it.skipIf(!hasSharedData)('compression of a page', async () => {
  const gz = promisify(gzip)
  const br = promisify(brotliCompress)
  const quality = (q: number) => ({ params: { [constants.BROTLI_PARAM_QUALITY]: q } })
  for (const [name, run] of [
    ['gzip 1', () => gz(page, { level: 1 })],
    ['gzip 6', () => gz(page, { level: 6 })],
    ['br 0', () => br(page, quality(0))],
    ['br 1', () => br(page, quality(1))],
    ['br 2', () => br(page, quality(2))],
    ['br 4', () => br(page, quality(4))],
  ] as const) {
    const { length } = await run()
    const time = await timed(300, run)
    console.log(
      `${name}: ${page.length} → ${length} bytes (${((100 * length) / page.length).toFixed(1)} %) in ${time.toFixed(0)} µs`,
    )
  }
})
