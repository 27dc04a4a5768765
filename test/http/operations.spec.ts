import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import { startEdge, type TestEdge } from '../support/edge.js'

let edge: TestEdge
let draining = false
let fault: Error | undefined
beforeAll(async () => {
  edge = await startEdge({
    draining: () => draining,
    checks: [
      { name: 'database', check: async () => undefined },
      {
        name: 'chain',
        check: async () => {
          if (fault !== undefined) throw fault
        },
      },
    ],
  })
})
afterAll(() => edge.close())
const ready = () => request(edge.origin).get('/health/ready')

describe('health', () => {
  it('is live', async () => {
    await request(edge.origin).get('/health/live').expect(200, { status: 'live' })
  })

  it('is ready while every part is', async () => {
    await ready().expect(200, { status: 'ready', parts: { database: 'ok', chain: 'ok' } })
  })

  it('names the part that is not, without what only we may read', async () => {
    fault = new ConsentryError('unavailable', 'The node has not confirmed its head for 90 s.')
    const known = await ready().expect(503)
    expect(known.body).toEqual({
      status: 'not ready',
      parts: { database: 'ok', chain: 'The node has not confirmed its head for 90 s.' },
    })
    fault = new Error('connect ECONNREFUSED postgres://user:secret@host')
    expect((await ready().expect(503)).text).not.toContain('secret')
    fault = undefined
  })

  it('is not ready on its way down', async () => {
    draining = true
    const response = await ready().expect(503)
    expect(response.body).toMatchObject({ status: 'draining' })
    expect(response.headers['retry-after']).toBe('1')
    draining = false
  })
})

describe('what is kept of requests', () => {
  it('metrics count by interaction and status and know nobody', async () => {
    const bearer = `Bearer ${await edge.token()}`
    await request(edge.fhir).get('/Patient/Smith-17?family=Smith').set('Authorization', bearer).expect(200)
    await request(edge.fhir).get('/Patient/Smith-17').expect(401)
    const { text } = await request(edge.origin).get('/metrics').expect(200)
    expect(text).toMatch(/consentry_http_requests_total\{interaction="read",status="200"\} 1\n/)
    expect(text).toMatch(/consentry_http_requests_total\{interaction="read",status="401"\} 1\n/)
    expect(text).toMatch(/consentry_http_request_seconds_count\{interaction="read"\} 2\n/)
    expect(text).toContain('nodejs_eventloop_lag_seconds')
    expect(text).not.toMatch(/Smith|Patient|ehr/)
  })

  it('a log line says what was asked and how it ended, and nothing of whom it was about', async () => {
    const token = await edge.token()
    edge.log.length = 0
    await request(edge.fhir)
      .post('/Patient/_search?family=Smith')
      .set('Authorization', `Bearer ${token}`)
      .set('X-Request-Id', 'request-9')
      .type('form')
      .send('given=Annabel')
      .expect(200)
    await request(edge.fhir).get('/Patient/Smith-17').set('Authorization', 'Bearer Annabel').expect(401)
    const lines = edge.log.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines).toMatchObject([
      {
        requestId: 'request-9',
        method: 'POST',
        interaction: 'search-type',
        type: 'Patient',
        client: 'ehr',
        status: 200,
      },
      { method: 'GET', interaction: 'read', type: 'Patient', status: 401 },
    ])
    expect(edge.log.join('')).not.toMatch(/Smith|Annabel/)
    expect(edge.log.join('')).not.toContain(token)
  })
})
