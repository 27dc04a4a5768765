import type { ApolloServer } from '@apollo/server'
import { ConsentryError } from '../errors.js'
import type { FhirInteractions, InteractionRequest, InteractionResponse } from '../gateway/interaction.js'
import { runGraphql, type GraphqlRequest } from './run.js'
import type { GraphqlResource, GraphqlSource, ResourceRef, SearchPage } from './table.js'
import { Turns } from './turns.js'

export interface GraphqlOperationParts {
  readonly engine: { readonly server: () => Promise<ApolloServer> }
  readonly interactions: () => FhirInteractions
  /** FHIR's JSON, decimals exact. */
  readonly parse: (body: Uint8Array) => unknown
  readonly baseUrl: string
}

/** https://hl7.org/fhir/R4/datatypes.html#id; nothing else is in a record's name. */
const ID = /^[A-Za-z0-9\-.]{1,64}$/

/** Interactions of one request that are under way at a time. */
const AT_ONCE = 4

/** Ids of one `_id` search: references of a level are resolved in pages of this size. */
const IDS = 200

/**
 * `$graphql` at the base and at an instance (https://hl7.org/fhir/R4/graphql.html), as GET with `query` or POST of
 * JSON or of the query itself. What it reads, it reads through the interactions, as the same caller.
 */
export function graphqlOperation(
  parts: GraphqlOperationParts,
): (request: InteractionRequest) => Promise<InteractionResponse> {
  const source = sourceOf(parts)
  return async (request) => {
    const query = asked(request, parts.parse)
    const { status, data, errors } = await runGraphql(await parts.engine.server(), query, source, request)
    return {
      status,
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(errors === undefined ? { data } : { data, errors }),
    }
  }
}

function asked(request: InteractionRequest, parse: GraphqlOperationParts['parse']): GraphqlRequest {
  const instance =
    request.type === undefined || request.id === undefined ? {} : { instance: { type: request.type, id: request.id } }
  const parameter = (name: string): string | undefined => request.params.find(([n]) => n === name)?.[1]
  const text = request.body === undefined ? '' : Buffer.from(request.body).toString('utf8')
  if (text === '') return { query: requireQuery(parameter('query')), ...instance }
  if (/graphql/.test(request.headers['content-type'] ?? '')) return { query: text, ...instance }
  const { query, operationName, variables } = bodyOf(text, parse)
  return {
    query: requireQuery(query),
    ...(typeof operationName === 'string' ? { operationName } : {}),
    ...(typeof variables === 'object' && variables !== null && !Array.isArray(variables)
      ? { variables: variables as Readonly<Record<string, unknown>> }
      : {}),
    ...instance,
  }
}

/** @throws ConsentryError `malformed`, with the place of what is no JSON */
function bodyOf(
  text: string,
  parse: GraphqlOperationParts['parse'],
): { query?: unknown; operationName?: unknown; variables?: unknown } {
  let body: unknown
  try {
    // numbers of variables are JavaScript's, as GraphQL takes them
    body = JSON.parse(text)
  } catch {
    body = parse(Buffer.from(text))
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body
  throw new ConsentryError('malformed', 'The body must be a JSON object with a member query.', { code: 'structure' })
}

function requireQuery(query: unknown): string {
  if (typeof query === 'string' && query.trim() !== '') return query
  throw new ConsentryError('malformed', 'Give the query as parameter query, as JSON member query, or as the body.', {
    code: 'required',
  })
}

function sourceOf({ interactions, parse, baseUrl }: GraphqlOperationParts): GraphqlSource<InteractionRequest> {
  const body = (response: InteractionResponse): unknown => parse(response.body as Uint8Array)
  const turns = new WeakMap<InteractionRequest, Turns>()
  const ask = (
    context: InteractionRequest,
    name: 'read' | 'search-type',
    what: Pick<InteractionRequest, 'params'> & { type: string; id?: string },
  ): Promise<InteractionResponse> => {
    const own = turns.get(context) ?? new Turns(AT_ONCE)
    turns.set(context, own)
    return own.run(() => interaction(interactions(), context, name, what))
  }
  const search = async (
    type: string,
    params: readonly (readonly [string, string])[],
    context: InteractionRequest,
  ): Promise<SearchPage> => {
    const response = await ask(context, 'search-type', { type, params })
    const bundle = body(response) as {
      total?: number
      entry?: { resource: GraphqlResource; search?: { mode?: string } }[]
      link?: { relation: string; url: string }[]
    }
    const next = bundle.link?.find(({ relation }) => relation === 'next')?.url
    const cursor = next === undefined ? null : new URL(next).searchParams.get('_cursor')
    return {
      resources: (bundle.entry ?? []).filter((e) => (e.search?.mode ?? 'match') === 'match').map((e) => e.resource),
      ...(typeof bundle.total === 'number' ? { total: bundle.total } : {}),
      ...(cursor === null ? {} : { next: cursor }),
    }
  }
  const resolve = async (
    refs: readonly ResourceRef[],
    context: InteractionRequest,
  ): Promise<(GraphqlResource | undefined)[]> => {
    const byType = Map.groupBy(refs, ({ type }) => type)
    const found = new Map<string, GraphqlResource>()
    await Promise.all(
      Array.from(byType, async ([type, wanted]) => {
        const ids = [...new Set(wanted.map(({ id }) => id))]
        for (let i = 0; i < ids.length; i += IDS) {
          const part = ids.slice(i, i + IDS)
          const page = await permitted(
            search(
              type,
              [
                ['_id', part.join(',')],
                ['_count', String(part.length)],
              ],
              context,
            ),
          )
          for (const resource of page?.resources ?? []) found.set(`${type}/${resource.id}`, resource)
        }
      }),
    )
    return refs.map(({ type, id }) => found.get(`${type}/${id}`))
  }
  return {
    base: baseUrl,
    search,
    resolve,
    read: async (type, id, context) => {
      if (!ID.test(id)) return undefined
      const response = await permitted(ask(context, 'read', { type, id, params: [] }))
      return response && (body(response) as GraphqlResource)
    },
  }
}

/** Undefined for what is not there and what scopes or consent refuse: which of them it was is nobody's business. */
async function permitted<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof ConsentryError && ['not-found', 'gone', 'forbidden'].includes(error.kind)) return undefined
    throw error
  }
}

async function interaction(
  interactions: FhirInteractions,
  context: InteractionRequest,
  name: 'read' | 'search-type',
  what: Pick<InteractionRequest, 'params'> & { type: string; id?: string },
): Promise<InteractionResponse> {
  const handler = interactions[name]
  if (!handler) throw new ConsentryError('not-supported', `${name} is not served.`)
  const { body: _, type: __, id: ___, operation: ____, ...common } = context
  return handler({ ...common, interaction: name, method: 'GET', headers: {}, ...what })
}
