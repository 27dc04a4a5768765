import { createLocalJWKSet, createRemoteJWKSet, type JWK, type JWTVerifyGetKey } from 'jose'
import { ConsentryError } from '../errors.js'
import { publicPart } from './signing-keys.js'

/** What clients and the token check need to know of whoever issues access tokens. */
export interface IssuerMetadata {
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly authorizationEndpoint?: string
  readonly introspectionEndpoint?: string
  readonly revocationEndpoint?: string
  readonly jwksUri: string
}

export interface Issuer {
  readonly name: string
  /** Embedded tokens say `at+jwt` (RFC 9068) in their header; other servers often do not. */
  readonly embedded: boolean
  metadata(): Promise<IssuerMetadata>
  readonly keys: JWTVerifyGetKey
}

export function embeddedIssuer(url: string, signingKey: JWK): Issuer {
  const metadata = { issuer: url, tokenEndpoint: `${url}/token`, jwksUri: `${url}/jwks` }
  return {
    name: url,
    embedded: true,
    metadata: async () => metadata,
    keys: createLocalJWKSet({ keys: [publicPart(signingKey)] }),
  }
}

const DISCOVERY_MILLISECONDS = 600_000

/** An issuer known by its discovery document (RFC 8414, OpenID Connect Discovery), fetched when first needed. */
export function externalIssuer(url: string, jwksUrl: string | null): Issuer {
  let kept: { metadata: IssuerMetadata; until: number } | undefined
  let keySet: JWTVerifyGetKey | undefined
  const metadata = async (): Promise<IssuerMetadata> => {
    if (kept === undefined || kept.until < Date.now())
      kept = { metadata: await discover(url), until: Date.now() + DISCOVERY_MILLISECONDS }
    return kept.metadata
  }
  return {
    name: url,
    embedded: false,
    metadata,
    keys: async (header, token) => {
      keySet ??= createRemoteJWKSet(new URL(jwksUrl ?? (await metadata()).jwksUri), { timeoutDuration: 5000 })
      return keySet(header, token)
    },
  }
}

async function discover(url: string): Promise<IssuerMetadata> {
  const unusable = (cause?: unknown) =>
    new ConsentryError('unavailable', 'The token issuer cannot be reached, so no token can be checked.', {
      retryAfterSeconds: 5,
      cause,
    })
  let document: Record<string, unknown>
  try {
    const response = await fetch(`${url}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(5000) })
    if (!response.ok) throw unusable()
    document = (await response.json()) as Record<string, unknown>
  } catch (error) {
    throw error instanceof ConsentryError ? error : unusable(error)
  }
  const text = (name: string): string | undefined => {
    const value = document[name]
    return typeof value === 'string' ? value : undefined
  }
  const tokenEndpoint = text('token_endpoint')
  const jwksUri = text('jwks_uri')
  // RFC 8414 section 3.3: a document that names another issuer must not be used.
  if (text('issuer') !== url || tokenEndpoint === undefined || jwksUri === undefined) throw unusable()
  const optional = {
    authorizationEndpoint: text('authorization_endpoint'),
    introspectionEndpoint: text('introspection_endpoint'),
    revocationEndpoint: text('revocation_endpoint'),
  }
  const present = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  return { issuer: url, tokenEndpoint, jwksUri, ...present }
}
