import type { Principal } from '../auth/principal.js'
import type { Issue } from '../errors.js'
import type { Opened } from './opened.js'

/** The interactions of https://hl7.org/fhir/R4/http.html by the specification's names. */
export type Interaction =
  | 'capabilities'
  | 'read'
  | 'vread'
  | 'history-instance'
  | 'history-type'
  | 'history-system'
  | 'create'
  | 'update'
  | 'patch'
  | 'delete'
  | 'search-type'
  | 'search-system'
  | 'search-compartment'
  | 'transaction'
  | 'operation'

/** The only request headers that an interaction sees, by lower-case name. */
export type InteractionHeader =
  | 'accept'
  | 'content-type'
  | 'if-match'
  | 'if-modified-since'
  | 'if-none-exist'
  | 'if-none-match'
  | 'prefer'
  | 'x-request-id'
  | 'x-security-context'

/**
 * A FHIR request without HTTP around it; GraphQL, batches and tests make the same value.
 *
 * - `type` and `id` are as in the URL. A missing `id` on update, patch and delete means the conditional form.
 * - `search-compartment` has `compartment`; its `type` is the searched type, absent for `*`.
 * - `operation` is the name without `$`; level by presence of `type` and `id`.
 * - `params` are decoded, in order, repeated names kept: the query, and the form body of `POST …/_search`.
 *   `_format` and `_pretty` are answered by the edge and never in here; `representation` has them, for the links of pages.
 * - `transaction` is a Bundle posted to the base, batches too.
 */
export interface OpenRequest {
  readonly interaction: Interaction
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly type?: string
  readonly id?: string
  readonly vid?: string
  readonly compartment?: { readonly type: string; readonly id: string }
  readonly operation?: string
  readonly params: readonly (readonly [name: string, value: string])[]
  readonly representation?: readonly (readonly [name: string, value: string])[]
  readonly headers: Readonly<Partial<Record<InteractionHeader, string>>>
  /** The bytes as they came, decompressed, at most the configured size. */
  readonly body?: Uint8Array
  /** X-Request-Id of the client if acceptable, else ours; echoed in the response. */
  readonly requestId: string
  /** Network address of the client, for audit records. */
  readonly clientAddress: string
  /** FHIR base as clients see it, without a slash at the end. */
  readonly baseUrl: string
  /** Aborted when the client goes away or the server must stop. */
  readonly signal?: AbortSignal
}

export interface InteractionRequest extends OpenRequest {
  readonly principal: Principal
  /** Of the interaction that this one is inside of and whose answer it becomes a part of; absent at the edge. */
  readonly opened?: Opened
}

/**
 * `body` as bytes or string is sent as it is (FHIR JSON unless `headers` name another `content-type`); an object
 * is stringified; an async iterable is streamed. Header names in lower case. The edge adds what every
 * response has, answers HEAD from GET, and turns a matching ETag into 304 only where the interaction says 304.
 */
export interface InteractionResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string | object | AsyncIterable<Uint8Array | string>
  /** Of the resource, milliseconds since the epoch: an entry of a Bundle says more than the seconds of a header. */
  readonly lastUpdated?: number
}

export type Handler = (request: InteractionRequest) => Promise<InteractionResponse>

/**
 * What the edge calls, one function per interaction. A missing one answers 501. `capabilities` needs no token.
 * Errors are thrown as ConsentryError.
 */
export type FhirInteractions = Partial<Record<Exclude<Interaction, 'capabilities'>, Handler>> & {
  readonly capabilities?: (request: OpenRequest) => Promise<InteractionResponse>
  /** Every resource type of the served FHIR version: others are 404 before a token is looked at. */
  readonly types: ReadonlySet<string>
  /**
   * Told of what the edge refused before an interaction saw it, for the audit trail: with a status of 401 or 403, or
   * any but 429 where the principal is known.
   */
  readonly refused?: (request: OpenRequest & { readonly principal?: Principal }, refusal: Refused) => Promise<void>
}

/** What a client was told in place of an answer. */
export interface Refused {
  /** HTTP status. */
  readonly status: number
  readonly issues: readonly Issue[]
}
