import { exportSPKI, generateKeyPair, type CryptoKey, importJWK, SignJWT, type JWK, type JWTPayload } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { tokenAuthenticator, type Authenticator } from '../../src/auth/authenticate.js'
import type { RegisteredClient } from '../../src/auth/clients.js'
import { embeddedIssuer } from '../../src/auth/issuer.js'
import { signingKey } from '../../src/auth/signing-keys.js'
import { ConsentryError } from '../../src/errors.js'
import { makeClient } from '../support/clients.js'
import { memoryStore } from '../support/edge.js'

const ISSUER = 'https://gateway.example/oauth'
const AUDIENCE = 'https://gateway.example/fhir'
let key: JWK
let client: RegisteredClient
let registered: RegisteredClient | undefined
let now: number
let authenticator: Authenticator

beforeAll(async () => {
  key = await signingKey(memoryStore())
  client = (
    await makeClient('ehr', {
      scopes: 'system/*.cruds',
      purposes: ['HOPERAT', 'TREAT'],
      practitioner: `0x${'2'.repeat(64)}`,
    })
  ).registration
  registered = client
  now = Date.now()
  authenticator = tokenAuthenticator({
    issuer: embeddedIssuer(ISSUER, key),
    audience: AUDIENCE,
    clients: { find: async (id) => (registered?.id === id ? registered : undefined) },
    now: () => now,
  })
})

const seconds = () => Math.floor(now / 1000)
type Claims = { [name in keyof JWTPayload]: JWTPayload[name] | undefined }
async function token(claims: Claims = {}, header: object = {}, signer: JWK = key): Promise<string> {
  const all = {
    iss: ISSUER,
    aud: AUDIENCE,
    client_id: 'ehr',
    scope: 'system/Patient.rs',
    jti: 'id-1',
    iat: seconds(),
    exp: seconds() + 300,
    ...claims,
  }
  return new SignJWT(all as JWTPayload)
    .setProtectedHeader({ alg: signer.alg ?? '', kid: signer.kid ?? '', typ: 'at+jwt', ...header })
    .sign(await importJWK(signer, signer.alg))
}
const ask = (bearer: string) => authenticator.authenticate({ authorization: `Bearer ${bearer}` })
const refusal = async (bearer: string | Promise<string>): Promise<ConsentryError> => {
  const error: unknown = await ask(await bearer).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ConsentryError)) throw new Error('was not refused')
  return error
}

describe('an access token', () => {
  it('becomes a principal', async () => {
    const principal = await ask(await token())
    expect(principal).toMatchObject({
      clientId: 'ehr',
      entity: client.entity,
      practitioner: client.practitioner,
      role: 'system',
      purposes: ['HOPERAT'],
      tokenId: 'id-1',
      expiresAt: (seconds() + 300) * 1000,
    })
    expect(principal.scopes.map(({ text }) => text)).toEqual(['system/Patient.rs'])
  })

  const other = generateKeyPair('ES256', { extractable: true })
  const REFUSED: [name: string, make: () => Promise<string>, words: RegExp, code?: string][] = [
    ['expired', () => token({ exp: seconds() - 1 }), /expired/, 'expired'],
    ['of a foreign issuer', () => token({ iss: 'https://elsewhere.example' }), /foreign issuer/],
    ['for another audience', () => token({ aud: 'https://elsewhere.example' }), /another audience/],
    ['not yet valid', () => token({ nbf: seconds() + 60 }), /nbf/],
    ['without expiry', () => token({ exp: undefined }), /exp/],
    ['without id', () => token({ jti: undefined }), /jti/],
    ['that is an ID token', () => token({}, { typ: 'JWT' }), /typ/],
    ['of a client that is not registered', () => token({ client_id: 'nobody' }), /not registered/],
    ['of no client', () => token({ client_id: undefined }), /not registered/],
    [
      'signed with a key of someone else under our key id',
      async () => {
        const { exportJWK } = await import('jose')
        return token({}, {}, { ...(await exportJWK((await other).privateKey)), alg: 'ES256', kid: key.kid ?? '' })
      },
      /signature/,
    ],
    ['signed with an unknown key', () => token({}, { kid: 'unknown' }), /signature|key/],
    [
      'keyed with our public key as a secret',
      async () => {
        const { x, y, crv, kty } = key
        const publicKey = await importJWK({ x, y, crv, kty } as JWK, 'ES256', { extractable: true })
        const secret = Buffer.from(await exportSPKI(publicKey as CryptoKey))
        return new SignJWT({ iss: ISSUER, aud: AUDIENCE, jti: 'x' })
          .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
          .setIssuedAt()
          .setExpirationTime('5m')
          .sign(secret)
      },
      /malformed/,
    ],
    [
      'with no signature',
      async () => {
        const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
        return `${part({ alg: 'none', typ: 'at+jwt' })}.${part({ iss: ISSUER, aud: AUDIENCE, client_id: 'ehr', exp: seconds() + 60, iat: 0, jti: 'x' })}.`
      },
      /malformed/,
    ],
    ['that is three dots', async () => '...', /malformed/],
  ]
  it.each(REFUSED)('%s is refused', async (_name, make, words, code = 'security') => {
    const error = await refusal(make())
    expect(error.kind).toBe('unauthenticated')
    expect(error.message).toMatch(words)
    expect(error.issues[0]?.code).toBe(code)
  })

  it('is refused after its end although it was accepted before', async () => {
    const bearer = await token()
    await ask(bearer)
    now += 301_000
    expect((await refusal(bearer)).issues[0]?.code).toBe('expired')
    now -= 301_000
  })

  it('is bound by the registration of the moment', async () => {
    const bearer = await token({ scope: 'system/Patient.rs system/Observation.rs' })
    expect((await ask(bearer)).scopes).toHaveLength(2)
    registered = { ...client, scopes: 'system/Observation.r', role: 'auditor' }
    expect(await ask(bearer)).toMatchObject({ role: 'auditor', scopes: [{ text: 'system/Observation.r' }] })
    registered = undefined
    expect((await refusal(bearer)).message).toContain('not registered')
    registered = client
    expect((await ask(bearer)).scopes).toHaveLength(2)
  })

  it.each(['', 'Bearer', 'Bearer ', 'Bearer a b', 'Basic abc', 'bearer é'])(
    'is not seen in "%s"',
    async (authorization) => {
      await expect(authenticator.authenticate({ authorization })).rejects.toThrow('not of the form')
    },
  )

  it('is not repeated in any refusal', async () => {
    const bearer = await token({ iss: 'https://elsewhere.example/secret-path', sub: 'someone' })
    expect(JSON.stringify((await refusal(bearer)).issues)).not.toMatch(/secret-path|someone|eyJ/)
  })
})
