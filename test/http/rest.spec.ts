import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ENTITY } from '../support/clients.js'
import { startEdge, type TestEdge } from '../support/edge.js'

let edge: TestEdge
let bearer: string
const LARGE = JSON.stringify({ resourceType: 'Bundle', note: 'x'.repeat(5000) })

beforeAll(async () => {
  edge = await startEdge({
    interactions: {
      vread: async () => ({
        status: 200,
        headers: { etag: 'W/"2"', 'last-modified': 'Fri, 20 Nov 2026 10:00:00 GMT' },
        body: Buffer.from('{"a":[1.50,{}],"b":"x: {y}"}'),
      }),
      'history-type': async () => ({ status: 200, headers: {}, body: LARGE }),
      create: async () => ({ status: 201, headers: { location: 'http://x/Patient/1/_history/1' }, body: {} }),
      delete: async () => ({ status: 204, headers: { etag: 'W/"3"' } }),
      'history-system': async () => ({ status: 200, headers: {}, body: streamed(2) }),
      'search-system': async () => ({ status: 200, headers: {}, body: failing() }),
      'history-instance': async () => ({ status: 304, headers: { etag: 'W/"2"' }, body: 'never sent' }),
    },
  })
  bearer = `Bearer ${await edge.token()}`
})
afterAll(() => edge.close())

async function* streamed(parts: number) {
  for (let i = 0; i < parts; i++) yield `{"part":${i}}\n`
}

/** Fails when the client has the first part. */
let received = Promise.withResolvers<void>()
async function* failing() {
  yield '{"part":0}\n'
  await received.promise
  throw new Error('lost')
}

async function* observed(began: string[]) {
  began.push('asked')
  yield 'a'
}

// eslint-disable-next-line require-yield -- it fails first
async function* failingFirst(): AsyncGenerator<string> {
  throw new Error('lost')
}

const get = (path: string) => request(edge.fhir).get(path).set('Authorization', bearer)
const last = () => edge.seen.at(-1)

