import { gzipSync } from 'node:zlib'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireScope } from '../../src/auth/allows.js'
import { ConsentryError, type ErrorKind } from '../../src/errors.js'
import { makeClient } from '../support/clients.js'
import { startEdge, type TestEdge } from '../support/edge.js'

let edge: TestEdge
let bearer: string
const recorded: { status: number; interaction: string }[] = []
let toThrow: unknown

beforeAll(async () => {
  edge = await startEdge({
    bodyBytes: 2000,
    clients: [await makeClient('ehr'), await makeClient('narrow', { scopes: 'system/Observation.rs' })],
    interactions: {
      read: async () => {
        throw toThrow
      },
      vread: async ({ principal }) => {
        requireScope(principal, 'Patient', 'vread')
        return { status: 200, headers: {} }
      },
      'history-system': undefined,
      refused: async (open, { status }) => void recorded.push({ status, interaction: open.interaction }),
    },
  })
  bearer = `Bearer ${await edge.token('ehr')}`
})
afterAll(() => edge.close())

const get = (path: string) => request(edge.fhir).get(path).set('Authorization', bearer)
const put = (path: string) => request(edge.fhir).put(path).set('Authorization', bearer)
interface Outcome {
  resourceType: string
  issue: { severity: string; code: string; diagnostics: string; expression?: string[] }[]
}
const issue = (response: { body: unknown }) => (response.body as Outcome).issue[0]

describe('an error of an interaction', () => {
  const EXPECTED: [kind: ErrorKind, status: number, code: string][] = [
    ['malformed', 400, 'invalid'],
    ['invalid', 422, 'business-rule'],
    ['unauthenticated', 401, 'login'],
    ['forbidden', 403, 'forbidden'],
    ['not-found', 404, 'not-found'],
    ['method-not-allowed', 405, 'not-supported'],
    ['not-acceptable', 406, 'not-supported'],
    ['conflict', 409, 'conflict'],
    ['gone', 410, 'deleted'],
    ['precondition-failed', 412, 'conflict'],
    ['too-large', 413, 'too-long'],
    ['unsupported-media-type', 415, 'not-supported'],
    ['throttled', 429, 'throttled'],
    ['not-supported', 501, 'not-supported'],
    ['integrity', 500, 'exception'],
    ['unavailable', 503, 'transient'],
  ]
  it.each(EXPECTED)('%s becomes %i with an OperationOutcome', async (kind, status, code) => {
    toThrow = new ConsentryError(kind, 'Said plainly.', { expression: ['Patient.name'] })
    const response = await get('/Patient/1').expect(status)
    expect(response.headers['content-type']).toBe('application/fhir+json; charset=utf-8')
    expect(response.body).toEqual({
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'error', code, diagnostics: 'Said plainly.', expression: ['Patient.name'] }],
    })
  })

  it('keeps every issue', async () => {
    const issues = ['a', 'b'].map((diagnostics) => ({
      severity: 'error' as const,
      code: 'value' as const,
      diagnostics,
    }))
    toThrow = new ConsentryError('invalid', 'two', { issues })
    expect((await get('/Patient/1').expect(422)).body).toMatchObject({ issue: issues })
  })

  it.each([
    [new ConsentryError('unavailable', 'Later.', { retryAfterSeconds: 7.2 }), 503, '8'],
    [new ConsentryError('throttled', 'Slower.', { retryAfterSeconds: 0.01 }), 429, '1'],
  ])('says when to try again', async (error, status, seconds) => {
    toThrow = error
    expect((await get('/Patient/1').expect(status)).headers['retry-after']).toBe(seconds)
  })

  it.each([
    new Error('SELECT name FROM patient: Smith'),
    new ConsentryError('internal', 'Smith'),
    'Smith',
    null,
    Object.assign(new Error('Smith'), { statusCode: 418, query: 'Smith' }),
  ])('that nobody foresaw is a 500 without detail, here and in the log', async (error) => {
    toThrow = error
    edge.log.length = 0
    const response = await get('/Patient/1?name=Smith').expect(500)
    expect(issue(response)).toMatchObject({ code: 'exception' })
    expect(response.text).not.toContain('Smith')
    const log = edge.log.join('')
    expect(log).toContain('a request failed')
    expect(log).toContain(response.headers['x-request-id'])
    if (!(error instanceof ConsentryError)) expect(log).not.toContain('Smith')
  })
})

