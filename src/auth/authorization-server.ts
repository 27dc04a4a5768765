import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JWK } from 'jose'
import { errors, Provider, type Adapter, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'
import { readBusinessClaim, type BusinessClaim } from './b2b.js'
import type { ClientRegistry, RegisteredClient } from './clients.js'
import type { ReplayGuard } from './replay.js'
import { ownScopes } from './own-scopes.js'
import { narrow, parseScopes } from './scopes.js'
import { TOKEN_ALGORITHM } from './signing-keys.js'

/** The algorithms that SMART Backend Services requires of servers, and no other. */
export const ASSERTION_ALGORITHMS = ['RS384', 'ES384'] as const
/** An assertion may expire this many seconds ahead at most. */
const ASSERTION_SECONDS = 300
/** Clocks of client and server may differ by so many seconds. */
const CLOCK_SECONDS = 10

export interface AuthorizationServerOptions {
  /** Public URL of the server, the mount path included: `https://host/oauth`. */
  readonly issuer: string
  /** FHIR base; the audience of every token. */
  readonly audience: string
  readonly signingKey: JWK
  readonly clients: ClientRegistry
  readonly replay: ReplayGuard
  readonly tokenSeconds: number
  /** Faults of the server itself; requests that were refused are not faults. */
  readonly onFault: (error: Error) => void
}

/**
 * OAuth 2.0 authorization server for SMART Backend Services: client_credentials with private_key_jwt only.
 * https://hl7.org/fhir/smart-app-launch/backend-services.html
 * Returns a plain request handler; the URL of the requests must be relative to the mount path.
 */
export function authorizationServer(
  options: AuthorizationServerOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { origin, protocol, host, pathname } = new URL(options.issuer)
  const business = new WeakMap<KoaContextWithOIDC, BusinessClaim>()
  const registered = new WeakMap<KoaContextWithOIDC, RegisteredClient>()

  const configuration: Configuration = {
    adapter: (model) => (model === 'Client' ? clientAdapter(options.clients) : NOTHING_STORED),
    jwks: { keys: [options.signingKey] },
    clientAuthMethods: ['private_key_jwt'],
    clientDefaults: { id_token_signed_response_alg: TOKEN_ALGORITHM },
    enabledJWA: { clientAuthSigningAlgValues: ASSERTION_ALGORITHMS, idTokenSigningAlgValues: [TOKEN_ALGORITHM] },
    ttl: { ClientCredentials: options.tokenSeconds },
    responseTypes: ['none'],
    scopes: [],
    clockTolerance: CLOCK_SECONDS,
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      dPoP: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => options.audience,
        getResourceServerInfo(ctx, resource) {
          if (resource.replace(/\/$/, '') !== options.audience)
            throw new errors.InvalidTarget(`the only resource here is ${options.audience}`)
          const scope = grantedScopes(ctx, registered.get(ctx))
          return {
            scope,
            audience: options.audience,
            accessTokenFormat: 'jwt',
            accessTokenTTL: options.tokenSeconds,
            jwt: { sign: { alg: TOKEN_ALGORITHM } },
          }
        },
      },
    },
    async assertJwtClientAuthClaimsAndHeader(ctx, claims, _header, client) {
      const refuse = (detail: string): never => {
        throw new errors.InvalidClientAuth(detail)
      }
      const expires = claims['exp']
      const second = Date.now() / 1000
      if (typeof expires !== 'number' || expires > second + ASSERTION_SECONDS + CLOCK_SECONDS)
        return refuse(`exp must be at most ${ASSERTION_SECONDS} seconds in the future`)
      const jti = claims['jti']
      if (typeof jti !== 'string' || jti.length > 512) return refuse('jti must be a string')
      const registration = await options.clients.find(client.clientId)
      if (registration === undefined) return refuse('client not found')
      const claim = readBusinessClaim(claims)
      if (typeof claim === 'string') return refuse(claim)
      const allowed = registration.purposes ?? ['TREAT']
      const foreign = claim?.purposes.find((purpose) => !allowed.includes(purpose))
      if (foreign !== undefined) refuse(`purpose of use ${foreign} is not registered for this client`)
      if (!(await options.replay.use(client.clientId, jti, Math.ceil(expires) + CLOCK_SECONDS)))
        refuse('this assertion has been used before; every request needs one with a new jti')
      registered.set(ctx, registration)
      if (claim !== undefined) business.set(ctx, claim)
    },
    extraTokenClaims(ctx) {
      const claim = business.get(ctx)
      return claim === undefined ? undefined : { [BUSINESS_CLAIM]: claim }
    },
    renderError(ctx, out) {
      ctx.type = 'application/json'
      ctx.body = out
    },
  }

  const provider = new Provider(options.issuer, configuration)
  // Every URL it writes, and every audience it accepts of an assertion, comes from these headers; the mount below sets
  // them, whatever the sender put there.
  provider.proxy = true
  provider.silent = true
  provider.on('server_error', (_ctx, error) => options.onFault(error))
  provider.on('grant.error', (ctx, error) => explain(ctx, error))
  const handle = provider.callback()
  return (request, response) => {
    request.headers['x-forwarded-proto'] = protocol.slice(0, -1)
    request.headers['x-forwarded-host'] = host
    delete request.headers['x-forwarded-for']
    Object.assign(request, { originalUrl: `${pathname}${request.url ?? '/'}` })
    // Errors of its own are answered by the provider itself; `origin` is only part of the message.
    handle(request, response).catch((error: unknown) => {
      options.onFault(error instanceof Error ? error : new Error(`The authorization server at ${origin} failed.`))
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' })
      response.end('{"error":"server_error"}')
    })
  }
}

