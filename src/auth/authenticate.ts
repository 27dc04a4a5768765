import { errors, jwtVerify, type JWTPayload } from 'jose'
import { ConsentryError } from '../errors.js'
import { BUSINESS_CLAIM } from './authorization-server.js'
import type { BusinessClaim } from './b2b.js'
import type { ClientRegistry, RegisteredClient } from './clients.js'
import type { Issuer } from './issuer.js'
import type { Principal } from './principal.js'
import { BREAK_GLASS_SCOPE, ownScopes, PRIVACY_SCOPE } from './own-scopes.js'
import { narrow, parseScopes } from './scopes.js'
import { WALLET_SCOPE } from './wallet-scope.js'

/** Turns the Authorization header into the Principal; throws 401 that says what is wrong with the token. */
export interface Authenticator {
  authenticate(headers: { readonly authorization?: string | undefined }): Promise<Principal>
}

interface Verified {
  readonly claims: JWTPayload
  readonly expiresAt: number
  /** The registration that `principal` was made from; another object means the registration has changed. */
  registration?: RegisteredClient
  principal?: Principal
}

/** Verified tokens kept, so that a token costs one signature check and not one per request. */
const KEPT_TOKENS = 10_000

/**
 * Checks bearer tokens (RFC 6750) that are JWTs (RFC 9068): signature, issuer, audience, time. What a client may
 * do and for whom comes from our registry at every call, so a removed or narrowed client is bound at once.
 */
export function tokenAuthenticator(options: {
  readonly issuer: Issuer
  readonly audience: string
  readonly clients: ClientRegistry
  readonly now?: () => number
}): Authenticator {
  const { issuer, audience, clients, now = Date.now } = options
  const kept = new Map<string, Verified>()

  async function verified(token: string): Promise<Verified> {
    const known = kept.get(token)
    if (known !== undefined) {
      if (known.expiresAt > now()) return known
      kept.delete(token)
    }
    const { payload: claims } = await jwtVerify(token, issuer.keys, {
      issuer: issuer.name,
      audience,
      requiredClaims: ['exp', 'iat', 'jti'],
      algorithms: ['ES256', 'ES384', 'RS256', 'RS384', 'PS256', 'PS384', 'EdDSA'],
      currentDate: new Date(now()),
      ...(issuer.embedded ? { typ: 'at+jwt' } : { clockTolerance: 5 }),
    })
    const fresh: Verified = { claims, expiresAt: Number(claims.exp) * 1000 }
    const oldest = kept.size >= KEPT_TOKENS ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    kept.set(token, fresh)
    return fresh
  }

  return {
    async authenticate({ authorization }) {
      if (authorization === undefined)
        throw refusal(
          `This request needs an access token: Authorization: Bearer <token>, issued by ${issuer.name}.`,
          'login',
        )
      const token = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(authorization)?.[1]
      if (token === undefined) throw refusal('The Authorization header is not of the form "Bearer <token>".')
      let entry: Verified
      try {
        entry = await verified(token)
      } catch (error) {
        throw tokenRefusal(error, issuer.name, audience)
      }
      const clientId = entry.claims['client_id'] ?? entry.claims['azp']
      const registration = typeof clientId === 'string' ? await clients.find(clientId) : undefined
      if (registration === undefined)
        throw refusal('The client that this access token was issued to is not registered.')
      if (entry.principal === undefined || entry.registration !== registration) {
        entry.registration = registration
        entry.principal = principalOf(entry, registration)
      }
      return entry.principal
    },
  }
}

function principalOf({ claims, expiresAt }: Verified, client: RegisteredClient): Principal {
  const stated = claims['scope'] ?? claims['scp']
  const scopes = Array.isArray(stated) ? stated.join(' ') : typeof stated === 'string' ? stated : ''
  const business = claims[BUSINESS_CLAIM] as BusinessClaim | undefined
  const registered = ownScopes(client.scopes)
  const own = ownScopes(scopes).filter((scope) => registered.includes(scope))
  const allowed = client.purposes ?? ['TREAT']
  const purposes = (business?.purposes ?? []).filter((purpose) => allowed.includes(purpose))
  return {
    clientId: client.id,
    entity: client.entity,
    ...(client.practitioner === undefined ? {} : { practitioner: client.practitioner }),
    ...(client.patient === undefined ? {} : { patient: client.patient }),
    role: client.role,
    scopes: narrow(parseScopes(scopes), parseScopes(client.scopes)),
    wallet: own.includes(WALLET_SCOPE),
    breaksGlass: own.includes(BREAK_GLASS_SCOPE),
    reviews: own.includes(PRIVACY_SCOPE),
    purposes: purposes.length > 0 ? purposes : [allowed[0] ?? 'TREAT'],
    ...(business === undefined ? {} : { business }),
    tokenId: claims.jti ?? '',
    expiresAt,
  }
}

function refusal(diagnostics: string, code: 'login' | 'expired' | 'security' = 'security', cause?: unknown) {
  return new ConsentryError('unauthenticated', diagnostics, { code, cause, expression: ['http.authorization'] })
}

function tokenRefusal(error: unknown, issuer: string, audience: string): ConsentryError {
  if (error instanceof ConsentryError) return error
  if (error instanceof errors.JWTExpired)
    return refusal('The access token has expired; ask for a new one.', 'expired', error)
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'iss') return refusal(`The access token is of a foreign issuer; this server accepts ${issuer}.`)
    if (error.claim === 'aud') return refusal(`The access token is for another audience; this server is ${audience}.`)
    return refusal(`The access token is not usable: its claim "${error.claim}" fails the check "${error.reason}".`)
  }
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey)
    return refusal('The signature of the access token does not verify with the keys of the issuer.', 'security', error)
  if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError))
    return new ConsentryError('unavailable', 'The keys of the token issuer cannot be fetched.', {
      retryAfterSeconds: 5,
      cause: error,
    })
  return refusal('The access token is malformed: it is not a signed JWT of an accepted kind.', 'security', error)
}
