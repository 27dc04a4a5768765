import type { ApolloServerPlugin, GraphQLRequestListener } from '@apollo/server'
import { type DocumentNode, GraphQLError, type GraphQLSchema, parse, type ValidationRule } from 'graphql'
import { HTTP_STATUS } from '../errors.js'
import { errorJson, inOrder, kindOf } from './errors.js'
import { expandFhirForms } from './expand.js'
import { aboutInstance, INSTANCE } from './instance.js'
import { type GraphqlLimits, tooCostly } from './limits.js'
import { plainValues, plainVariables } from './plain-variables.js'
import type { GraphqlRequestState } from './request.js'
import { reshape, reshapes, selectSlices } from './reshape.js'

type State = GraphqlRequestState<unknown>

/** Why a document could not be written out, by the one that stands in its place until `refusalRule` tells. */
const refusals = new WeakMap<DocumentNode, GraphQLError>()

/** Tells what `fhirPlugin` found wrong with a document: its hook itself must not throw. */
export const refusalRule: ValidationRule = (context) => ({
  Document(node) {
    const refusal = refusals.get(node)
    if (refusal !== undefined) context.reportError(refusal)
  },
})

/**
 * FHIR's GraphQL (https://hl7.org/fhir/R4/graphql.html) on Apollo Server: writes out FHIR's forms between Apollo's
 * parsing and validation, so that its document store keeps the result; reckons the cost of an operation with its
 * variables; re-organizes the answer; and gives errors FHIR's way: no data, and the status of the first.
 */
export function fhirPlugin(
  limits: GraphqlLimits,
  onFault: (message: string, error: unknown) => void,
): ApolloServerPlugin<State> {
  const listener: GraphQLRequestListener<State> = {
    async validationDidStart(context) {
      // readonly to plugins in general; what Apollo validates, stores and executes is what stands here
      const { document } = context
      ;(context as { document: DocumentNode }).document = writtenOut(
        context.schema,
        document,
        context.contextValue.instanceType,
        limits,
      )
    },
    async didResolveOperation({ schema, document, operation, request }) {
      // an operation that there is not is told of by the execution
      if (operation === undefined) return
      const variables = plainValues(operation, request.variables ?? {})
      const refusal = tooCostly(schema, document, operation, limits, variables)
      if (refusal !== undefined) throw refusal
      request.variables = variables
    },
    async didEncounterErrors({ errors }) {
      for (const error of errors) {
        if (HTTP_STATUS[kindOf(error)] === 500) onFault('a GraphQL request failed', error.originalError ?? error)
      }
    },
    async willSendResponse({ response, errors = [], document, contextValue, request }) {
      if (response.body.kind !== 'single') return
      const result = response.body.singleResult
      try {
        const [first] = inOrder(errors)
        if (first !== undefined) throw first
        if (document === undefined) return
        const shaped = reshapes(document) ? reshape(document, request.operationName, result.data) : result.data
        const answer = contextValue.instanceType === undefined ? shaped : ofInstance(shaped)
        result.data = answer as Record<string, unknown>
      } catch (error) {
        if (!(error instanceof GraphQLError)) throw error
        result.data = null
        result.errors = inOrder(result.errors ?? [errorJson(error)])
        response.http.status = HTTP_STATUS[kindOf(error)]
      }
    },
  }
  return { requestDidStart: async () => listener }
}

function writtenOut(
  schema: GraphQLSchema,
  document: DocumentNode,
  instanceType: string | undefined,
  limits: GraphqlLimits,
): DocumentNode {
  try {
    const rooted = instanceType === undefined ? document : aboutInstance(document, instanceType)
    return plainVariables(schema, expandFhirForms(schema, selectSlices(rooted), limits.fields))
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error
    const instead = parse('{ __typename }')
    refusals.set(instead, error)
    return instead
  }
}

function ofInstance(data: unknown): unknown {
  const found = (data as Record<string, unknown> | null | undefined)?.[INSTANCE]
  if (found !== null && found !== undefined) return found
  throw new GraphQLError('The resource is not known here.', { extensions: { code: 'not-found' } })
}
