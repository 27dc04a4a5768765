import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseXml } from '../../src/fhir/xml.js'
import { startEdge, type TestEdge } from '../support/edge.js'
import { ask, body, headers, method, url } from '../support/nasty.js'

const isXml = (received: Record<string, unknown>): boolean => String(received['content-type']).includes('xml')

let edge: TestEdge
let bearer: string
beforeAll(async () => {
  edge = await startEdge({ bodyBytes: 10_000 })
  bearer = `Bearer ${await edge.token()}`
})
afterAll(() => edge.close())

describe('whatever is sent', () => {
  it('is answered without a fault, with a request id, and refusals of the FHIR base are OperationOutcomes', async () => {
    await fc.assert(
      fc.asyncProperty(method, url, headers, body, async (verb, path, given, bytes) => {
        const sent = { ...given, ...(given.authorization === 'valid' ? { authorization: bearer } : {}) }
        const { status, text, received } = await ask(edge.origin, verb, path, sent, bytes)
        expect([status, path]).toSatisfy(([code]: [number]) => code < 500)
        // 417 and what the parser of node refuses come before anything of ours.
        if (status === 417 || received['x-request-id'] === undefined) return
        expect(received['x-content-type-options']).toBe('nosniff')
        if (path.startsWith('/fhir/') && status >= 400 && verb !== 'HEAD' && received['content-encoding'] === undefined)
          if (['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(verb))
            expect(isXml(received) ? parseXml(text) : JSON.parse(text)).toMatchObject({
              resourceType: 'OperationOutcome',
            })
      }),
      { numRuns: 1500 },
    )
    expect(edge.log.filter((line) => line.includes('a request failed'))).toEqual([])
  })
})
