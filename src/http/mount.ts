import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import type { Authenticator } from '../auth/authenticate.js'
import type { FhirInteractions } from '../gateway/interaction.js'
import { blockGateway, type BlockReader } from './blocks.js'
import { ConsentryError } from '../errors.js'
import { FHIR_METHODS, fhirEdge } from './edge.js'
import { health, type ReadinessCheck } from './health.js'
import { type Count, expose, metrics } from './metrics.js'
import { mountOauth, type RequestHandler } from './oauth.js'
import { HttpRefusal, refusalOf } from './outcome.js'
import { splitTarget } from './parameters.js'
import type { XmlFormat } from './respond.js'
import { RateLimit } from './rate-limit.js'

export interface EdgeParts {
  /** Scheme and authority as clients see them. */
  readonly publicUrl: string
  readonly interactions: FhirInteractions
  readonly authenticator: Authenticator
  readonly smartConfiguration: () => Promise<object>
  readonly xml: XmlFormat
  /** Absent with an external issuer. */
  readonly authorizationServer?: RequestHandler
  readonly readBlock: BlockReader
  readonly checks: readonly ReadinessCheck[]
  readonly counts?: readonly Count[]
  readonly draining: () => boolean
  readonly ratePerSecond: number
  readonly rateBurst: number
}

/** What nothing else answers; in this place because Nest has the one handler of what is not found. */
function unknownUrls(server: FastifyInstance): void {
  // OPTIONS belongs to cors.ts, HEAD comes with GET, and CONNECT asks for a tunnel.
  const method = server.supportedMethods.filter((name) => !['OPTIONS', 'HEAD', 'CONNECT'].includes(name))
  const refuse = async ({ raw, method: asked }: FastifyRequest): Promise<never> => {
    const { path } = splitTarget(raw.url ?? '/')
    const fhir = path === FHIR_BASE || path.startsWith(`${FHIR_BASE}/`)
    if (fhir && !FHIR_METHODS.includes(asked)) {
      const allow = [...FHIR_METHODS, 'OPTIONS'].join(', ')
      throw new HttpRefusal('method-not-allowed', `FHIR has no ${asked}; allowed: ${allow}.`, { allow })
    }
    throw new ConsentryError(
      'not-found',
      `Nothing answers ${asked} here; FHIR is served below ${FHIR_BASE}, its capabilities at ${FHIR_BASE}/metadata.`,
    )
  }
  // Before a body is read, whose type Fastify would ask for first.
  server.route({ method, url: '*', onRequest: refuse, handler: refuse })
}

export const FHIR_BASE = '/fhir'
export const OAUTH_BASE = '/oauth'

/** Everything that is served over HTTP, GraphQL excepted. Returns the registry for the metrics of other parts. */
export async function mountEdge(server: FastifyInstance, parts: EdgeParts): Promise<Registry> {
  const registry = metrics(server)
  for (const count of parts.counts ?? []) expose(registry, count)
  const rate = new RateLimit(parts.ratePerSecond, parts.rateBurst)
  await server.register(async (outer) => {
    outer.setErrorHandler((error, request, reply) => {
      const { status, headers, outcome, fault } = refusalOf(error)
      if (fault) request.log.error({ err: error }, 'a request failed')
      return reply
        .code(status)
        .headers(headers)
        .type('application/fhir+json; charset=utf-8')
        .send(JSON.stringify(outcome))
    })
    unknownUrls(outer)
    health(outer, parts.checks, parts.draining)
    blockGateway(outer, parts.readBlock, rate)
    if (parts.authorizationServer !== undefined) await mountOauth(outer, OAUTH_BASE, parts.authorizationServer, rate)
    await outer.register(
      fhirEdge({
        base: FHIR_BASE,
        baseUrl: `${parts.publicUrl}${FHIR_BASE}`,
        interactions: parts.interactions,
        authenticator: parts.authenticator,
        smartConfiguration: parts.smartConfiguration,
        xml: parts.xml,
        rate,
      }),
    )
  })
  return registry
}
