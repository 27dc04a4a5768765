import { ConsentryError } from '../errors.js'

/** SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html */
const UNIQUE_VIOLATION = '23505'
const SERIALIZATION_FAILURE = '40001'
const DEADLOCK_DETECTED = '40P01'
const QUERY_CANCELED = '57014'

/** Classes and codes that say "not now": connection, out of connections, disk or memory, shutting down, I/O, read-only standby, cancelled. */
const UNAVAILABLE = /^(08|53|57P0|58|25006|57014)/
const SOCKET = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOENT)$/
/** Texts of pg and pg-pool, which give no code. */
const LOST = /^(Connection terminated|Client (was closed|has encountered)|timeout (exceeded|expired))/

interface SqlError extends Error {
  readonly code?: string
  readonly constraint?: string
}

function isSqlError(error: unknown): error is SqlError {
  return error instanceof Error
}

export function violates(error: unknown, constraint: string): boolean {
  return isSqlError(error) && error.code === UNIQUE_VIOLATION && error.constraint === constraint
}

/** The same transaction may succeed when it is tried again. */
export function isRetryable(error: unknown): boolean {
  return isSqlError(error) && (error.code === SERIALIZATION_FAILURE || error.code === DEADLOCK_DETECTED)
}

export function isUnavailable(error: unknown): boolean {
  if (error instanceof ConsentryError) return error.kind === 'unavailable'
  if (!isSqlError(error)) return false
  if (error instanceof AggregateError) return error.errors.some(isUnavailable)
  return UNAVAILABLE.test(error.code ?? '') || SOCKET.test(error.code ?? '') || LOST.test(error.message)
}

const NO_DATABASE = '3D000'
/** Class 28, invalid authorization specification. */
const NOT_LET_IN = /^28/
const NO_HOST = /^(ENOTFOUND|EAI_AGAIN)$/

/** Why no session began, of the server that the URL names, for whoever wrote the URL; undefined for what is no matter of the URL. */
export function connectionProblem(error: unknown): string | undefined {
  const cause = error instanceof ConsentryError ? error.cause : error
  if (!isSqlError(cause)) return undefined
  const code = cause.code ?? ''
  if (code === NO_DATABASE) return 'names a database that is not there'
  if (NOT_LET_IN.test(code)) return 'names a user whom the server does not let in, or with another password'
  if (NO_HOST.test(code)) return 'names a host that is not known'
  return isUnavailable(cause) ? 'names a server that does not answer' : undefined
}

/** What callers see. The cause may name ids, never bound values. */
export function databaseError(error: unknown): ConsentryError {
  if (error instanceof ConsentryError) return error
  if (isSqlError(error) && error.code === QUERY_CANCELED) {
    return new ConsentryError(
      'unavailable',
      'The database was stopped at it, which mostly means that it took too long (STATEMENT_SECONDS): ask for less at once.',
      {
        code: 'too-costly',
        retryAfterSeconds: 10,
        cause: error,
      },
    )
  }
  if (isUnavailable(error) || isRetryable(error)) {
    return new ConsentryError('unavailable', 'The database does not answer now. Nothing is lost; try again.', {
      retryAfterSeconds: 2,
      cause: error,
    })
  }
  return new ConsentryError('internal', 'The database refused a statement.', { cause: error })
}
