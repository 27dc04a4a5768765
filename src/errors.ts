/**
 * The closed list of errors that cross folders. `diagnostics` and `expression` reach the client as an
 * OperationOutcome, so they never hold a secret, a token or health data: name the element and the rule.
 */
export type ErrorKind =
  | 'malformed' // 400: not parsable, or against the base specification
  | 'invalid' // 422: parsable, but against a profile or a rule of this server
  | 'unauthenticated' // 401
  | 'forbidden' // 403
  | 'not-found' // 404
  | 'method-not-allowed' // 405
  | 'not-acceptable' // 406
  | 'conflict' // 409
  | 'gone' // 410
  | 'precondition-failed' // 412
  | 'too-large' // 413
  | 'unsupported-media-type' // 415
  | 'throttled' // 429
  | 'internal' // 500
  | 'not-supported' // 501
  | 'integrity' // 500: stored bytes are not what was signed and anchored
  | 'unavailable' // 503 with Retry-After: a part we depend on is down, or the mirror is stale

/** https://hl7.org/fhir/R4/http.html and RFC 9110; used at the edge and for the entries of a batch. */
export const HTTP_STATUS: Readonly<Record<ErrorKind, number>> = {
  malformed: 400,
  invalid: 422,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'not-acceptable': 406,
  conflict: 409,
  gone: 410,
  'precondition-failed': 412,
  'too-large': 413,
  'unsupported-media-type': 415,
  throttled: 429,
  internal: 500,
  'not-supported': 501,
  integrity: 500,
  unavailable: 503,
}

/** IssueType codes of https://hl7.org/fhir/R4/valueset-issue-type.html that we use. */
export type IssueCode =
  | 'invalid'
  | 'structure'
  | 'required'
  | 'value'
  | 'invariant'
  | 'security'
  | 'login'
  | 'unknown'
  | 'expired'
  | 'forbidden'
  | 'suppressed'
  | 'processing'
  | 'not-supported'
  | 'duplicate'
  | 'multiple-matches'
  | 'not-found'
  | 'deleted'
  | 'too-long'
  | 'code-invalid'
  | 'extension'
  | 'too-costly'
  | 'business-rule'
  | 'conflict'
  | 'transient'
  | 'lock-error'
  | 'exception'
  | 'timeout'
  | 'incomplete'
  | 'throttled'
  | 'informational'

/** One entry of OperationOutcome.issue. */
export interface Issue {
  severity: 'fatal' | 'error' | 'warning' | 'information'
  code: IssueCode
  /** What is wrong and what would be right, for a person. */
  diagnostics: string
  /** FHIRPath-like places in the input, `Patient.name[0].family`, `Bundle.entry[3].resource`, `http.header`. */
  expression?: string[]
}

const DEFAULT_CODE: Record<ErrorKind, IssueCode> = {
  malformed: 'invalid',
  invalid: 'business-rule',
  unauthenticated: 'login',
  forbidden: 'forbidden',
  'not-found': 'not-found',
  'method-not-allowed': 'not-supported',
  'not-acceptable': 'not-supported',
  conflict: 'conflict',
  gone: 'deleted',
  'precondition-failed': 'conflict',
  'too-large': 'too-long',
  'unsupported-media-type': 'not-supported',
  throttled: 'throttled',
  internal: 'exception',
  'not-supported': 'not-supported',
  integrity: 'exception',
  unavailable: 'transient',
}

export interface ErrorOptions {
  code?: IssueCode
  expression?: string[]
  issues?: Issue[]
  retryAfterSeconds?: number
  cause?: unknown
}

/** `ENOENT`, `EADDRINUSE` and the like, of an error of the system or of a library; empty: it has none. */
export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
}

/** The only error type that is meant to cross folders; anything else becomes `internal` without detail at the edge. */
export class ConsentryError extends Error {
  override readonly name = 'ConsentryError'
  readonly issues: readonly Issue[]
  readonly retryAfterSeconds: number | undefined

  constructor(
    readonly kind: ErrorKind,
    diagnostics: string,
    options: ErrorOptions = {},
  ) {
    super(diagnostics, options.cause === undefined ? undefined : { cause: options.cause })
    this.retryAfterSeconds = options.retryAfterSeconds
    this.issues = options.issues ?? [
      {
        severity: 'error',
        code: options.code ?? DEFAULT_CODE[kind],
        diagnostics,
        ...(options.expression ? { expression: options.expression } : {}),
      },
    ]
  }
}
