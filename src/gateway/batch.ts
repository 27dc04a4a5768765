import { ConsentryError, HTTP_STATUS } from '../errors.js'
import { type EntryResult, RANK, type ResolvedBundle, type ResolvedEntry, responseBundle } from '../fhir/bundle.js'
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
  const carryOut = async (index: number): Promise<void> => {
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
  for (const stage of stagesOf(resolved)) await inTurns(stage, carryOut)
  await answers.settle(results)
  const ordered = resolved.entries.map((entry) => results.get(entry) as EntryResult)
  return { status: 200, headers: {}, body: responseBundle('batch', ordered) }
}

/** Entries of one batch that are carried out at a time: what they write is committed together. */
const PARALLEL = 8

/**
 * The places of a batch as stages, one after the other (deletions, creations, changes, reads), and each stage as turns, beside each other: no
 * entry may depend on another, but those that change one resource keep their order, and so do those of one condition.
 */
function stagesOf({ order, entries }: ResolvedBundle): number[][][] {
  const stages = new Map<number, Map<string | number, number[]>>()
  for (const index of order) {
    const entry = entries[index] as ResolvedEntry | ConsentryError
    const rank = entry instanceof ConsentryError ? RANK.GET : RANK[entry.method]
    const turns = stages.get(rank) ?? new Map<string | number, number[]>()
    stages.set(rank, turns)
    const turn = entry instanceof ConsentryError || rank === RANK.GET ? index : (resourceOf(entry) ?? index)
    turns.set(turn, [...(turns.get(turn) ?? []), index])
  }
  return Array.from(stages.values(), (turns) => [...turns.values()])
}

function resourceOf({ type, id, condition }: ResolvedEntry): string | undefined {
  if (condition !== undefined) return condition
  return id === undefined ? undefined : `${type}/${id}`
}

async function inTurns(
  turns: readonly (readonly number[])[],
  carryOut: (index: number) => Promise<void>,
): Promise<void> {
  const waiting = turns.values()
  const next = async (): Promise<void> => {
    for (const turn of waiting) for (const index of turn) await carryOut(index)
  }
  await Promise.all(Array.from({ length: PARALLEL }, next))
}