describe('without a usable token', () => {
  const flip = (token: string) => `${token.slice(0, -10)}${token.at(-10) === 'A' ? 'B' : 'A'}${token.slice(-9)}`
  it.each([
    ['none', (): string | undefined => undefined, /needs an access token/, undefined],
    ['another scheme', (): string => 'Basic ZWhyOng=', /form "Bearer <token>"/, 'invalid_token'],
    ['not a JWT', (): string => 'Bearer abc', /malformed/, 'invalid_token'],
    ['a changed signature', (): string => flip(bearer), /signature/, 'invalid_token'],
  ] as const)('%s: 401 that says so', async (_name, authorization, words, error) => {
    const value = authorization()
    const asked = request(edge.fhir).get('/Patient/1')
    recorded.length = 0
    const response = await (value === undefined ? asked : asked.set('Authorization', value)).expect(401)
    expect(issue(response)?.diagnostics).toMatch(words)
    const challenge = String(response.headers['www-authenticate'])
    expect(challenge).toMatch(/^Bearer realm="fhir"/)
    if (error === undefined) expect(challenge).not.toContain('error=')
    else expect(challenge).toContain(`error="${error}"`)
    expect(recorded).toEqual([{ status: 401, interaction: 'read' }])
  })

  it('nothing of the body is needed to be refused', async () => {
    await request(edge.fhir).put('/Patient/1').type('application/fhir+json').send('x'.repeat(5000)).expect(401)
  })

  it('a missing scope is named, in the outcome and in the challenge', async () => {
    const response = await request(edge.fhir)
      .get('/Patient/1/_history/1')
      .set('Authorization', `Bearer ${await edge.token('narrow')}`)
      .expect(403)
    expect(issue(response)?.diagnostics).toContain('system/Patient.r')
    expect(response.headers['www-authenticate']).toContain('insufficient_scope')
  })

  it('a denial by consent does not pretend that another token would help', async () => {
    toThrow = new ConsentryError('forbidden', 'The patient has granted nothing.')
    expect((await get('/Patient/1').expect(403)).headers).not.toHaveProperty('www-authenticate')
  })
})

