import { ApolloServer } from '@apollo/server'
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled'
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo'
import { Injectable } from '@nestjs/common'
import { GraphQLError, type GraphQLSchema } from 'graphql'
import { BoundedDocuments } from './document-store.js'
import { errorJson } from './errors.js'
import { fhirPlugin, refusalRule } from './fhir-plugin.js'
import { introspectionRule } from './introspection-rule.js'
import { GRAPHQL_LIMITS, type GraphqlLimits } from './limits.js'
import { buildSchema } from './schema.js'
import type { GraphqlTable } from './table.js'

export interface ApolloParts {
  readonly table: GraphqlTable
  /** Whether clients may read the schema, which is that of the specification and says nothing about anybody. */
  readonly introspection: boolean
  /** Made before the gateway is ready, and not when the first query comes. */
  readonly early: boolean
  readonly limits?: Partial<GraphqlLimits>
  readonly onFault: (message: string, error: unknown) => void
}

interface ApolloOptions extends Omit<ApolloDriverConfig, 'schema'> {
  readonly makeSchema: () => GraphQLSchema
}

/**
 * Starts the server when it is asked for, and gives it no route: the schema of all types is a third of the work of a start, and
 * most gateways are asked nothing in GraphQL for long. The FHIR edge is the only way in, with its tokens, limits and audit:
 * Apollo's own HTTP entrance would be a second one, and refuses bodies that FHIR allows.
 */
@Injectable()
export class UnmountedApolloDriver extends ApolloDriver {
  #options: ApolloOptions | undefined
  #started: Promise<ApolloServer> | undefined

  override generateSchema(): null {
    return null
  }

  override async registerServer(options: ApolloDriverConfig & ApolloOptions): Promise<void> {
    this.#options = options
  }

  server(): Promise<ApolloServer> {
    return (this.#started ??= this.#start())
  }

  override async stop(): Promise<void> {
    await this.#started
    await super.stop()
  }

  async #start(): Promise<ApolloServer> {
    if (this.#options === undefined) throw new TypeError('GraphQL needs its options.')
    const { typeDefs: _, resolvers: __, makeSchema, ...options } = this.#options
    const server = new ApolloServer({ ...options, schema: makeSchema() })
    await server.start()
    this.apolloServer = server
    return server
  }
}

/** For `GraphQLModule.forRoot`. */
export function apolloOptions({ table, introspection, limits, onFault }: ApolloParts): ApolloOptions & {
  readonly driver: typeof UnmountedApolloDriver
} {
  const bounds = { ...GRAPHQL_LIMITS, ...limits }
  return {
    driver: UnmountedApolloDriver,
    makeSchema: () => buildSchema(table),
    introspection,
    plugins: [
      fhirPlugin(bounds, onFault),
      // nothing about queries leaves the house, whatever the environment says
      ApolloServerPluginUsageReportingDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginInlineTraceDisabled(),
      // it would wrap every resolver, and no answer may be cached anyway
      ApolloServerPluginCacheControlDisabled(),
    ],
    validationRules: [refusalRule, introspectionRule],
    parseOptions: { maxTokens: bounds.tokens },
    documentStore: new BoundedDocuments(),
    formatError: (_, error) => errorJson(asGraphqlError(error)),
    includeStacktraceInErrorResponses: false,
    persistedQueries: false,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    graphiql: false,
    autoTransformHttpErrors: false,
    preserveHttpStatusForExecutionErrors: false,
    stopOnTerminationSignals: false,
    // requests in flight are answered before
    stopOnApplicationShutdown: true,
    logger: quiet(onFault),
  }
}

function asGraphqlError(error: unknown): GraphQLError {
  return error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error })
}

function quiet(onFault: ApolloParts['onFault']): NonNullable<ApolloDriverConfig['logger']> {
  const nothing = (): void => undefined
  const tell = (message: unknown): void => onFault('Apollo Server has a problem', new Error(String(message)))
  return { debug: nothing, info: nothing, warn: tell, error: tell }
}
