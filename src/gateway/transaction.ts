import { requireScope } from '../auth/allows.js'
import { ConsentryError } from '../errors.js'
import { type EntryResult, planBundle, resolveBundle, type ResolvedEntry, responseBundle } from '../fhir/bundle.js'
import type { Resource } from '../fhir/types.js'
import { audited } from './audited.js'
import { batch } from './batch.js'
import { lookUp } from './bundle-lookups.js'
import { isWrite, requireScopes, type Writing, writingOf } from './bundle-writing.js'
import { retried } from './contention.js'
import { EntryAnswers, entryPreference, refusedResult, resultOf, withoutResource } from './entry-answers.js'
import { bundleOf } from './input.js'
import type { FhirInteractions, Handler, InteractionRequest } from './interaction.js'
import { changesSomething } from './operation-input.js'
import type { GatewayParts } from './parts.js'
import { deletedResponse, FOUND, outcomeOf, preferredReturn, writtenResponse } from './represent.js'
import type { Trail } from './trail.js'
import { write, type Written } from './write.js'

/**
 * transaction and batch, https://hl7.org/fhir/R4/http.html#transaction. All of a transaction happens or nothing. Its writes
 * are one write. What it reads by name is answered before that is committed, as it will be; what it searches or asks is
 * asked before, as it is, and answered afterwards: either way a refusal refuses the transaction.
 */
export function transaction(parts: GatewayParts, interactions: () => FhirInteractions): Handler {
  return audited(parts, async (request, trail) => {
    const { bundle, refused } = await bundleOf(parts, request)
    const plan = planBundle(bundle, { base: request.baseUrl, maxEntries: parts.limits.maxBundleEntries })
    if (plan.kind === 'batch') {
      const { found } = await lookUp(parts, request, trail, plan.lookups)
      return batch(parts, request, resolveBundle(plan, found, { base: request.baseUrl }), interactions(), refused)
    }
    const done = await retried(() => carryOut(parts, request, trail, plan, interactions()))
    const { answers, entries, results } = done
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

/** Looked up and written anew if another writer was faster. */
async function carryOut(
  parts: GatewayParts,
  request: InteractionRequest,
  trail: Trail,
  plan: Plan,
  interactions: FhirInteractions,
) {
  const { found, claims } = await lookUp(parts, request, trail, plan.lookups)
  const resolved = resolveBundle(plan, found, { base: request.baseUrl })
  const entries = resolved.entries.map(requireResolved)
  requireScopes(request, entries)
  const writing = await writingOf(parts, request, trail, entries, claims)
  const asking = resolved.order.flatMap((index) => {
    const entry = entries[index] as ResolvedEntry
    return isWrite(entry) ? [] : [entry]
  })
  refuseInside(request, asking, writing)

  const answers = new EntryAnswers(parts, request, interactions)
  const results = new Map<ResolvedEntry | ConsentryError, EntryResult>()
  /** One after the other: each is an interaction of its own, audited and decided as such. */
  const askAll = async (): Promise<void> => {
    for (const entry of asking) results.set(entry, await otherResult(request, answers, entry).catch(refuseAt(entry)))
  }
  if (writing.length === 0) {
    await askAll()
    return { answers, entries, results }
  }
  const intents = writing.map(({ intent }) => intent)
  const written = await write(parts, request, trail, intents, (versions) => parts.records.asIf(versions, askAll))
  writing.forEach(({ entry }, i) => results.set(entry, writtenResult(request, written[i] as Written)))
  for (const entry of asking.filter((one) => !isByName(one))) {
    // Committed: what has come to be refused in between says so in its entry.
    results.set(entry, await otherResult(request, answers, entry).catch(refusedResult))
  }
  return { answers, entries, results }
}

function requireResolved(entry: ResolvedEntry | ConsentryError): ResolvedEntry {
  if (entry instanceof ConsentryError) throw entry
  return entry
}

/** Answered as the transaction will leave it, without a search. */
function isByName({ action, interaction }: ResolvedEntry): boolean {
  return action !== 'ask' || interaction === 'read' || interaction === 'vread' || interaction === 'capabilities'
}

/**
 * What cannot be part of all or nothing: an operation with effects of its own, and a read under a granular scope of what the
 * transaction writes, because the index does not know yet whether that is inside.
 */
function refuseInside(
  { principal }: InteractionRequest,
  asking: readonly ResolvedEntry[],
  writing: readonly Writing[],
): void {
  const written = new Set(writing.map(({ intent }) => `${intent.type}/${intent.id}`))
  for (const { index, type, id, operation, interaction } of asking) {
    const expression = [`Bundle.entry[${index}].request.url`]
    if (operation !== undefined && changesSomething(type, operation)) {
      const text = `$${operation} changes something by itself, so it is no part of a transaction: ask for it alone or in a batch.`
      throw new ConsentryError('malformed', text, { code: 'not-supported', expression })
    }
    const narrow = (interaction === 'read' || interaction === 'vread') && written.has(`${type}/${id}`)
    if (narrow && requireScope(principal, type as string, interaction) !== null) {
      const text = `Under a granular scope ${type}/${id} is not read in the transaction that writes it.`
      throw new ConsentryError('forbidden', text, { code: 'security', expression })
    }
  }
}

/** A refusal of one entry, told of the whole. */
function refuseAt({ index }: ResolvedEntry): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ConsentryError)) throw error
    const { kind, message, issues, retryAfterSeconds } = error
    const at = `Bundle.entry[${index}].request`
    throw new ConsentryError(kind, message, {
      issues: issues.map((issue) => ({ ...issue, expression: [at] })),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      cause: error,
    })
  }
}

function writtenResult(request: InteractionRequest, written: Written): EntryResult {
  const gone = written.outcome === 'deleted' || written.outcome === 'unchanged'
  const wishing = { ...request, headers: { ...request.headers, prefer: entryPreference(request) } }
  return resultOf(request, gone ? deletedResponse(written) : writtenResponse(wishing, written))
}

async function otherResult(
  request: InteractionRequest,
  answers: EntryAnswers,
  entry: ResolvedEntry,
): Promise<EntryResult> {
  if (entry.action === 'nothing') return { status: 204 }
  const asked = entry.action === 'existing' ? { ...entry, interaction: 'read' as const, method: 'GET' as const } : entry
  const result = await answers.ask(entry, asked)
  if (entry.action !== 'existing') return result
  const location = `${entry.type}/${entry.id}/_history/${/\d+/.exec(result.etag ?? '')?.[0] ?? '1'}`
  switch (preferredReturn({ headers: { prefer: entryPreference(request) } })) {
    case 'representation':
      return { ...result, location }
    case 'OperationOutcome':
      return { ...withoutResource(result), location, outcome: outcomeOf(FOUND) as Resource }
    case 'minimal':
      return { ...withoutResource(result), location }
  }
}
