import { randomUUID } from 'node:crypto'
import { importJWK, SignJWT, type JWK } from 'jose'

export interface TokenRequest {
  /** FHIR base of a running gateway. */
  readonly baseUrl: string
  readonly clientId: string
  /** Private JWK with `kid` and `alg` (RS384 or ES384). */
  readonly privateKey: JWK
  readonly scope: string
  /** v3-PurposeOfUse codes for the `hl7-b2b` extension. */
  readonly purposes?: readonly string[]
}

export interface AccessToken {
  readonly accessToken: string
  readonly scope: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/**
 * Gets an access token the way any SMART backend service does: reads the server's smart-configuration, signs an
 * assertion and posts it. https://hl7.org/fhir/smart-app-launch/backend-services.html
 */
export async function requestToken(request: TokenRequest): Promise<AccessToken> {
  const configuration = await json(await fetch(`${request.baseUrl}/.well-known/smart-configuration`))
  const endpoint = String(configuration['token_endpoint'])
  const response = await fetch(endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: request.scope,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(request, endpoint),
    }),
  })
  const granted = await json(response)
  return {
    accessToken: String(granted['access_token']),
    scope: String(granted['scope']),
    expiresAt: Date.now() + Number(granted['expires_in']) * 1000,
  }
}

async function assertion({ clientId, privateKey, purposes }: TokenRequest, audience: string): Promise<string> {
  const alg = privateKey.alg ?? 'ES384'
  const business = purposes && {
    'hl7-b2b': { version: '1', purpose_of_use: purposes.map((code) => `urn:oid:2.16.840.1.113883.5.8#${code}`) },
  }
  return new SignJWT(business === undefined ? {} : { extensions: business })
    .setProtectedHeader({ alg, typ: 'JWT', ...(privateKey.kid === undefined ? {} : { kid: privateKey.kid }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime('2m')
    .sign(await importJWK(privateKey, alg))
}

async function json(response: Response): Promise<Record<string, unknown>> {
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>
  if (response.ok) return body
  const reason = [body['error_description'], body['error']].find((text) => typeof text === 'string') ?? ''
  throw new Error(`${response.url} answered ${response.status} ${reason}`.trim())
}
