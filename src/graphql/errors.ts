import { GraphQLError } from 'graphql'
import { ConsentryError, type ErrorKind, type Issue, type IssueCode } from '../errors.js'

/** An error as FHIR's GraphQL answers it: the message, and an OperationOutcome in `extensions.resource`. */
export interface GraphqlErrorJson {
  readonly message: string
  readonly locations?: readonly { readonly line: number; readonly column: number }[]
  readonly path?: readonly (string | number)[]
  readonly extensions: {
    readonly resource: { readonly resourceType: 'OperationOutcome'; readonly issue: readonly Issue[] }
  }
}

/** https://hl7.org/fhir/R4/graphql.html#errors. What is no error of ours or of GraphQL becomes `exception` without detail. */
export function errorJson(error: GraphQLError): GraphqlErrorJson {
  const { locations, path } = error
  const issue = issuesOf(error)
  return {
    message: issue[0]?.diagnostics ?? 'Error',
    ...(locations === undefined ? {} : { locations }),
    ...(path === undefined ? {} : { path }),
    extensions: { resource: { resourceType: 'OperationOutcome', issue } },
  }
}

/**
 * Errors of fields by their place in the query, and not by which failed first: of several the first decides the status. What was found
 * before anything was carried out has its order.
 */
export function inOrder<E extends Partial<Pick<GraphQLError, 'locations' | 'path'>>>(errors: readonly E[]): E[] {
  const place = ({ locations, path }: E): [number, number, string] => {
    const { line, column } = locations?.[0] ?? { line: 0, column: 0 }
    return [line, column, (path ?? []).map((name) => String(name).padStart(10, '0')).join('/')]
  }
  if (errors.some(({ path }) => path === undefined)) return [...errors]
  return errors.toSorted((one, other) => {
    const [[line, column, path], [otherLine, otherColumn, otherPath]] = [place(one), place(other)]
    return line - otherLine || column - otherColumn || (path < otherPath ? -1 : Number(path > otherPath))
  })
}

/** The kind by which a status is chosen. */
export function kindOf(error: GraphQLError): ErrorKind {
  const { originalError, extensions } = unwrapped(error)
  if (originalError instanceof ConsentryError) return originalError.kind
  if (originalError && !(originalError instanceof GraphQLError)) return 'internal'
  return extensions['code'] === 'not-found' ? 'not-found' : 'malformed'
}

function issuesOf(error: GraphQLError): readonly Issue[] {
  const { originalError, extensions, message } = unwrapped(error)
  if (originalError instanceof ConsentryError) return originalError.issues
  if (originalError && !(originalError instanceof GraphQLError)) {
    return [{ severity: 'error', code: 'exception', diagnostics: 'The query could not be carried out.' }]
  }
  return [
    { severity: 'error', code: isIssueCode(extensions['code']) ? extensions['code'] : 'invalid', diagnostics: message },
  ]
}

/** Apollo wraps what rules and coercion report into errors with codes of its own. */
function unwrapped(error: GraphQLError): GraphQLError {
  return error.originalError instanceof GraphQLError ? error.originalError : error
}

/** Ours are words as FHIR writes them; Apollo's are GRAPHQL_VALIDATION_FAILED and the like. */
function isIssueCode(code: unknown): code is IssueCode {
  return typeof code === 'string' && /^[a-z-]+$/.test(code)
}