describe('a request', () => {
  it('reaches its interaction with everything it needs and nothing else', async () => {
    await get('/Observation?code=a%2Cb&code=c&_pretty=true&_format=json&name:exact=x%20y+z')
      .set({
        'X-Request-Id': 'abc-1',
        Prefer: 'handling=lenient',
        'If-None-Match': 'W/"1"',
        Cookie: 'a=b',
        'X-Other': '1',
      })
      .expect(200)
    expect(last()).toMatchObject({
      interaction: 'search-type',
      method: 'GET',
      type: 'Observation',
      params: [
        ['code', 'a,b'],
        ['code', 'c'],
        ['name:exact', 'x y z'],
      ],
      requestId: 'abc-1',
      clientAddress: '127.0.0.1',
      baseUrl: edge.fhir,
    })
    expect(Object.keys(last()?.headers ?? {}).sort()).toEqual(['accept', 'if-none-match', 'prefer', 'x-request-id'])
    expect(last()).not.toHaveProperty('body')
    expect(last()?.principal).toMatchObject({
      clientId: 'ehr',
      entity: ENTITY,
      role: 'system',
      purposes: ['TREAT'],
    })
    expect(last()?.principal?.scopes.map(({ text }) => text)).toEqual(['system/*.cruds'])
  })

  it('gives the body as the bytes that came', async () => {
    const text = '{ "resourceType": "Patient",\n "multipleBirthInteger": 1.50 }'
    await request(edge.fhir)
      .put('/Patient/1')
      .set('Authorization', bearer)
      .set('Content-Type', 'application/fhir+json; charset=utf-8')
      .send(text)
      .expect(200)
    expect(Buffer.from(last()?.body ?? []).toString()).toBe(text)
  })

  it('undoes the compression of a body', async () => {
    const text = '{"resourceType":"Patient"}'
    await fetch(`${edge.fhir}/Patient/1`, {
      method: 'PUT',
      headers: { authorization: bearer, 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: gzipSync(text),
    }).then((response) => expect(response.status).toBe(200))
    expect(Buffer.from(last()?.body ?? []).toString()).toBe(text)
  })

  it('joins query and form of a posted search', async () => {
    await request(edge.fhir)
      .post('/Patient/_search?_count=3')
      .set('Authorization', bearer)
      .type('form')
      .send('name=a+b&birthdate=ge2000&_format=json')
      .expect(200)
    expect(last()).toMatchObject({
      interaction: 'search-type',
      method: 'POST',
      params: [
        ['_count', '3'],
        ['name', 'a b'],
        ['birthdate', 'ge2000'],
      ],
    })
  })

  it('takes any content type for a Binary', async () => {
    await request(edge.fhir)
      .put('/Binary/1')
      .set('Authorization', bearer)
      .set('Content-Type', 'image/png')
      .send(Buffer.from([1, 2, 3]))
      .expect(200)
    expect([...(last()?.body ?? [])]).toEqual([1, 2, 3])
    expect(last()?.headers['content-type']).toBe('image/png')
  })

  it('tells the interaction when the client goes away', async () => {
    let gone: AbortSignal | undefined
    const began = Promise.withResolvers<void>()
    const slow = await startEdge({
      interactions: {
        read: async ({ signal }) => {
          gone = signal
          began.resolve()
          await new Promise((resolve) => signal?.addEventListener('abort', resolve))
          return { status: 200, headers: {} }
        },
      },
    })
    const stop = new AbortController()
    const asked = fetch(`${slow.fhir}/Patient/1`, {
      headers: { authorization: `Bearer ${await slow.token()}` },
      signal: stop.signal,
    })
    await began.promise
    expect(gone?.aborted).toBe(false)
    stop.abort()
    await expect(asked).rejects.toThrow()
    await new Promise((resolve) => (gone?.aborted ? resolve(null) : gone?.addEventListener('abort', resolve)))
    await slow.close()
  })

  it('needs no token for the capabilities', async () => {
    await request(edge.fhir).get('/metadata').expect(200, { resourceType: 'CapabilityStatement' })
    expect(last()).not.toHaveProperty('principal')
  })
})

describe('a response', () => {
  it('passes bytes through untouched, with the headers of the interaction', async () => {
    const response = await get('/Patient/1/_history/2').expect(200)
    expect(response.text).toBe('{"a":[1.50,{}],"b":"x: {y}"}')
    expect(response.headers).toMatchObject({
      etag: 'W/"2"',
      'last-modified': 'Fri, 20 Nov 2026 10:00:00 GMT',
      'content-type': 'application/fhir+json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    })
  })

  it('is indented on request without touching a digit', async () => {
    const response = await get('/Patient/1/_history/2?_pretty=true').expect(200)
    expect(response.text).toBe('{\n  "a": [\n    1.50,\n    {}\n  ],\n  "b": "x: {y}"\n}')
  })

  it('answers HEAD like GET without a body', async () => {
    const response = await request(edge.fhir).head('/Patient/1/_history/2').set('Authorization', bearer).expect(200)
    expect(response.headers).toMatchObject({ etag: 'W/"2"', 'content-length': '28' })
    expect(response.text).toBeUndefined()
  })

  it('has no body with 204 and 304', async () => {
    const deleted = await request(edge.fhir).delete('/Patient/1').set('Authorization', bearer).expect(204)
    expect(deleted.headers).not.toHaveProperty('content-type')
    expect(deleted.headers['etag']).toBe('W/"3"')
    const unchanged = await get('/Patient/1/_history').expect(304)
    expect(unchanged.text).toBe('')
  })

  it('carries Location', async () => {
    const made = await request(edge.fhir)
      .post('/Patient')
      .set('Authorization', bearer)
      .set('Content-Type', 'application/fhir+json')
      .send('{}')
      .expect(201)
    expect(made.headers['location']).toBe('http://x/Patient/1/_history/1')
  })

  it.each([
    ['application/json', undefined, 'application/json; charset=utf-8'],
    ['application/fhir+json', undefined, 'application/fhir+json; charset=utf-8'],
    ['*/*', undefined, 'application/fhir+json; charset=utf-8'],
    ['application/xml;q=0.9, application/fhir+json;q=0.5', undefined, 'application/xml; charset=utf-8'],
    ['application/xml;q=0.4, application/fhir+json;q=0.5', undefined, 'application/fhir+json; charset=utf-8'],
    ['application/fhir+json', 'xml', 'application/fhir+xml; charset=utf-8'],
    ['text/html, application/xhtml+xml, */*;q=0.8', undefined, 'application/fhir+json; charset=utf-8'],
    ['application/fhir+json; fhirVersion=4.0', undefined, 'application/fhir+json; charset=utf-8'],
    ['application/fhir+xml', 'json', 'application/fhir+json; charset=utf-8'],
    ['application/fhir+xml', 'application/fhir+json', 'application/fhir+json; charset=utf-8'],
  ])('for Accept %s and _format %s is %s', async (accept, format, expected) => {
    const response = await get(`/Patient/1${format === undefined ? '' : `?_format=${format}`}`).set('Accept', accept)
    expect([response.status, response.headers['content-type']]).toEqual([200, expected])
  })

  it.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
  ] as const)('is compressed with %s when it is worth it', async (coding, decode) => {
    const headers = { authorization: bearer, 'accept-encoding': coding }
    const response = await rawGet(`${edge.fhir}/Patient/_history`, headers)
    expect(response.headers['content-encoding']).toBe(coding)
    expect(response.headers['vary']).toContain('Accept-Encoding')
    expect(decode(response.body).toString()).toBe(LARGE)
    const small = await rawGet(`${edge.fhir}/Patient/1`, headers)
    expect(small.headers).not.toHaveProperty('content-encoding')
  })

  it('can be streamed, compressed too', async () => {
    const response = await rawGet(`${edge.fhir}/_history`, { authorization: bearer, 'accept-encoding': 'gzip' })
    expect(gunzipSync(response.body).toString()).toBe('{"part":0}\n{"part":1}\n')
  })

  it('reads nothing of a stream for HEAD', async () => {
    const began: string[] = []
    const watched = await startEdge({
      interactions: { read: async () => ({ status: 200, headers: {}, body: observed(began) }) },
    })
    await request(watched.fhir)
      .head('/Patient/1')
      .set('Authorization', `Bearer ${await watched.token()}`)
      .expect(200)
    expect(began).toEqual([])
    await watched.close()
  })

  it('is cut off, not ended, when a stream fails half way', async () => {
    for (const coding of ['identity', 'gzip', 'br']) {
      received = Promise.withResolvers()
      const asked = rawGet(edge.fhir, { authorization: bearer, 'accept-encoding': coding }, () => received.resolve())
      await expect(asked).rejects.toThrow('aborted')
    }
  })

  it('is a whole refusal when a stream fails before its first part', async () => {
    received = Promise.withResolvers()
    const broken = await startEdge({
      interactions: {
        read: async () => ({ status: 200, headers: { etag: 'W/"1"' }, body: failingFirst() }),
      },
    })
    const headers = { authorization: `Bearer ${await broken.token()}`, 'accept-encoding': 'gzip' }
    const response = await rawGet(`${broken.fhir}/Patient/1`, headers)
    expect(JSON.parse(response.body.toString())).toMatchObject({ resourceType: 'OperationOutcome' })
    expect(response.headers).not.toHaveProperty('etag')
    await broken.close()
  })

  it('echoes the X-Request-Id, and makes one for a harmful or missing one', async () => {
    expect((await get('/Patient/1').set('X-Request-Id', 'a.b-c_1')).headers['x-request-id']).toBe('a.b-c_1')
    for (const harmful of [undefined, 'a b', 'x'.repeat(200), '<script>']) {
      const sent = harmful === undefined ? get('/Patient/1') : get('/Patient/1').set('X-Request-Id', harmful)
      expect((await sent).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    }
  })
})

describe('another origin', () => {
  it('may ask first and then call', async () => {
    const preflight = await request(edge.fhir)
      .options('/Patient/1')
      .set({ Origin: 'https://app.example.org', 'Access-Control-Request-Method': 'PUT' })
      .expect(204)
    expect(preflight.headers['access-control-allow-origin']).toBe('*')
    expect(preflight.headers['access-control-allow-methods']).toContain('PUT')
    expect(preflight.headers['access-control-allow-headers']).toContain('If-Match')
    const called = await get('/Patient/1').set('Origin', 'https://app.example.org')
    expect(called.headers['access-control-allow-origin']).toBe('*')
    expect(called.headers['access-control-expose-headers']).toContain('ETag')
    expect(called.headers).not.toHaveProperty('access-control-allow-credentials')
  })

  it('may not when others are configured', async () => {
    const strict = await startEdge({ corsOrigins: ['https://portal.example.org'] })
    const foreign = await request(strict.fhir)
      .options('/Patient/1')
      .set({ Origin: 'https://evil.example.org', 'Access-Control-Request-Method': 'PUT' })
    expect(foreign.headers).not.toHaveProperty('access-control-allow-origin')
    expect(foreign.headers).not.toHaveProperty('access-control-allow-methods')
    const own = await request(strict.fhir).get('/metadata').set('Origin', 'https://portal.example.org')
    expect(own.headers['access-control-allow-origin']).toBe('https://portal.example.org')
    expect(own.headers['vary']).toContain('Origin')
    await strict.close()
  })
})

/** supertest decodes bodies; here they are wanted as they come over the wire. */
async function rawGet(url: string, headers: Record<string, string>, onData?: () => void) {
  const { get: httpGet } = await import('node:http')
  return new Promise<{ headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
    httpGet(url, { headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        onData?.()
      })
      response.on('error', reject)
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(chunks) }))
    }).on('error', reject)
  })
}
