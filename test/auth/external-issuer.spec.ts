import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tokenAuthenticator } from '../../src/auth/authenticate.js'
import { fixedRegistry } from '../../src/auth/clients.js'
import { externalIssuer } from '../../src/auth/issuer.js'
import { smartConfiguration } from '../../src/auth/smart-configuration.js'
import { makeClient } from '../support/clients.js'

let server: Server
let url: string
let privateKey: CryptoKey
let publicKey: JWK
let document: Record<string, unknown>
let status = 200

beforeEach(async () => {
  const pair = await generateKeyPair('RS256', { extractable: true })
  privateKey = pair.privateKey
  publicKey = { ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'RS256' }
  server = createServer((request, response) => {
    response.statusCode = status
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(request.url === '/jwks' ? { keys: [publicKey] } : document))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  document = {
    issuer: url,
    token_endpoint: `${url}/token`,
    jwks_uri: `${url}/jwks`,
    introspection_endpoint: `${url}/introspect`,
  }
  status = 200
})
afterEach(() => {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(resolve))
})

const AUDIENCE = 'https://gateway.example/fhir'
async function ask(issuer = externalIssuer(url, null)) {
  const { registration } = await makeClient('portal', { scopes: 'system/Patient.rs' })
  const authenticator = tokenAuthenticator({ issuer, audience: AUDIENCE, clients: fixedRegistry([registration]) })
  // As Keycloak writes them: plain JWT, azp, scopes of its own.
  const token = await new SignJWT({ azp: 'portal', scope: 'openid profile system/*.cruds', jti: 'x' })
    .setProtectedHeader({ alg: 'RS256', kid: 'k', typ: 'JWT' })
    .setIssuer(url)
    .setAudience([AUDIENCE, 'account'])
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey)
  return authenticator.authenticate({ authorization: `Bearer ${token}` })
}

describe('an external issuer', () => {
  it('is found by its discovery document; its tokens are narrowed to what we registered', async () => {
    const principal = await ask()
    expect(principal).toMatchObject({ clientId: 'portal', scopes: [{ text: 'system/Patient.rs' }] })
  })

  it('may have its keys elsewhere', async () => {
    document = {}
    await expect(ask(externalIssuer(url, `${url}/jwks`))).resolves.toMatchObject({ clientId: 'portal' })
  })

  it('is what smart-configuration points to', async () => {
    expect(await smartConfiguration(externalIssuer(url, null))).toMatchObject({
      issuer: url,
      token_endpoint: `${url}/token`,
      introspection_endpoint: `${url}/introspect`,
    })
  })

  it.each([
    ['is down', () => void (status = 500)],
    ['says it is someone else', () => void (document = { ...document, issuer: 'https://elsewhere.example' })],
    ['has no keys', () => void (document = { issuer: url })],
  ])('that %s: 503, not 401', async (_name, break_) => {
    break_()
    await expect(ask()).rejects.toMatchObject({ kind: 'unavailable', retryAfterSeconds: 5 })
  })
})
