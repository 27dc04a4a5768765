import { createServer } from 'node:http'
import { decodeJwt, decodeProtectedHeader, importJWK, SignJWT, type JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeClient, type TestClient } from '../support/clients.js'
import { startEdge, type TestEdge } from '../support/edge.js'

let edge: TestEdge
let elliptic: TestClient
let rsa: TestClient
let endpoint: string

beforeAll(async () => {
  elliptic = await makeClient('ehr', { purposes: ['TREAT', 'HRESCH'] })
  rsa = await makeClient('lab', { alg: 'RS384', scopes: 'system/Observation.rs system/Patient.read' })
  edge = await startEdge({ clients: [elliptic, rsa] })
  endpoint = `${edge.origin}/oauth/token`
})
afterAll(() => edge.close())

const second = () => Math.floor(Date.now() / 1000)

interface Variation {
  client?: TestClient
  claims?: { [name in keyof JWTPayload]: JWTPayload[name] | undefined }
  header?: Record<string, unknown>
  form?: Record<string, string | undefined>
}

async function assertion({ client = elliptic, claims = {}, header = {} }: Variation): Promise<string> {
  const { privateKey, registration } = client
  const all = {
    iss: registration.id,
    sub: registration.id,
    aud: endpoint,
    exp: second() + 60,
    jti: crypto.randomUUID(),
    ...claims,
  }
  const alg = privateKey.alg ?? ''
  return new SignJWT(all as JWTPayload)
    .setProtectedHeader({ alg, kid: privateKey.kid ?? '', typ: 'JWT', ...header })
    .sign(await importJWK(privateKey, alg))
}

async function ask(variation: Variation = {}, headers: Record<string, string> = {}) {
  const form = {
    grant_type: 'client_credentials',
    scope: 'system/*.cruds',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: variation.form && 'client_assertion' in variation.form ? '' : await assertion(variation),
    ...variation.form,
  }
  const present = Object.entries(form).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const response = await fetch(endpoint, { method: 'POST', headers, body: new URLSearchParams(present) })
  const body = (await response.json()) as Record<string, string>
  return { status: response.status, body, headers: response.headers }
}

describe('the token endpoint', () => {
  it('is where smart-configuration says, next to openid-configuration', async () => {
    const smart = (await (await fetch(`${edge.fhir}/.well-known/smart-configuration`)).json()) as Record<
      string,
      unknown
    >
    expect(smart).toMatchObject({
      issuer: `${edge.origin}/oauth`,
      token_endpoint: endpoint,
      jwks_uri: `${edge.origin}/oauth/jwks`,
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['RS384', 'ES384'],
      grant_types_supported: ['client_credentials'],
    })
    expect(smart['capabilities']).toContain('client-confidential-asymmetric')
    const openid = await (await fetch(`${edge.origin}/oauth/.well-known/openid-configuration`)).json()
    expect(openid).toMatchObject({ issuer: smart['issuer'], token_endpoint: endpoint, jwks_uri: smart['jwks_uri'] })
  })

  it('gives a JWT for this FHIR base that lives five minutes', async () => {
    const { status, body, headers } = await ask()
    expect(status).toBe(200)
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 300, scope: 'system/*.cruds' })
    expect(headers.get('cache-control')).toContain('no-store')
    expect(headers.get('x-request-id')).not.toBeNull()
    const token = body['access_token'] ?? ''
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
    const claims = decodeJwt(token)
    expect(claims).toMatchObject({ iss: `${edge.origin}/oauth`, aud: edge.fhir, client_id: 'ehr', sub: 'ehr' })
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(300)
    expect(claims.jti).toBeTruthy()
  })

  it('takes RS384 as well', async () => {
    expect((await ask({ client: rsa })).status).toBe(200)
  })

  it.each([
    ['system/*.cruds', 'system/Observation.rs system/Patient.rs'],
    ['system/Patient.r', 'system/Patient.r'],
    ['system/Patient.* system/Observation.s', 'system/Patient.rs system/Observation.s'],
    ['system/Patient.rs?birthdate=2000', 'system/Patient.rs?birthdate=2000'],
    ['openid launch system/Patient.write system/Patient.read', 'system/Patient.rs'],
    ['user/Patient.rs system/Patient.s', 'system/Patient.s'],
  ])('narrows %s to what is registered: %s', async (scope, granted) => {
    const { status, body } = await ask({ client: rsa, form: { scope } })
    expect([status, body['scope']]).toEqual([200, granted])
    expect(decodeJwt(body['access_token'] ?? '')['scope']).toBe(granted)
  })

  it.each([['system/Patient.cud'], ['openid'], ['system/patient.rs'], ['']])(
    'refuses when nothing is left of "%s"',
    async (scope) => {
      const { status, body } = await ask({ client: rsa, form: { scope } })
      expect([status, body['error']]).toEqual([400, 'invalid_scope'])
    },
  )

  it('carries purposes and organisation of hl7-b2b', async () => {
    const extensions = {
      'hl7-b2b': {
        version: '1',
        organization_id: 'https://hospital.example.org',
        purpose_of_use: ['urn:oid:2.16.840.1.113883.5.8#HRESCH'],
        subject_id: 'npi-1',
      },
    }
    const { body } = await ask({ claims: { extensions } })
    const token = body['access_token'] ?? ''
    await fetch(`${edge.fhir}/Patient/1`, { headers: { authorization: `Bearer ${token}` } })
    expect(edge.seen.at(-1)?.principal).toMatchObject({
      purposes: ['HRESCH'],
      business: { organizationId: 'https://hospital.example.org', subjectId: 'npi-1' },
    })
  })
})

