import type { ApolloServer } from '@apollo/server'
import { getLocation, Source } from 'graphql'
import type { GraphqlErrorJson } from './errors.js'
import { INSTANCE_ID } from './instance.js'
import { GraphqlRequestState } from './request.js'
import type { GraphqlSource } from './table.js'

export interface GraphqlRequest {
  readonly query: string
  readonly operationName?: string
  readonly variables?: Readonly<Record<string, unknown>>
  /** For `[base]/[type]/[id]/$graphql`: the query starts inside this resource. */
  readonly instance?: { readonly type: string; readonly id: string }
}

export interface GraphqlAnswer {
  /** Of the response: that of the first error, if there is any. */
  readonly status: number
  /** `null` if there is any error: "the server returns an error instead of the graph output". */
  readonly data: unknown
  readonly errors?: readonly GraphqlErrorJson[]
}

/**
 * Carries out one request through an Apollo Server with the options of `apolloOptions`; references are read in
 * batches. The answer is to be written with `JSON.stringify`, which keeps decimals as they are.
 *
 * @throws Error without detail where Apollo itself failed
 */
export async function runGraphql<Context>(
  server: ApolloServer,
  { query, operationName, variables = {}, instance }: GraphqlRequest,
  source: GraphqlSource<Context>,
  context: Context,
): Promise<GraphqlAnswer> {
  const { http, body } = await server.executeOperation(
    {
      query: `${query}\n# in ${instance?.type ?? 'the base'}`,
      variables: instance === undefined ? variables : { ...variables, [INSTANCE_ID]: instance.id },
      ...(operationName === undefined ? {} : { operationName }),
    },
    { contextValue: new GraphqlRequestState(source, context, instance?.type) },
  )
  if (body.kind !== 'single') throw new TypeError('Nothing in our schema is delivered in parts.')
  const { data = null, errors } = body.singleResult
  // formatError made them
  const told = errors as readonly GraphqlErrorJson[] | undefined
  return { status: http.status ?? 200, data, ...(told && { errors: told.map((error) => within(query, error)) }) }
}

/** Our own line is none of the client's: what is missing at the end of the query is missing where that ends. */
function within(query: string, error: GraphqlErrorJson): GraphqlErrorJson {
  if (error.locations === undefined) return error
  const { line, column } = getLocation(new Source(query), query.length)
  const isBehind = (at: { line: number; column: number }): boolean =>
    at.line > line || (at.line === line && at.column > column)
  return { ...error, locations: error.locations.map((at) => (isBehind(at) ? { line, column } : at)) }
}
