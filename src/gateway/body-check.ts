import { ConsentryError } from '../errors.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import { validInTurnsOrThrow, validOrThrow } from '../fhir/validate.js'

/** A Bundle, and the entries of a batch that are refused before it is read. */
export interface ReceivedBundle {
  readonly bundle: ValidResource
  readonly refused: ReadonlyMap<number, ConsentryError>
}

/**
 * "The success or failure of one change should not alter the success or failure or resulting content of another change" of a batch
 * (https://hl7.org/fhir/R4/http.html#brules): its invalid resources are refused each for itself.
 *
 * @param pause awaited every few milliseconds
 * @throws ConsentryError `malformed`
 */
export async function checkBundle(value: unknown, pause: () => Promise<unknown>): Promise<ReceivedBundle> {
  try {
    return { bundle: await validInTurnsOrThrow(value, pause), refused: new Map() }
  } catch (error) {
    const refused = isBatch(value) ? faultsOf(value.entry) : new Map<number, ConsentryError>()
    if (refused.size === 0) throw error
    const sound = withoutEntries(value as Resource, refused)
    return { bundle: await validInTurnsOrThrow(sound, pause), refused }
  }
}

/** The Bundle with something that is valid in place of the resources of these entries. */
export function withoutEntries(bundle: Resource, refused: ReadonlyMap<number, unknown>): Resource {
  const entry = (bundle['entry'] as object[]).map((each, index) =>
    refused.has(index) ? { ...each, resource: { resourceType: 'Parameters' } } : each,
  )
  return { ...bundle, entry }
}

type Entries = readonly ({ readonly resource?: unknown } | null)[]

/** A body may be any JSON. */
function isBatch(value: unknown): value is { readonly entry: Entries } {
  const { type, entry } = (value ?? {}) as { type?: unknown; entry?: unknown }
  return type === 'batch' && Array.isArray(entry)
}

function faultsOf(entries: Entries): Map<number, ConsentryError> {
  const faults = entries.map((each) => (each?.resource === undefined ? null : faultOf(each.resource)))
  return new Map(faults.flatMap((fault, index) => (fault === null ? [] : [[index, fault] as const])))
}

function faultOf(resource: unknown): ConsentryError | null {
  try {
    validOrThrow(resource)
    return null
  } catch (error) {
    if (error instanceof ConsentryError) return error
    throw error
  }
}