describe('a client assertion is refused', () => {
  const REFUSED: [name: string, variation: () => Variation | Promise<Variation>, words: RegExp][] = [
    ['for another audience', () => ({ claims: { aud: 'https://elsewhere.example/token' } }), /aud/],
    ['without audience', () => ({ claims: { aud: undefined } }), /aud/],
    ['expired', () => ({ claims: { exp: second() - 60 } }), /expired/],
    ['without expiry', () => ({ claims: { exp: undefined } }), /expiration/],
    ['living too long', () => ({ claims: { exp: second() + 3600 } }), /300 seconds/],
    ['from the future', () => ({ claims: { nbf: second() + 120 } }), /not active|nbf/],
    ['without jti', () => ({ claims: { jti: undefined } }), /jti/],
    ['of another issuer', () => ({ claims: { iss: 'lab' } }), /iss/],
    ['of an unknown client', () => ({ claims: { iss: 'nobody', sub: 'nobody' } }), /not found/],
    ['without subject', () => ({ claims: { sub: undefined } }), /sub/],
    [
      'signed with the key of another client',
      () => ({ client: { ...rsa, registration: elliptic.registration } }),
      /signature|key|alg|verif/,
    ],
    ['with a key that is not registered', () => ({ header: { kid: 'other' } }), /key|kid|signature|verif/],
    [
      'with another algorithm',
      async () => ({
        client: {
          ...elliptic,
          privateKey: { ...(await makeClient('ehr', { alg: 'RS384' })).privateKey, alg: 'PS384' },
        },
      }),
      /alg/,
    ],
    [
      'with a purpose that is not registered',
      () => ({ claims: { extensions: { 'hl7-b2b': { version: '1', purpose_of_use: ['BTG'] } } } }),
      /BTG is not registered/,
    ],
    ['with a broken extension', () => ({ claims: { extensions: { 'hl7-b2b': { version: '2' } } } }), /version/],
  ]
  it.each(REFUSED)('%s', async (_name, variation, words) => {
    const { status, body } = await ask(await variation())
    expect([400, 401]).toContain(status)
    expect(body['error']).toMatch(/invalid_client|invalid_request/)
    expect(body['error_description']).toMatch(words)
    expect(body).not.toHaveProperty('access_token')
  })

  it('used twice, even at the same moment', async () => {
    const client_assertion = await assertion({})
    const statuses = await Promise.all(
      [1, 2, 3, 4].map(() => ask({ form: { client_assertion } }).then((r) => r.status)),
    )
    expect(statuses.sort()).toEqual([200, 401, 401, 401])
    const again = await ask({ form: { client_assertion } })
    expect(again.body['error_description']).toContain('used before')
  })

  it('made for the host that the request claims to go to', async () => {
    // The library would accept this audience because the sender also sends the Host header that fits it.
    const client_assertion = await assertion({ claims: { aud: 'http://evil.example/oauth/token' } })
    const { status } = await ask(
      { form: { client_assertion } },
      { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' },
    )
    expect(status).toBe(401)
    const { token_endpoint } = (await (
      await fetch(`${edge.origin}/oauth/.well-known/openid-configuration`, {
        headers: { 'x-forwarded-host': 'evil.example' },
      })
    ).json()) as { token_endpoint: string }
    expect(token_endpoint).toBe(endpoint)
  })

  it.each([
    [
      'a secret instead',
      { client_assertion: undefined, client_assertion_type: undefined, client_id: 'ehr', client_secret: 'x' },
    ],
    ['only the client id', { client_assertion: undefined, client_assertion_type: undefined, client_id: 'ehr' }],
    ['something that is no JWT', { client_assertion: 'abc' }],
    ['another assertion type', { client_assertion_type: 'saml' }],
    ['another grant', { grant_type: 'authorization_code' }],
    ['another resource', { resource: 'https://elsewhere.example/fhir' }],
  ] as [string, Record<string, string | undefined>][])('when there is %s', async (_name, form) => {
    const { status, body } = await ask({ form: { client_assertion: await assertion({}), ...form } })
    expect([400, 401]).toContain(status)
    expect(body).not.toHaveProperty('access_token')
  })

  it('when the client has been removed from the registry', async () => {
    const passing = await makeClient('passing')
    edge.clients.set('passing', passing)
    const first = await ask({ client: passing })
    expect(first.status).toBe(200)
    edge.clients.delete('passing')
    expect((await ask({ client: passing })).body['error_description']).toContain('not found')
    const used = await fetch(`${edge.fhir}/Patient/1`, {
      headers: { authorization: `Bearer ${first.body['access_token']}` },
    })
    expect(used.status).toBe(401)
  })

  it('and nothing of it is a fault of the server', () => {
    expect(edge.log.filter((line) => line.includes('fault'))).toEqual([])
  })
})

it('never fetches anything a client names', async () => {
  const asked: string[] = []
  const trap = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end('{}')
  })
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  const address = trap.address()
  const port = typeof address === 'object' ? address?.port : 0
  await ask({ header: { jku: `http://127.0.0.1:${port}/jku`, x5u: `http://127.0.0.1:${port}/x5u` } })
  expect(asked).toEqual([])
  await new Promise((resolve) => trap.close(resolve))
})
