import type { FastifyInstance } from 'fastify'

/**
 * An error as it may stand in a log: its kind, code and frames. The message is left out because libraries put
 * values of requests and rows into it; `ConsentryError` promises not to, so its message stays.
 */
export function safeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error }
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const code: unknown = 'code' in error ? error.code : undefined
  return {
    type: error.name,
    ...(error.name === 'ConsentryError' ? { message: error.message } : {}),
    ...(typeof code === 'string' && code.length < 64 ? { code } : {}),
    stack: frames.slice(0, 20).join('\n'),
    ...(error.cause !== undefined && depth < 4 ? { cause: safeError(error.cause, depth + 1) } : {}),
  }
}

/** One line per request: what was asked by whom, how it ended. No URL, query, body or token. */
export function logRequests(server: FastifyInstance): void {
  server.addHook('onResponse', (request, reply, done) => {
    const call = request.fhir
    request.log.info(
      {
        method: request.method,
        interaction: call?.target?.interaction ?? request.routeOptions.url ?? 'unknown',
        ...(call?.target?.type === undefined ? {} : { type: call.target.type }),
        ...(call?.principal === undefined ? {} : { client: call.principal.clientId }),
        status: reply.statusCode,
        milliseconds: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    )
    done()
  })
}
