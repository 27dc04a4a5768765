import { ConsentryError, HTTP_STATUS } from '../errors.js'
import type { EntryResult, ResolvedEntry } from '../fhir/bundle.js'
import { stringify } from '../fhir/json.js'
import { operationOutcome } from '../fhir/operation-outcome.js'
import type { Resource } from '../fhir/types.js'
import { recordFailure } from './audited.js'
import { tracePatients } from './disclose.js'
import type { FhirInteractions, InteractionRequest, InteractionResponse } from './interaction.js'
import { Opened } from './opened.js'
import type { GatewayParts } from './parts.js'
import { Trail } from './trail.js'

/**
 * Entries of a Bundle that are interactions of their own. Their answers wait for each other, so each is decided once more when all are
 * there: what may not be told any more is refused in its entry.
 */
export class EntryAnswers {
  readonly #opened = new Map<ResolvedEntry | ConsentryError, Opened>()

  constructor(
    private readonly parts: GatewayParts,
    private readonly request: InteractionRequest,
    private readonly interactions: FhirInteractions,
  ) {}

  /** @param asked the interaction that `entry` amounts to */
  async ask(entry: ResolvedEntry, asked: ResolvedEntry): Promise<EntryResult> {
    const opened = new Opened()
    this.#opened.set(entry, opened)
    const result = resultOf(this.request, await answer({ ...this.request, opened }, asked, this.interactions))
    return asked.method === 'HEAD' ? withoutResource(result) : result
  }

  async settle(results: Map<ResolvedEntry | ConsentryError, EntryResult>): Promise<void> {
    const { access } = this.parts
    const { principal } = this.request
    const all = new Opened()
    for (const opened of this.#opened.values()) all.addAll(opened)
    if (await all.holds(access, principal)) return
    await Promise.all(
      Array.from(this.#opened, async ([entry, opened]) => {
        try {
          await opened.confirm(access, principal)
        } catch (error) {
          const refusal = refusedResult(error)
          const result = results.get(entry) as EntryResult
          if (result.status >= 400) return
          results.set(entry, opened.acted ? withoutResource(result) : refusal)
          await this.#record(opened, error)
        }
      }),
    )
  }

  async #record(opened: Opened, error: unknown): Promise<void> {
    const trail = new Trail()
    await tracePatients(this.parts, trail, opened.subjects)
    await recordFailure(this.parts, this.request, trail, error)
  }
}

export function refusedResult(error: unknown): EntryResult {
  if (!(error instanceof ConsentryError)) throw error
  return { status: HTTP_STATUS[error.kind], outcome: operationOutcome(error.issues) }
}

/** One entry as the interaction that it names, with everything that guards it. */
async function answer(
  request: InteractionRequest,
  entry: ResolvedEntry,
  interactions: FhirInteractions,
): Promise<InteractionResponse> {
  const { interaction, method, type, id, vid, compartment, operation, params, resource, condition } = entry
  const handler = interactions[interaction]
  if (!handler) throw new ConsentryError('not-supported', `${interaction} is not served.`)
  const headers = {
    // A Binary comes as the resource: what stands in a Bundle is FHIR.
    accept: 'application/fhir+json',
    prefer: entryPreference(request),
    ...(entry.ifMatch === undefined ? {} : { 'if-match': entry.ifMatch }),
    ...(entry.ifNoneMatch === undefined ? {} : { 'if-none-match': entry.ifNoneMatch }),
    ...(entry.ifModifiedSince === undefined ? {} : { 'if-modified-since': entry.ifModifiedSince }),
    ...(interaction === 'create' && condition !== undefined
      ? { 'if-none-exist': condition.slice(condition.indexOf('?') + 1) }
      : {}),
  }
  const patch = interaction === 'patch' ? patchIn(resource) : undefined
  const { body: _, type: __, id: ___, vid: ____, ...common } = request
  return handler({
    ...common,
    interaction,
    method: method === 'HEAD' ? 'GET' : method,
    headers: { ...headers, ...patch?.headers },
    params,
    ...(type === undefined ? {} : { type }),
    ...(id === undefined ? {} : { id }),
    ...(vid === undefined ? {} : { vid }),
    ...(compartment === undefined ? {} : { compartment }),
    ...(operation === undefined ? {} : { operation }),
    ...(resource === undefined ? {} : { body: patch?.body ?? Buffer.from(stringify(resource)) }),
  })
}

/** What a Bundle wrote is in it already: an entry says it again only if the client wants that (`Prefer: return=representation`). */
export function entryPreference({ headers: { prefer = '' } }: InteractionRequest): string {
  return /(?:^|[;,\s])return=/.test(prefer) ? prefer : `return=minimal${prefer === '' ? '' : `, ${prefer}`}`
}

/** An answer as an entry says it: the location relative to the base, the time as the resource has it. */
export function resultOf(
  { baseUrl }: InteractionRequest,
  { status, headers, body, lastUpdated }: InteractionResponse,
): EntryResult {
  const { location, etag, 'last-modified': modified } = headers
  const at = lastUpdated ?? (modified === undefined ? undefined : Date.parse(modified))
  const told = {
    status,
    ...(location === undefined ? {} : { location: location.replace(`${baseUrl}/`, '') }),
    ...(etag === undefined ? {} : { etag }),
    ...(at === undefined ? {} : { lastModified: new Date(at).toISOString() }),
  }
  if (body === undefined || headers['content-type'] !== undefined || Symbol.asyncIterator in Object(body)) return told
  // What a write has to say of itself is its outcome; of anything else the outcome is the answer.
  const isOutcome = location !== undefined && (body as Partial<Resource>).resourceType === 'OperationOutcome'
  return { ...told, [isOutcome ? 'outcome' : 'resource']: body as Uint8Array | Resource }
}

export function withoutResource(result: EntryResult): EntryResult {
  const { resource: _, ...rest } = result
  return rest
}

/** What would be sent alone: Parameters, or a JSON Patch that the entry holds as a Binary (https://hl7.org/fhir/R4/http.html#patch). */
export function patchIn(resource: Resource | undefined): Required<Pick<InteractionRequest, 'body' | 'headers'>> {
  if (resource?.resourceType !== 'Binary') {
    return { headers: { 'content-type': 'application/fhir+json' }, body: Buffer.from(stringify(resource)) }
  }
  const { contentType = '', data = '' } = resource as { contentType?: string; data?: string }
  return { headers: { 'content-type': contentType }, body: Buffer.from(data, 'base64') }
}