/** Name of our claim in access tokens that carries what the assertion said with `hl7-b2b`. */
export const BUSINESS_CLAIM = 'consentry_b2b'

/** Narrows the requested scopes to the registered ones, in the request too: the library compares them as texts. */
function grantedScopes(ctx: KoaContextWithOIDC, client: RegisteredClient | undefined): string {
  const stated = ctx.oidc.params?.['scope']
  const requested = typeof stated === 'string' ? stated : ''
  const registered = client?.scopes ?? ''
  const granted = narrow(parseScopes(requested), parseScopes(registered)).map(({ text }) => text)
  const own = ownScopes(registered)
  granted.push(...ownScopes(requested).filter((scope) => own.includes(scope)))
  if (granted.length === 0)
    throw new errors.InvalidScope(
      requested === ''
        ? 'scope is missing'
        : `no scope that was asked for is among those of this client: ${registered}`,
      requested,
    )
  const scope = granted.join(' ')
  if (ctx.oidc.params) ctx.oidc.params['scope'] = scope
  return scope
}

/** The library hides why a client was refused; without it nobody gets an assertion right. It names no secret. */
function explain(ctx: KoaContextWithOIDC, error: Error): void {
  const detail: unknown = 'error_detail' in error ? error.error_detail : undefined
  const body: unknown = ctx.body
  if (typeof detail === 'string' && typeof body === 'object' && body !== null && 'error_description' in body)
    ctx.body = { ...body, error_description: detail }
}

function clientAdapter(clients: ClientRegistry): Adapter {
  return {
    ...NOTHING_STORED,
    async find(id) {
      const client = await clients.find(id)
      return (
        client && {
          client_id: client.id,
          jwks: client.jwks,
          token_endpoint_auth_method: 'private_key_jwt',
          grant_types: ['client_credentials'],
          response_types: [],
          redirect_uris: [],
        }
      )
    },
  }
}

/** Tokens are self-contained and replays are our guard's, so nothing has to be kept. */
const NOTHING_STORED: Adapter = {
  upsert: async () => undefined,
  find: async () => undefined,
  findByUserCode: async () => undefined,
  findByUid: async () => undefined,
  consume: async () => undefined,
  destroy: async () => undefined,
  revokeByGrantId: async () => undefined,
}
