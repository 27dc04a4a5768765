import { execute, GraphQLError, type DocumentNode, type GraphQLSchema, parse, validate } from 'graphql'
import type { ErrorKind } from '../errors.js'
import { errorJson, type GraphqlErrorJson, kindOf } from './errors.js'
import { expandFhirForms } from './expand.js'
import { aboutInstance, INSTANCE } from './instance.js'
import { GRAPHQL_LIMITS, type GraphqlLimits, limitsRule } from './limits.js'
import { GraphqlRequestState } from './request.js'
import { reshape, reshapes, selectSlices } from './reshape.js'
import type { GraphqlSource } from './table.js'
import { fhirRules } from './variables-rule.js'

export interface GraphqlRequest {
  readonly query: string
  readonly operationName?: string
  readonly variables?: Readonly<Record<string, unknown>>
  /** For `[base]/[type]/[id]/$graphql`: the query starts inside this resource. */
  readonly instance?: { readonly type: string; readonly id: string }
}

export interface GraphqlAnswer {
  /** `null` if there is any error: "the server returns an error instead of the graph output". */
  readonly data: unknown
  readonly errors?: readonly GraphqlErrorJson[]
  /** Kind of the first error, for the status of the response. */
  readonly failure?: ErrorKind
}

/**
 * Carries out one request against the schema of `buildSchema`: parse, prepare FHIR's forms, validate (the rules of
 * GraphQL, depth and cost), execute with references read in batches, re-organize. Never throws; the answer is to be
 * written with `JSON.stringify`, which keeps decimals as they are.
 */
export async function runGraphql<Context>(
  schema: GraphQLSchema,
  request: GraphqlRequest,
  source: GraphqlSource<Context>,
  context: Context,
  limits: Partial<GraphqlLimits> = {},
): Promise<GraphqlAnswer> {
  const { query, operationName, variables = {}, instance } = request
  try {
    const bounds = { ...GRAPHQL_LIMITS, ...limits }
    const document = prepare(schema, parse(query, { maxTokens: bounds.tokens }), instance)
    const faults = validate(schema, document, [...fhirRules, limitsRule(bounds, variables)])
    if (faults.length > 0) return failed(faults)
    const { data, errors } = await execute({
      schema,
      document,
      contextValue: new GraphqlRequestState(source, context),
      variableValues: variables,
      ...(operationName === undefined ? {} : { operationName }),
    })
    if (errors && errors.length > 0) return failed(errors)
    const shaped = reshapes(document) ? reshape(document, operationName, data) : data
    return instance === undefined ? { data: shaped } : ofInstance(shaped)
  } catch (error) {
    if (error instanceof GraphQLError) return failed([error])
    return failed([new GraphQLError('', { originalError: error as Error })])
  }
}

function prepare(schema: GraphQLSchema, document: DocumentNode, instance: GraphqlRequest['instance']): DocumentNode {
  const rooted = instance === undefined ? document : aboutInstance(document, instance.type, instance.id)
  return expandFhirForms(schema, selectSlices(rooted))
}

function ofInstance(data: unknown): GraphqlAnswer {
  const found = (data as Record<string, unknown> | null)?.[INSTANCE]
  if (found !== null && found !== undefined) return { data: found }
  return failed([new GraphQLError('The resource is not known here.', { extensions: { code: 'not-found' } })])
}

function failed(errors: readonly GraphQLError[]): GraphqlAnswer {
  return { data: null, errors: errors.map(errorJson), failure: errors[0] ? kindOf(errors[0]) : 'internal' }
}
