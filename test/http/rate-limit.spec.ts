import request from 'supertest'
import { describe, expect, it } from 'vitest'
import type { ConsentryError } from '../../src/errors.js'
import { RateLimit } from '../../src/http/rate-limit.js'
import { makeClient } from '../support/clients.js'
import { startEdge } from '../support/edge.js'

describe('a token bucket', () => {
  const taken = (limit: RateLimit, key: string): boolean | number => {
    try {
      limit.take(key)
      return true
    } catch (error) {
      return (error as ConsentryError).retryAfterSeconds ?? NaN
    }
  }

  it('allows the burst, then the rate, and says how long to wait', () => {
    let now = 0
    const limit = new RateLimit(10, 3, () => now)
    expect([1, 2, 3].map(() => taken(limit, 'a'))).toEqual([true, true, true])
    expect(taken(limit, 'a')).toBeCloseTo(0.1)
    now = 50
    expect(taken(limit, 'a')).toBeCloseTo(0.05)
    now = 100
    expect(taken(limit, 'a')).toBe(true)
    expect(taken(limit, 'a')).toBeCloseTo(0.1)
    now = 1e9
    expect([1, 2, 3, 4].map(() => taken(limit, 'a') === true)).toEqual([true, true, true, false])
  })

  it('keeps clients apart', () => {
    const limit = new RateLimit(1, 1, () => 0)
    expect([taken(limit, 'a'), taken(limit, 'b'), taken(limit, 'a') === true]).toEqual([true, true, false])
  })
})

describe('the rate of requests', () => {
  it('is limited per client: 429 with Retry-After, without taking from others', async () => {
    const edge = await startEdge({
      ratePerSecond: 1,
      rateBurst: 3,
      clients: [await makeClient('busy'), await makeClient('calm')],
    })
    const busy = `Bearer ${await edge.token('busy')}`
    const statuses: number[] = []
    for (let i = 0; i < 4; i++) {
      const response = await request(edge.fhir).get('/Patient/1').set('Authorization', busy)
      statuses.push(response.status)
      if (response.status === 429) {
        expect(response.headers['retry-after']).toBe('1')
        expect(response.body).toMatchObject({ resourceType: 'OperationOutcome', issue: [{ code: 'throttled' }] })
      }
    }
    expect(statuses).toEqual([200, 200, 200, 429])
    await request(edge.fhir)
      .get('/Patient/1')
      .set('Authorization', `Bearer ${await edge.token('calm')}`)
      .expect(200)
    await edge.close()
  })

  it('is limited per address where no token is asked for', async () => {
    const edge = await startEdge({ ratePerSecond: 1, rateBurst: 2 })
    const ask = () => fetch(`${edge.origin}/oauth/jwks`).then(({ status }) => status)
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429])
    await edge.close()
  })

  it('counts wrong tokens by address, so that guessing is slow', async () => {
    const edge = await startEdge({ ratePerSecond: 1, rateBurst: 2 })
    const guess = (token: string) => request(edge.fhir).get('/Patient/1').set('Authorization', `Bearer ${token}`)
    expect([(await guess('a')).status, (await guess('b')).status, (await guess('c')).status]).toEqual([401, 401, 429])
    await edge.close()
  })
})
