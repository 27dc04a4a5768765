import type { FastifyInstance } from 'fastify'

const ALLOWED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
const ALLOWED_HEADERS =
  'Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, Prefer, X-Request-Id, X-Security-Context'
const EXPOSED =
  'Allow, Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Request-Id, X-Progress'

/**
 * Cross-origin requests of browser applications. No credentials mode: tokens travel in the Authorization header,
 * which a foreign page does not have, so `*` gives nothing away.
 */
export function cors(server: FastifyInstance, origins: readonly string[]): void {
  const any = origins.includes('*')
  server.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.headers
    if (!any) void reply.header('vary', 'Origin')
    if (origin === undefined || !(any || origins.includes(origin))) return done()
    void reply.header('access-control-allow-origin', any ? '*' : origin)
    if (request.method !== 'OPTIONS') void reply.header('access-control-expose-headers', EXPOSED)
    done()
  })
  server.options('/*', (request, reply) => {
    const preflight = request.headers['access-control-request-method'] !== undefined
    if (preflight && reply.hasHeader('access-control-allow-origin'))
      void reply.headers({
        'access-control-allow-methods': ALLOWED_METHODS,
        'access-control-allow-headers': ALLOWED_HEADERS,
        'access-control-max-age': '7200',
      })
    return reply.code(204).header('allow', ALLOWED_METHODS).send()
  })
}
