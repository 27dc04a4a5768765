import { randomUUID } from 'node:crypto'
import { type IncomingMessage, METHODS, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { fastify, LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { IssueCode } from '../errors.js'
import { cors } from './cors.js'
import { logRequests, safeError } from './log.js'
import { refusalOf } from './outcome.js'

export interface ServerOptions {
  readonly bodyBytes: number
  readonly corsOrigins: readonly string[]
  readonly trustProxy: boolean
  readonly logLevel: string
  /** True when clients reach us over TLS. */
  readonly https: boolean
  /** Where log lines go; standard output if absent. */
  readonly logStream?: { write(line: string): void }
}

/** X-Request-Id of a client is kept when it is harmless in logs and headers. */
const REQUEST_ID = /^[A-Za-z0-9._:~+/=-]{1,128}$/
/** A search by GET may have a long URL. */
const MOST_HEADER_BYTES = 64 * 1024

/** The Fastify instance that everything is mounted on, with what holds for every response. */
export function createServer(options: ServerOptions): FastifyInstance {
  const always = {
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    ...(options.https ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  }
  const server: FastifyInstance = fastify({
    logger: {
      level: options.logLevel,
      base: null,
      serializers: {
        err: (error: unknown) => ({ type: '', message: '', stack: '', ...safeError(error) }),
        // Fastify's own would log the URL with its query.
        req: ({ method }: { method: string }) => ({ method }),
      },
      ...(options.logStream === undefined ? {} : { stream: options.logStream }),
    },
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    bodyLimit: options.bodyBytes,
    trustProxy: options.trustProxy,
    exposeHeadRoutes: true,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    // A body of the largest size over a slow line takes a while; a connection that says nothing does not.
    requestTimeout: 120_000,
    http: { maxHeaderSize: MOST_HEADER_BYTES, headersTimeout: 20_000 },
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    routerOptions: { maxParamLength: MOST_HEADER_BYTES, ignoreTrailingSlash: true },
    genReqId: (request: IncomingMessage) => {
      const given = request.headers['x-request-id']
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
    },
    frameworkErrors: (error, request, reply) => frameworkRefusal(error, request, reply, always),
    clientErrorHandler: (error, socket) => unreadableRefusal(error, socket, always),
  })
  for (const method of METHODS) {
    if (!server.supportedMethods.includes(method)) server.addHttpMethod(method, { hasBody: true })
  }
  server.addHook('onRequest', (request, reply, done) => {
    void reply.headers(always).header('x-request-id', request.id)
    done()
  })
  // Set by the FHIR edge; declared here so that the hooks of every route may look.
  server.decorateRequest('fhir', null)
  cors(server, options.corsOrigins)
  logRequests(server)
  return server
}

/** Our routes have none: what is asked is FHIR's to check. Fastify's own compilers would be loaded at every start. */
function noSchemas(): never {
  throw new TypeError('Routes have no schemas here.')
}

/** A URL that the router cannot even decode. */
function frameworkRefusal(
  error: unknown,
  request: Pick<FastifyRequest, 'id'>,
  { raw }: Pick<FastifyReply, 'raw'>,
  headers: Readonly<Record<string, string>>,
): void {
  const { status, outcome } = refusalOf(error)
  const body = JSON.stringify(outcome)
  raw.writeHead(status, {
    ...headers,
    'x-request-id': request.id,
    'content-type': 'application/fhir+json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  })
  raw.end(body)
}

/** Bytes that are no request: nothing of Fastify has seen them. https://nodejs.org/api/http.html#event-clienterror */
function unreadableRefusal(
  error: NodeJS.ErrnoException,
  socket: Socket,
  headers: Readonly<Record<string, string>>,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, code, diagnostics] = UNREADABLE[error.code ?? ''] ?? NO_REQUEST
  const issue = [{ severity: 'error', code, diagnostics }]
  const body = JSON.stringify({ resourceType: 'OperationOutcome', issue })
  const lines = Object.entries({
    ...headers,
    'content-type': 'application/fhir+json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
}

type Unreadable = readonly [status: number, code: IssueCode, diagnostics: string]

const NO_REQUEST: Unreadable = [
  400,
  'structure',
  'This is no HTTP request: in a URL, blanks and everything that is not ASCII are percent-encoded, such as %20.',
]

const UNREADABLE: Readonly<Record<string, Unreadable>> = {
  HPE_INVALID_METHOD: [400, 'not-supported', 'This is no method of HTTP.'],
  HPE_HEADER_OVERFLOW: [
    431,
    'too-long',
    `The headers, URL included, may have ${MOST_HEADER_BYTES} bytes; a long search can be posted to [type]/_search.`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'timeout', 'The request did not come in time.'],
}
