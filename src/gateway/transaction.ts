import { requireScope, requireWriteScope } from '../auth/allows.js'
import { ConsentryError, HTTP_STATUS } from '../errors.js'
import {
  type EntryResult,
  planBundle,
  resolveBundle,
  type ResolvedBundle,
  type ResolvedEntry,
  responseBundle,
} from '../fhir/bundle.js'
import { criteriaOf } from '../fhir/search-query.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import type { Claim, ResourceRow } from '../records/types.js'
import { audited } from './audited.js'
import { retried } from './contention.js'
import { recordAccess, trace } from './disclose.js'
import { bundleOf, refuseServerWritten } from './input.js'
import type { FhirInteractions, Handler, InteractionRequest, InteractionResponse } from './interaction.js'
import type { GatewayParts } from './parts.js'
import { EntryAnswers, patchIn, refusedResult, withoutResource } from './entry-answers.js'
import { changeOf, patchIntents, type PatchTarget } from './patch.js'
import { etag, preferredReturn, versionOfEtag } from './represent.js'
import type { Intent } from './intent.js'
import { scopeClauses } from './scope-filter.js'
import type { Trail } from './trail.js'
import { write, type Written } from './write.js'

/**
 * transaction and batch, https://hl7.org/fhir/R4/http.html#transaction. A transaction's writes are one write: all
 * or nothing. Its reads come after the writes. Entries of a batch are requests of their own.
 */
export function transaction(parts: GatewayParts, interactions: () => FhirInteractions): Handler {
  return audited(parts, async (request, trail) => {
    const { bundle, refused } = await bundleOf(request)
    const plan = planBundle(bundle, { base: request.baseUrl, maxEntries: parts.limits.maxBundleEntries })
    if (plan.kind === 'batch') {
      const { found } = await lookUp(parts, request, trail, plan.lookups)
      return batch(parts, request, resolveBundle(plan, found, { base: request.baseUrl }), interactions(), refused)
    }
    const answers = new EntryAnswers(parts, request, interactions())
    const { resolved, entries, writing, written } = await retried(() => writeAll(parts, request, trail, plan))
    const results = new Map(writing.map(({ entry }, i) => [entry, writtenResult(request, written[i] as Written)]))
    // One after the other: each read is an interaction of its own, audited and decided as such.
    for (const index of resolved.order) {
      const entry = entries[index] as ResolvedEntry
      if (!results.has(entry)) {
        // The writes are committed: a read that is refused says so in its entry, and the others are still answered.
        results.set(entry, await otherResult(answers, entry).catch(refusedResult))
      }
    }
    await answers.settle(results)
    const tells = await trail.opened.holds(parts.access, request.principal)
    const ordered = entries.map((entry) => {
      const result = results.get(entry) as EntryResult
      return tells || entry.action !== 'patch' ? result : withoutResource(result)
    })
    return { status: 200, headers: {}, body: responseBundle('transaction', ordered) }
  })
}

type Plan = ReturnType<typeof planBundle>
type Lookups = Plan['lookups']

/** Everything of a transaction that changes something, looked up and written anew if another writer was faster. */
async function writeAll(parts: GatewayParts, request: InteractionRequest, trail: Trail, plan: Plan) {
  const { found, claims } = await lookUp(parts, request, trail, plan.lookups)
  const resolved = resolveBundle(plan, found, { base: request.baseUrl })
  const entries = resolved.entries.map(requireResolved)
  requireScopes(request, entries)
  const patches = entries.filter(({ action }) => action === 'patch')
  const [puts, patched] = [
    entries.flatMap((entry) => intentOf(entry, claims)),
    patches.length === 0 ? [] : await patchIntents(parts, request, trail, patches.map(targetOf)),
  ]
  const writing = [...puts, ...patched.map((intent, i) => ({ entry: patches[i] as ResolvedEntry, intent }))]
  const intents = writing.map(({ intent }) => intent)
  const written = intents.length === 0 ? [] : await write(parts, request, trail, intents)
  return { resolved, entries, writing, written }
}

function targetOf({ index, type = '', id = '', resource, ifMatch }: ResolvedEntry): PatchTarget {
  const version = versionOfEtag(ifMatch, `Bundle.entry[${index}].request.ifMatch`)
  const change = changeOf(patchIn(resource))
  return {
    type,
    id,
    at: `Bundle.entry[${index}].resource`,
    change,
    ...(version === undefined ? {} : { ifMatch: version }),
  }
}

/** Conditions of entries and conditional references, in one query, among what the caller may read. */
async function lookUp(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  lookups: Lookups,
): Promise<{ found: Map<string, string[]>; claims: Map<string, Claim> }> {
  if (lookups.length === 0) return { found: new Map(), claims: new Map() }
  const filter = await parts.access.filter(request.principal, 'read')
  // What a condition finds is told in ids and references, so it is a search.
  const queries = lookups.map(({ query: { type, clauses } }) => {
    const scope = scopeClauses(parts, type, requireScope(request.principal, type, 'search-type'))
    return { type, clauses: [...clauses, ...scope] }
  })
  const { matches, snapshot } = await parts.records.match(queries, filter)
  await recordFound(parts, request, trail, matches.flat())
  return {
    found: new Map(lookups.map(({ key }, i) => [key, (matches[i] ?? []).map((row) => row.id)])),
    claims: new Map(
      lookups.map(
        ({ key, query }) => [key, { key: parts.index.claim(query.type, criteriaOf(query)), snapshot }] as const,
      ),
    ),
  }
}

