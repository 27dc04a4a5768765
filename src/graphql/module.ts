import type { ApolloServer } from '@apollo/server'
import { type DynamicModule, Inject, Module, type OnApplicationBootstrap } from '@nestjs/common'
import { ModuleRef } from '@nestjs/core'
import { GraphQLModule } from '@nestjs/graphql'
import type { ApolloDriverConfig } from '@nestjs/apollo'
import { ConsentryError } from '../errors.js'
import { apolloOptions, type ApolloParts, type UnmountedApolloDriver } from './apollo.js'

/** What holds the Apollo Server that Nest owns, for the `$graphql` operation, which is made before Nest is. */
export class GraphqlEngine {
  #driver: Pick<UnmountedApolloDriver, 'server'> | undefined

  constructor(readonly parts: ApolloParts) {}

  /** Started when it is first asked for. @throws ConsentryError unavailable, before Nest is there */
  async server(): Promise<ApolloServer> {
    if (this.#driver !== undefined) return this.#driver.server()
    throw new ConsentryError('unavailable', 'GraphQL is not ready yet.')
  }

  carriedBy(driver: Pick<UnmountedApolloDriver, 'server'>): void {
    this.#driver = driver
  }
}

/** Nest's GraphQLModule with our schema; nothing of it is reachable but through `engine`. */
@Module({})
export class FhirGraphqlModule implements OnApplicationBootstrap {
  static with(engine: GraphqlEngine): DynamicModule {
    return {
      module: FhirGraphqlModule,
      imports: [GraphQLModule.forRoot<ApolloDriverConfig>(apolloOptions(engine.parts))],
      providers: [{ provide: GraphqlEngine, useValue: engine }],
    }
  }

  constructor(
    @Inject(GraphqlEngine) private readonly engine: GraphqlEngine,
    @Inject(ModuleRef) private readonly modules: ModuleRef,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { graphQlAdapter } = this.modules.get<GraphQLModule<UnmountedApolloDriver>>(GraphQLModule, { strict: false })
    this.engine.carriedBy(graphQlAdapter)
    if (this.engine.parts.early) await this.engine.server()
  }
}
