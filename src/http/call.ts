import type { FastifyRequest } from 'fastify'
import type { Authenticator } from '../auth/authenticate.js'
import type { Principal } from '../auth/principal.js'
import { ConsentryError } from '../errors.js'
import type { FhirInteractions } from '../gateway/interaction.js'
import { nearNames } from './near-names.js'
import { checkContentType, FHIR_JSON, responseType, type BodyUse, wantsFhir } from './negotiate.js'
import { HttpRefusal } from './outcome.js'
import { parseParameters, pathSegments, splitTarget, type Parameter } from './parameters.js'
import type { RateLimit } from './rate-limit.js'
import { matchRoute, type Match, type Method, type Target } from './routes.js'

export interface CallOptions {
  /** Path of the FHIR base, `/fhir`. */
  readonly base: string
  readonly interactions: Pick<FhirInteractions, 'types'>
  readonly authenticator: Authenticator
  readonly rate: RateLimit
}

/** A request as far as it is known before its body is read; filled step by step, so that a refusal tells how far it got. */
export interface Call {
  target?: Target
  method: Method
  params: readonly Parameter[]
  /** `_format` and `_pretty`, which are ours. */
  representation: readonly Parameter[]
  /** Of the response, unless the interaction names another. */
  contentType: string
  /** `_format` */
  format?: string
  pretty: boolean
  principal?: Principal
  /** True once an interaction has the request: from then on auditing is its business. */
  handed: boolean
}

export function newCall(request: FastifyRequest): Call {
  const method = (request.method === 'HEAD' ? 'GET' : request.method) as Method
  return {
    method,
    params: [],
    representation: [],
    contentType: `${FHIR_JSON}; charset=utf-8`,
    pretty: false,
    handed: false,
  }
}

/** Path, negotiation, token, rate, type of the body: everything that can be refused without the body. */
export async function openCall(options: CallOptions, request: FastifyRequest, call: Call): Promise<void> {
  const { path, query } = splitTarget(request.raw.url ?? '/')
  const { types } = options.interactions
  const target = found(matchRoute(call.method, pathSegments(path, options.base), types), request.method, types)
  call.target = target
  const format = takeParameters(call, parseParameters(query, 'query'))
  // A Binary may be anything, in both directions.
  const binary = target.type === 'Binary' && target.operation === undefined
  if (format !== undefined) call.format = format
  if (!binary || wantsFhir(format ?? request.headers.accept)) {
    call.contentType = responseType(request.headers.accept, format)
  }
  if (target.interaction !== 'capabilities') {
    call.principal = await authenticated(options, request)
    options.rate.take(`client ${call.principal.clientId}`)
  }
  checkBody(target, call.method, request, binary)
}

/** Refused tokens count against the address, so that guessing is slow; accepted ones do not: many may share it. */
async function authenticated({ authenticator, rate }: CallOptions, request: FastifyRequest): Promise<Principal> {
  try {
    return await authenticator.authenticate(request.headers)
  } catch (error) {
    rate.take(`address ${request.ip}`)
    throw error
  }
}

/** Adds search parameters; `_format` and `_pretty` are ours. Returns `_format`. */
export function takeParameters(call: Call, added: readonly Parameter[]): string | undefined {
  const isOurs = ([name]: Parameter): boolean => name === '_format' || name === '_pretty'
  call.params = [...call.params, ...added.filter((parameter) => !isOurs(parameter))]
  call.representation = [...call.representation, ...added.filter(isOurs)]
  const pretty = call.representation.findLast(([name]) => name === '_pretty')
  if (pretty !== undefined) call.pretty = pretty[1] === 'true'
  return call.representation.findLast(([name]) => name === '_format')?.[1]
}

const PATH = ['http.path']

function found(match: Match, method: string, types: ReadonlySet<string>): Target {
  switch (match.kind) {
    case 'found':
      return match.target
    case 'method-not-allowed': {
      const allow = match.allow.join(', ')
      throw new HttpRefusal('method-not-allowed', `${method} is not defined here; allowed: ${allow}.`, { allow })
    }
    case 'malformed-id':
      throw new ConsentryError('malformed', 'A logical id has 1 to 64 letters, digits, "-" or "." and nothing else.', {
        code: 'value',
        expression: PATH,
      })
    case 'unknown-type': {
      const near = nearNames(match.type, types)
      const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : ''
      throw new ConsentryError('not-found', `FHIR R4 has no resource type ${shown(match.type)}.${hint}`, {
        code: 'not-supported',
        expression: PATH,
      })
    }
    case 'not-found':
      throw new ConsentryError('not-found', 'There is nothing at this URL; the capabilities are at /metadata.', {
        expression: PATH,
      })
  }
}

/** A name out of a URL, unless it is something else: what people type may be anything. */
function shown(name: string): string {
  return /^[A-Za-z]{1,40}$/.test(name) ? `'${name}'` : 'of such a name'
}

const USES: Readonly<Partial<Record<string, BodyUse>>> = {
  create: 'resource',
  update: 'resource',
  transaction: 'resource',
  patch: 'patch',
  operation: 'operation',
  'search-type': 'form',
  'search-system': 'form',
  'search-compartment': 'form',
}

function checkBody(target: Target, method: Method, request: FastifyRequest, binary: boolean): void {
  const use = method === 'GET' || method === 'DELETE' ? undefined : USES[target.interaction]
  if (use === undefined) return
  const { headers } = request
  const present = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  if (present && !(binary && use === 'resource')) checkContentType(headers['content-type'], use)
  if (!present && (use === 'resource' || use === 'patch'))
    throw new ConsentryError('malformed', `${target.interaction} needs a body.`, {
      code: 'required',
      expression: ['http.body'],
    })
}