/** What a condition finds of a patient is told to whoever asks, in ids and references. */
async function recordFound(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  rows: readonly ResourceRow[],
): Promise<void> {
  const found = rows.filter(({ patient }) => patient !== null)
  if (found.length === 0) return
  await trace(parts, trail, found)
  await recordAccess(parts, request, trail, { interaction: 'search-type' })
}

function requireResolved(entry: ResolvedEntry | ConsentryError): ResolvedEntry {
  if (entry instanceof ConsentryError) throw entry
  return entry
}

const INTERACTION = {
  create: 'create',
  existing: 'create',
  update: 'update',
  patch: 'patch',
  delete: 'delete',
  nothing: 'delete',
} as const

function requireScopes(request: InteractionRequest, entries: readonly ResolvedEntry[]): void {
  const needed = new Set(
    entries.flatMap(({ action, type }) =>
      action in INTERACTION ? [`${type} ${INTERACTION[action as 'create']}`] : [],
    ),
  )
  for (const pair of needed) {
    const [type = '', interaction = ''] = pair.split(' ')
    requireWriteScope(request.principal, type, interaction)
  }
}

function intentOf(
  entry: ResolvedEntry,
  claims: ReadonlyMap<string, Claim>,
): { entry: ResolvedEntry; intent: Intent }[] {
  const { action, index, type = '', id = '' } = entry
  const at = `Bundle.entry[${index}].resource`
  const ifMatch = versionOfEtag(entry.ifMatch, `Bundle.entry[${index}].request.ifMatch`)
  const match = ifMatch === undefined ? {} : { ifMatch }
  if (action === 'delete') return [{ entry, intent: { kind: 'delete', type, id, at, ...match } }]
  if (action !== 'create' && action !== 'update') return []
  refuseServerWritten(type, at, entry.resource)
  const claim = entry.condition === undefined ? undefined : claims.get(entry.condition)
  // The Bundle was validated with its entries; rewriting put ids and references of this server into it.
  const resource = entry.resource as Resource as ValidResource
  const claimed = action === 'create' && claim !== undefined ? { claim } : {}
  return [{ entry, intent: { kind: action, type, id, resource, at, ...match, ...claimed } }]
}

function writtenResult(request: InteractionRequest, written: Written): EntryResult {
  const { type, id, version, lastUpdated, outcome, body } = written
  if (outcome === 'deleted' || outcome === 'unchanged') {
    return { status: 204, ...(version > 0 ? { etag: etag(version) } : {}) }
  }
  const representation = preferredReturn(request) === 'representation' && /return=/.test(request.headers.prefer ?? '')
  return {
    status: outcome === 'created' ? 201 : 200,
    location: `${type}/${id}/_history/${version}`,
    etag: etag(version),
    lastModified: new Date(lastUpdated).toISOString(),
    ...(representation && body ? { resource: body } : {}),
  }
}

async function otherResult(answers: EntryAnswers, entry: ResolvedEntry): Promise<EntryResult> {
  if (entry.action === 'nothing') return { status: 204 }
  const asked = entry.action === 'existing' ? { ...entry, interaction: 'read' as const, method: 'GET' as const } : entry
  const result = await answers.ask(entry, asked)
  if (entry.action !== 'existing') return result
  const rest = withoutResource(result)
  return { ...rest, location: `${entry.type}/${entry.id}/_history/${/\d+/.exec(rest.etag ?? '')?.[0] ?? '1'}` }
}

async function batch(
  parts: GatewayParts,
  request: InteractionRequest,
  resolved: ResolvedBundle,
  interactions: FhirInteractions,
  refused: ReadonlyMap<number, ConsentryError>,
): Promise<InteractionResponse> {
  const answers = new EntryAnswers(parts, request, interactions)
  const results = new Map<ResolvedEntry | ConsentryError, EntryResult>()
  for (const index of resolved.order) {
    const entry = resolved.entries[index] as ResolvedEntry | ConsentryError
    const fault = refused.get(index)
    try {
      if (fault !== undefined) {
        await interactions.refused?.(request, HTTP_STATUS[fault.kind])
        throw fault
      }
      const asked = requireResolved(entry)
      results.set(entry, await answers.ask(asked, asked))
    } catch (error) {
      results.set(entry, refusedResult(error))
    }
  }
  await answers.settle(results)
  const ordered = resolved.entries.map((entry) => results.get(entry) as EntryResult)
  return { status: 200, headers: {}, body: responseBundle('batch', ordered) }
}
