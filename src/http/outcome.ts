import { codeOf, ConsentryError, type ErrorKind, HTTP_STATUS, type Issue } from '../errors.js'

/** The one place where errors become HTTP: a status, an OperationOutcome and the headers that belong to it. */
export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly outcome: OperationOutcome
  /** Something is wrong with us and not with the request: worth a log line with the cause. */
  readonly fault: boolean
}

export interface OperationOutcome {
  readonly resourceType: 'OperationOutcome'
  readonly issue: readonly Issue[]
}

/** A refusal with headers of its own, such as Allow; only this folder makes them. */
export class HttpRefusal extends ConsentryError {
  constructor(
    kind: ErrorKind,
    diagnostics: string,
    readonly headers: Readonly<Record<string, string>>,
  ) {
    super(kind, diagnostics)
  }
}

/** @param bodyBytes the limit that a body that is too large was above */
export function refusalOf(error: unknown, bodyBytes?: number): Refusal {
  const known = asConsentryError(error, bodyBytes)
  const status = HTTP_STATUS[known.kind]
  const headers: Record<string, string> = known instanceof HttpRefusal ? { ...known.headers } : {}
  if (known.retryAfterSeconds !== undefined || status === 429 || status === 503)
    headers['retry-after'] = String(Math.max(1, Math.ceil(known.retryAfterSeconds ?? 1)))
  if (status === 401) headers['www-authenticate'] = challenge(known, 'invalid_token')
  // A consent denial is 403 too, but no other token would help; only a missing scope says `security`.
  if (status === 403 && known.issues[0]?.code === 'security')
    headers['www-authenticate'] = challenge(known, 'insufficient_scope')
  return {
    status,
    headers,
    outcome: { resourceType: 'OperationOutcome', issue: known.issues.length > 0 ? known.issues : [UNKNOWN] },
    fault: status === 500,
  }
}

const UNKNOWN: Issue = {
  severity: 'error',
  code: 'exception',
  diagnostics: 'The server failed. The log has the cause under the X-Request-Id of this response.',
}

/** RFC 6750 section 3: no error code when no token was sent. */
function challenge(error: ConsentryError, code: string): string {
  if (error.issues[0]?.code === 'login') return 'Bearer realm="fhir"'
  const description = error.message.replace(/[^\x20-\x7e]|["\\]/g, ' ')
  return `Bearer realm="fhir", error="${code}", error_description="${description}"`
}

/** What Fastify itself refuses, in our words. */
const FASTIFY: Readonly<Record<string, readonly [kind: ErrorKind, diagnostics: string, place?: string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['too-large', 'The request body is larger than this server accepts.', 'http.body'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'malformed',
    'The request body is not as long as its Content-Length says.',
    'http.content-length',
  ],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported-media-type',
    'The Content-Type header is not a media type.',
    'http.content-type',
  ],
  FST_ERR_CTP_EMPTY_TYPE: [
    'unsupported-media-type',
    'A request with a body needs a Content-Type header.',
    'http.content-type',
  ],
  FST_ERR_BAD_URL: ['malformed', 'The URL has a malformed percent-encoding.', 'http.path'],
  FST_ERR_MAX_PARAM_LENGTH: ['malformed', 'A part of the URL is too long.', 'http.path'],
}

function asConsentryError(error: unknown, bodyBytes: number | undefined): ConsentryError {
  if (error instanceof ConsentryError)
    // The cause of an internal error stays inside.
    return error.kind === 'internal' ? new ConsentryError('internal', UNKNOWN.diagnostics, { cause: error }) : error
  const [kind, diagnostics, place] = FASTIFY[codeOf(error)] ?? (['internal', UNKNOWN.diagnostics] as const)
  const limit = kind === 'too-large' && bodyBytes !== undefined ? `; its limit is ${bodyBytes} bytes, decompressed` : ''
  return new ConsentryError(kind, `${diagnostics.slice(0, -1)}${limit}.`, {
    cause: error,
    ...(place === undefined ? {} : { expression: [place] }),
  })
}
