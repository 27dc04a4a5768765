import { ConsentryError, HTTP_STATUS } from '../errors.js'
import { type EntryResult, type ResolvedBundle, type ResolvedEntry, responseBundle } from '../fhir/bundle.js'
import { EntryAnswers, refusedResult } from './entry-answers.js'
import type { FhirInteractions, InteractionRequest, InteractionResponse } from './interaction.js'
import type { GatewayParts } from './parts.js'

/**
 * batch, https://hl7.org/fhir/R4/http.html#transaction: entries are requests of their own.
 *
 * @param refused entries that were refused before the Bundle was read
 */
export async function batch(
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
        await interactions.refused?.(request, { status: HTTP_STATUS[fault.kind], issues: fault.issues })
        throw fault
      }
      if (entry instanceof ConsentryError) throw entry
      results.set(entry, await answers.ask(entry, entry))
    } catch (error) {
      results.set(entry, refusedResult(error))
    }
  }
  await answers.settle(results)
  const ordered = resolved.entries.map((entry) => results.get(entry) as EntryResult)
  return { status: 200, headers: {}, body: responseBundle('batch', ordered) }
}
