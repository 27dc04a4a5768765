import { isResource } from '../is-resource.js'
import { parseReference, referencesOf } from '../references.js'
import type { Walk } from './walk.js'

type JsonMap = Readonly<Record<string, unknown>>

const isMap = (value: unknown): value is JsonMap => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * What R4 says of a Bundle's entries beyond its invariants:
 * - fullUrl is absolute and does not disagree with the id of the resource
 *   (https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.fullUrl); in a transaction or batch it may,
 *   because there the request says which resource is meant, and clients are used to that;
 * - search results have ids, and outcomes are OperationOutcomes (https://hl7.org/fhir/R4/http.html#search);
 * - what a document's Composition refers to is in the document (https://hl7.org/fhir/R4/documents.html#content).
 */
export function checkBundle(bundle: JsonMap, walk: Walk): void {
  if (!Array.isArray(bundle['entry'])) return
  const entries = bundle['entry'] as readonly unknown[]
  for (const [index, entry] of entries.entries()) {
    if (!isMap(entry)) continue
    const place = `${walk.expression()}.entry[${index}]`
    checkFullUrl(entry, bundle['type'], place, walk)
    if (bundle['type'] === 'searchset') checkSearchResult(entry, place, walk)
  }
  if (bundle['type'] === 'document') checkDocument(entries, walk)
}

function checkFullUrl(entry: JsonMap, type: unknown, place: string, walk: Walk): void {
  const { fullUrl, resource } = entry
  if (typeof fullUrl !== 'string') return
  const url = parseReference(fullUrl)
  if (url.kind !== 'absolute' && url.kind !== 'urn' && url.kind !== 'url') {
    walk.error('value', 'fullUrl must be an absolute URL or a URN.', `${place}.fullUrl`)
    return
  }
  if (url.kind !== 'absolute' || !isMap(resource) || type === 'transaction' || type === 'batch') return
  const agrees = (resource['id'] === undefined || resource['id'] === url.id) && resource['resourceType'] === url.type
  if (!agrees)
    walk.error('invariant', 'fullUrl must agree with the type and the id of the resource.', `${place}.fullUrl`)
}

function checkSearchResult(entry: JsonMap, place: string, walk: Walk): void {
  const { resource, search } = entry
  if (!isMap(resource)) return
  const mode = isMap(search) ? search['mode'] : undefined
  const outcome = resource['resourceType'] === 'OperationOutcome'
  if (mode === 'outcome' && !outcome) {
    walk.error('structure', 'an entry with search mode outcome must be an OperationOutcome.', `${place}.resource`)
  } else if (!outcome && resource['id'] === undefined) {
    walk.error('required', 'a resource in a search result must have an id.', `${place}.resource.id`)
  }
}

function checkDocument(entries: readonly unknown[], walk: Walk): void {
  const [first] = entries
  const composition = isMap(first) ? first['resource'] : undefined
  if (!isMap(first) || !isResource(composition) || composition.resourceType !== 'Composition') return
  const urls = new Set(entries.map((entry) => (isMap(entry) ? entry['fullUrl'] : undefined)))
  const own = typeof first['fullUrl'] === 'string' ? parseReference(first['fullUrl']) : undefined
  for (const { path, reference } of referencesOf(composition)) {
    if (path.startsWith('contained') || typeof reference.reference !== 'string') continue
    const target = parseReference(reference.reference)
    const url =
      target.kind === 'relative'
        ? own?.kind === 'absolute' && `${own.base}/${target.type}/${target.id}`
        : target.kind === 'absolute'
          ? `${target.base}/${target.type}/${target.id}`
          : reference.reference
    if (target.kind === 'contained' || urls.has(url)) continue
    const rule =
      'what the Composition of a document refers to must be in the document, with the fullUrl that the reference means.'
    walk.error('not-found', rule, `${walk.expression()}.entry[0].resource.${path}`)
  }
}
