import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { RateLimit } from './rate-limit.js'

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void

/** Mounts the embedded authorization server, which reads its requests and writes its responses itself. */
export async function mountOauth(
  server: FastifyInstance,
  prefix: string,
  handle: RequestHandler,
  rate: RateLimit,
): Promise<void> {
  await server.register(async (mount) => {
    mount.removeAllContentTypeParsers()
    mount.addContentTypeParser('*', (_request, _payload, done) => done(null))
    mount.route({
      method: ['GET', 'HEAD', 'POST'],
      url: `${prefix}/*`,
      handler: (request, reply) => {
        rate.take(`address ${request.ip}`)
        reply.hijack()
        for (const [name, value] of Object.entries(reply.getHeaders()))
          if (value !== undefined) reply.raw.setHeader(name, value)
        request.raw.url = (request.raw.url ?? '').slice(prefix.length)
        handle(request.raw, reply.raw)
      },
    })
  })
}
