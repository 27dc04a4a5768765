import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { ConsentryError } from '../errors.js'
import type { FhirInteractions, InteractionHeader, InteractionResponse, OpenRequest } from '../gateway/interaction.js'
import { newCall, openCall, takeParameters, type Call, type CallOptions } from './call.js'
import { decompressed } from './decompress.js'
import { refusalOf } from './outcome.js'
import { parseParameters } from './parameters.js'
import { FHIR_JSON, isFhirXml, isXml } from './negotiate.js'
import { respond, type XmlFormat } from './respond.js'

export interface EdgeOptions extends CallOptions {
  /** FHIR base URL as clients see it, no slash at the end. */
  readonly baseUrl: string
  readonly interactions: FhirInteractions
  /** Body of `.well-known/smart-configuration`. */
  readonly smartConfiguration: () => Promise<object>
  readonly xml: XmlFormat
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set below the FHIR base. */
    fhir: Call | null
  }
}

export const FHIR_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const HEADERS: readonly InteractionHeader[] = [
  'accept',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-exist',
  'if-none-match',
  'prefer',
  'x-security-context',
]
/** Search parameters in a form; a resource may be as large as the server's limit for bodies. */
const MOST_FORM_BYTES = 1024 * 1024

/** FHIR over HTTP: one Fastify route, because the table in routes.ts is the router. */
export function fhirEdge(options: EdgeOptions): FastifyPluginAsync {
  return async (server: FastifyInstance) => {
    server.removeAllContentTypeParsers()
    server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    server.setErrorHandler((error, request, reply) => refuse(options, error, request, reply))
    server.get(`${options.base}/.well-known/smart-configuration`, async (_request, reply) => {
      const body = await options.smartConfiguration()
      return respond(reply, { status: 200, headers: { 'content-type': 'application/json' }, body }, PLAIN)
    })
    await server.register(async (fhir) => {
      fhir.addHook('onRequest', async (request) => {
        request.fhir = newCall(request)
        await openCall(options, request, request.fhir)
      })
      fhir.addHook('preParsing', async (request, _reply, payload) => decompressed(request.headers, payload))
      const handler = (request: FastifyRequest, reply: FastifyReply) => answer(options, request, reply)
      for (const url of [options.base, `${options.base}/*`]) fhir.route({ method: FHIR_METHODS, url, handler })
    })
  }
}

const PLAIN = { contentType: 'application/json', pretty: false, head: false, acceptEncoding: undefined }

async function answer(options: EdgeOptions, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const call = request.fhir
  if (call?.target === undefined) throw new ConsentryError('internal', 'A request reached its handler unopened.')
  const { interaction } = call.target
  const posted = call.method === 'POST' && interaction.startsWith('search-')
  if (posted) takeForm(call, request.body)
  const response = await run(
    options,
    { ...openRequest(request, call, options), ...(await bodyOf(options, request, call)), signal: goneSignal(reply) },
    call,
  )
  await respond(reply, response, {
    contentType: call.contentType,
    pretty: call.pretty,
    head: request.method === 'HEAD',
    acceptEncoding: request.headers['accept-encoding'],
    xml: options.xml,
  })
  return reply
}

function run(options: EdgeOptions, open: OpenRequest, call: Call): Promise<InteractionResponse> {
  const { capabilities } = options.interactions
  call.handed = true
  if (open.interaction === 'capabilities') {
    if (capabilities !== undefined) return capabilities(open)
  } else {
    const handler = options.interactions[open.interaction]
    if (call.principal === undefined)
      throw new ConsentryError('internal', 'A request reached its handler without a principal.')
    if (handler !== undefined) return handler({ ...open, principal: call.principal })
  }
  throw new ConsentryError('not-supported', `This server does not offer ${open.interaction}.`)
}

function takeForm(call: Call, body: unknown): void {
  if (!(body instanceof Uint8Array)) return
  if (body.length > MOST_FORM_BYTES)
    throw new ConsentryError('too-large', `A form with search parameters may have ${MOST_FORM_BYTES} bytes.`, {
      expression: ['http.body'],
    })
  takeParameters(call, parseParameters(Buffer.from(body).toString('utf8'), 'form'))
}

/** The request without its body. */
function openRequest(request: FastifyRequest, call: Call, { baseUrl }: EdgeOptions): OpenRequest {
  const headers: Partial<Record<InteractionHeader, string>> = { 'x-request-id': request.id }
  for (const name of HEADERS) {
    const value = request.headers[name]
    if (value !== undefined) headers[name] = String(value)
  }
  // Interactions are handed JSON, whatever came.
  if (isResourceXml(request, call)) headers['content-type'] = FHIR_JSON
  if (call.format !== undefined) headers.accept = call.format
  const { target = { interaction: 'capabilities' } } = call
  return {
    ...target,
    method: call.method,
    params: call.params,
    representation: call.representation,
    headers,
    requestId: request.id,
    clientAddress: request.ip,
    baseUrl,
  }
}

async function bodyOf({ xml }: EdgeOptions, request: FastifyRequest, call: Call): Promise<{ body?: Uint8Array }> {
  const { body } = request
  if (!(body instanceof Uint8Array) || body.length === 0) return {}
  return { body: isResourceXml(request, call) ? await xml.toJson(body) : body }
}

/** A Binary may be an XML document; the resource itself has FHIR's own type. */
function isResourceXml({ headers }: FastifyRequest, { target }: Call): boolean {
  const type = headers['content-type']
  return isXml(type) && (target?.type !== 'Binary' || target.operation !== undefined || isFhirXml(type))
}

const OF_A_BODY = ['content-encoding', 'content-length', 'content-type', 'etag', 'last-modified', 'location']

/** Aborted when the connection closes before the response is out. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort()
  })
  return gone.signal
}

/** A flood that is slowed down writes no trail, and neither does a typing error of somebody unknown. */
function isAudited(status: number, { principal }: Call): boolean {
  return status === 401 || status === 403 || (principal !== undefined && status !== 429)
}

/** Every error of a FHIR request ends here. */
async function refuse(
  options: EdgeOptions,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const refusal = refusalOf(error, request.routeOptions.bodyLimit)
  const { status } = refusal
  const call = request.fhir
  if (refusal.fault) request.log.error({ err: error }, 'a request failed')
  if (call?.target !== undefined && !call.handed && isAudited(status, call))
    await options.interactions
      .refused?.(
        { ...openRequest(request, call, options), ...(call.principal && { principal: call.principal }) },
        { status, issues: refusal.outcome.issue },
      )
      .catch((fault: unknown) => request.log.error({ err: fault }, 'a refusal could not be recorded'))
  // A stream may have failed before its first byte: what its headers said is not true of this answer.
  for (const name of OF_A_BODY) reply.removeHeader(name)
  await respond(
    reply,
    { status, headers: refusal.headers, body: refusal.outcome },
    {
      contentType: call?.contentType ?? PLAIN.contentType,
      pretty: call?.pretty ?? false,
      head: request.method === 'HEAD',
      acceptEncoding: request.headers['accept-encoding'],
      xml: options.xml,
    },
  )
  return reply
}
