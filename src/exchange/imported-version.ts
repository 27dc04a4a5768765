import { labelBits } from '../consent/labels.js'
import { categoryBits, isCategory } from '../consent/terms.js'
import { ConsentryError } from '../errors.js'
import { clinicalCategories } from '../fhir/clinical-categories.js'
import { isResourceType } from '../fhir/definitions/structures.js'
import { isResource } from '../fhir/is-resource.js'
import { parseJson } from '../fhir/json.js'
import { labelsOf } from '../fhir/labels-of.js'
import { parseReference, referencesOf } from '../fhir/references.js'
import { recordFacts } from '../fhir/record-facts.js'
import { indexValues } from '../fhir/search-parameters.js'
import type { Resource, ValidResource } from '../fhir/types.js'
import { validate } from '../fhir/validate.js'
import type { BlindIndex } from '../records/blind-index.js'
import { anchorLeaf } from '../vault/anchor-leaf.js'
import { contentHashOf, type Payload } from '../vault/payload.js'
import type { Sound } from './committing.js'
import type { FeedItem } from './feed-items.js'

/** Versions are four-byte integers in the rows. */
const MAX_VERSION = 2_147_483_647
/** Written by each server itself: nobody's trail is taken from somebody else. */
const NOT_SHARED: ReadonlySet<string> = new Set(['AuditEvent', 'Bundle', 'Parameters', 'OperationOutcome'])

export interface ImportPlace {
  readonly index: BlindIndex
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  /** FHIR base of the author, for `meta.source`. */
  readonly base: string
}

/** What was opened, held against what was anchored and declared, as it is written here. @throws ConsentryError `integrity` or `invalid` */
export function soundVersion(item: FeedItem, payload: Payload, { index, clock, base }: ImportPlace): Sound {
  const { id, version, salt, body } = payload
  requireAnchored(item, payload)
  const resource: unknown = parseJson(body)
  if (!isResource(resource)) throw new ConsentryError('invalid', 'The record is no FHIR resource.')
  const [type = '', logicalId = ''] = id.split('/')
  const deleted = isTombstone(resource)
  const same =
    resource.resourceType === type && resource.id === logicalId && resource.meta?.versionId === String(version)
  if (!same) throw new ConsentryError('integrity', 'The record says another identity than its envelope.')
  if (!isResourceType(type) || NOT_SHARED.has(type) || version < 1 || version > MAX_VERSION) {
    throw new ConsentryError('invalid', 'The record is of a type or version that nobody shares.')
  }
  if (!deleted && validate(resource).resource === undefined) {
    throw new ConsentryError('invalid', 'The record is not valid FHIR R4.')
  }
  if (!deleted && labelBits(labelsOf(resource)) !== item.labels) {
    throw new ConsentryError('integrity', 'The record has other labels than it was sealed under.')
  }
  const row = {
    type,
    id: logicalId,
    version,
    lastUpdated: Date.parse(resource.meta?.lastUpdated ?? '') || clock(),
    deleted,
    patient: item.patient,
    origin: item.origin,
    labels: item.labels,
    categories: categoryBits(clinicalCategories(resource).filter(isCategory)),
    facts: deleted ? null : index.facts(recordFacts(resource)),
    index: deleted ? null : index.entries(type, indexValues(resource as ValidResource)),
    cid: item.cid,
    body: null,
    contentHash: contentHashOf(salt, body),
    salt,
    author: item.origin,
    source: `${base}/${type}/${logicalId}`,
    leaf: null,
  }
  return { version: row, named: patientsNamedBy(resource) }
}

function requireAnchored(item: FeedItem, { id, version, salt }: Payload): void {
  const author = Buffer.from(item.origin.slice(2), 'hex')
  if (Buffer.compare(anchorLeaf(salt, item.cid, { id, version }, author), item.leaf) === 0) return
  throw new ConsentryError('integrity', 'The record is not the one that was anchored.')
}

/** Ids of Patients that a record refers to, wherever it does, and its own if it is one. */
function patientsNamedBy(resource: Resource): string[] {
  const named = referencesOf(resource).flatMap(({ reference: { reference } }) => {
    const parsed = typeof reference === 'string' ? parseReference(reference) : null
    return parsed?.kind === 'relative' && parsed.type === 'Patient' ? [parsed.id] : []
  })
  return [
    ...new Set(resource.resourceType === 'Patient' && resource.id !== undefined ? [...named, resource.id] : named),
  ]
}

/** The body of a deleted version has a type, an id and `meta`, and nothing else. */
function isTombstone(resource: Resource): boolean {
  return Object.keys(resource).every((key) => key === 'resourceType' || key === 'id' || key === 'meta')
}
