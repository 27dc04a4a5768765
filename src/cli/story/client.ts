import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'fhir-kit-client'
import type { JWK } from 'jose'
import { type DemoClient, demoClientFile } from '../../embedded/demo-clients.js'
import { requestToken } from '../access-token.js'

export interface BundleAnswer {
  readonly total?: number
  readonly entry?: readonly {
    readonly resource: Resource
    readonly response?: { readonly status: string; readonly location?: string }
  }[]
}

export interface Resource {
  readonly resourceType: string
  readonly id: string
  readonly [element: string]: unknown
}

/** A refusal as fhir-kit-client throws it. */
export interface Refusal {
  readonly status: number
  readonly diagnostics: string
}

/** An ordinary FHIR client of some hospital: fhir-kit-client with a token that it got as any backend service does. */
export class StoryClient {
  #client: Client | undefined
  #until = 0

  constructor(
    private readonly baseUrl: string,
    private readonly key: { readonly id: string; readonly scopes: string; readonly privateKey: JWK },
  ) {}

  static async demo(baseUrl: string, directory: string, name: string): Promise<StoryClient> {
    return new StoryClient(
      baseUrl,
      JSON.parse(await readFile(join(directory, demoClientFile(name)), 'utf8')) as DemoClient,
    )
  }

  async transaction(body: object): Promise<BundleAnswer> {
    return this.#ask((client) => client.transaction({ body: body as never }))
  }

  async create(resource: { readonly resourceType: string; readonly [element: string]: unknown }): Promise<Resource> {
    return this.#ask((client) => client.create({ resourceType: resource.resourceType, body: resource }))
  }

  async read(resourceType: string, id: string): Promise<Resource> {
    return this.#ask((client) => client.read({ resourceType, id }))
  }

  async search(
    resourceType: string,
    searchParams: Readonly<Record<string, string | number>> = {},
  ): Promise<BundleAnswer> {
    return this.#ask((client) => client.search({ resourceType, searchParams: searchParams }))
  }

  async operation(resourceType: string, id: string, name: string, input: object = {}): Promise<Resource> {
    return this.#ask((client) => client.operation({ resourceType, id, name, input: input as never }))
  }

  /** The refusal that an interaction must end in. */
  async refusal(ask: Promise<unknown>): Promise<Refusal | null> {
    return ask.then(
      () => null,
      (error: unknown) => {
        const { response } = error as { response?: { status?: number; data?: { issue?: { diagnostics?: string }[] } } }
        if (response?.status === undefined) throw error
        return { status: response.status, diagnostics: response.data?.issue?.[0]?.diagnostics ?? '' }
      },
    )
  }

  async #ask<T>(ask: (client: Client) => Promise<unknown>): Promise<T> {
    if (this.#client === undefined || Date.now() > this.#until) {
      const { accessToken, expiresAt } = await requestToken({
        baseUrl: this.baseUrl,
        clientId: this.key.id,
        privateKey: this.key.privateKey,
        scope: this.key.scopes,
      })
      this.#client = new Client({ baseUrl: this.baseUrl, bearerToken: accessToken })
      this.#until = expiresAt - 30_000
    }
    return (await ask(this.#client)) as T
  }
}