describe('a request that cannot be right', () => {
  it.each<[string, () => request.Test, number, string]>([
    ['an id', () => get('/Patient/a_b'), 400, 'http.path'],
    ['a type', () => get('/Patent/1'), 404, 'http.path'],
    ['a path', () => get('/Patient/%zz'), 400, 'http.path'],
    ['a query', () => get('/Patient?name=%zz'), 400, 'http.query'],
    ['a token', () => request(edge.fhir).get('/Patient/1'), 401, 'http.authorization'],
    ['a size', () => put('/Patient/1').type('application/fhir+json').send('x'.repeat(3000)), 413, 'http.body'],
    [
      'a coding',
      () => put('/Patient/1').type('application/fhir+json').set('Content-Encoding', 'gzip').send('no'),
      400,
      'http.body',
    ],
  ])('is told where: %s', async (_, ask, status, place) => {
    expect(issue(await ask().expect(status))?.expression).toEqual([place])
  })

  it('names near resource types', async () => {
    const response = await get('/Patent/1').expect(404)
    expect(issue(response)?.diagnostics).toContain('Did you mean Patient?')
    expect(issue(await get('/Qqqqqqqqqqqqqqq').expect(404))?.diagnostics).not.toContain('Did you mean')
  })

  it('lists the allowed methods', async () => {
    const response = await request(edge.fhir).post('/Patient/1').set('Authorization', bearer).expect(405)
    expect(response.headers['allow']).toBe('GET, PUT, PATCH, DELETE, HEAD, OPTIONS')
  })

  it.each([
    ['Accept', 'text/turtle'],
    ['Accept', 'application/fhir+xml; fhirVersion=5.0'],
    ['Accept', 'application/fhir+json; fhirVersion=3.0'],
    ['Accept', 'application/fhir+json;q=0'],
    ['Accept', 'image/png'],
  ])('%s: %s is 406', async (name, value) => {
    await get('/Patient/1').set(name, value).expect(406)
  })
  it('_format=ttl is 406', async () => {
    await get('/Patient/1?_format=ttl').expect(406)
  })

  it.each([
    'text/turtle',
    'text/plain',
    'application/fhir+json; charset=latin1',
    'nonsense',
    'application/fhir+json; fhirVersion=5.0',
  ])('a body of type %s is 415', async (type) => {
    expect(issue(await put('/Patient/1').set('Content-Type', type).send('{}').expect(415))?.expression).toEqual([
      'http.content-type',
    ])
  })

  it('a body of another version of FHIR is told which would be right', async () => {
    const of = (type: string) => put('/Patient/1').set('Content-Type', type).send('{}').expect(415)
    expect(issue(await of('application/fhir+json; fhirVersion=5.0'))?.diagnostics).toContain('fhirVersion=4.0')
    expect(issue(await of('text/plain'))?.diagnostics).not.toContain('fhirVersion')
  })

  it('a body without a type is 415, a missing body 400', async () => {
    const typeless = await fetch(`${edge.fhir}/Patient/1`, {
      method: 'PUT',
      headers: { authorization: bearer },
      body: Buffer.from('{}'),
    })
    expect(typeless.status).toBe(415)
    await put('/Patient/1').set('Content-Type', 'application/fhir+json').expect(400)
  })

  it('a body above the limit is 413, declared or not, compressed or not', async () => {
    const large = JSON.stringify({ note: 'x'.repeat(3000) })
    const refused = await put('/Patient/1').type('application/fhir+json').send(large).expect(413)
    expect(issue(refused)?.diagnostics).toContain('2000 bytes')
    const headers = { authorization: bearer, 'content-type': 'application/fhir+json' }
    const chunked = new ReadableStream({
      start(controller) {
        controller.enqueue(Buffer.from(large))
        controller.close()
      },
    })
    const streamed = await fetch(`${edge.fhir}/Patient/1`, {
      method: 'PUT',
      headers,
      body: chunked,
      duplex: 'half',
    })
    expect(streamed.status).toBe(413)
    const bomb = await fetch(`${edge.fhir}/Patient/1`, {
      method: 'PUT',
      headers: { ...headers, 'content-encoding': 'gzip' },
      body: gzipSync('x'.repeat(1_000_000)),
    })
    expect(bomb.status).toBe(413)
  })

  it('a compressed body that is none, or cut short, is 400; an unknown coding 415', async () => {
    const send = (coding: string, body: Buffer) =>
      fetch(`${edge.fhir}/Patient/1`, {
        method: 'PUT',
        headers: { authorization: bearer, 'content-type': 'application/json', 'content-encoding': coding },
        body,
      })
    expect((await send('gzip', Buffer.from('not gzip'))).status).toBe(400)
    expect((await send('gzip', gzipSync('{"a":"some text"}').subarray(0, 20))).status).toBe(400)
    expect((await send('br', Buffer.from('not brotli'))).status).toBe(400)
    expect((await send('compress', Buffer.from('x'))).status).toBe(415)
  })

  it.each(['/Patient?name=%zz', '/Patient?%ff=1', '/Patient/%zz', '/Pati%e0ent/1', '/Patient?name=%00'])(
    '%s is 400',
    async (path) => {
      await get(path).expect(400)
    },
  )

  it.each(['/Patient/a_b', `/Patient/${'1'.repeat(65)}`, '/Patient/1%2F_history', '/Patient/1/_history/%20'])(
    '%s is no logical id: 400',
    async (path) => {
      expect(issue(await get(path).expect(400))?.code).toBe('value')
    },
  )

  it('an interaction that is not offered is 501', async () => {
    await get('/_history').expect(501)
  })

  it('says at an unknown path of the base where to look', async () => {
    expect(issue(await get('/Patient/1/2/3/4/5').expect(404))?.diagnostics).toContain('/metadata')
  })

  it('more parameters or a larger form than anyone needs are refused', async () => {
    await get(`/Patient?${'a=1&'.repeat(1001)}`).expect(400)
    const form = await fetch(`${edge.fhir}/Patient/_search`, {
      method: 'POST',
      headers: { authorization: bearer, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'a=%zz',
    })
    expect(form.status).toBe(400)
  })
})
