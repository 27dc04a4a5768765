import { CARE_DATES } from './care-dates.js'
import { parseReference, referencesOf } from './references.js'
import { datesOf } from './search-parameters.js'
import type { Resource, ValidResource } from './types.js'

/** What a consent can be about besides labels and categories (`Consent.provision.data` and `dataPeriod`). */
export interface RecordFacts {
  /** `Type/id` of the record. */
  readonly instance: string
  /** Who wrote it, `Type/id`. */
  readonly authors: readonly string[]
  /** What it refers to anywhere, `Type/id`, authors among them. */
  readonly references: readonly string[]
  /** From the first to the last of its dates of care, milliseconds since the epoch, half open; `null`: it has none. */
  readonly care: { readonly lo: number; readonly hi: number } | null
}

/**
 * Elements at the top of a resource, and `actor` below `performer`, that R4 gives the meaning of an author (FiveWs.author) or that name
 * who made an observation or statement: the profile IHE PCF counts the performer of an Observation.
 */
const AUTHORS = /^(?:author|recorder|asserter|performer|requester|sender|enterer)(?:\[\d+\])?(?:\.actor)?$/

/** @param resource with its id; references to this server are relative */
export function recordFacts(resource: Resource): RecordFacts {
  const { resourceType, id = '' } = resource
  const authors = new Set<string>()
  const references = new Set<string>()
  for (const { path, reference } of referencesOf(resource)) {
    const parsed = typeof reference.reference === 'string' ? parseReference(reference.reference) : null
    if (parsed?.kind !== 'relative') continue
    const target = `${parsed.type}/${parsed.id}`
    references.add(target)
    if (AUTHORS.test(path)) authors.add(target)
  }
  return {
    instance: `${resourceType}/${id}`,
    authors: [...authors],
    references: [...references],
    care: careOf(resource),
  }
}

function careOf(resource: Resource): RecordFacts['care'] {
  const dates = CARE_DATES[resource.resourceType]
  if (dates === undefined) return null
  let care: { lo: number; hi: number } | null = null
  for (const value of datesOf(resource as ValidResource, dates)) {
    care =
      care === null
        ? { lo: value.lo, hi: value.hi }
        : { lo: Math.min(care.lo, value.lo), hi: Math.max(care.hi, value.hi) }
  }
  return care
}
