import { createHash } from 'node:crypto'
import { patientReferences } from '../../fhir/compartments.js'
import { isResource } from '../../fhir/is-resource.js'
import { parseJson, stringify } from '../../fhir/json.js'
import { parseReference } from '../../fhir/references.js'
import type { Bundle, BundleEntry, Resource } from '../../fhir/types.js'
import type { Source } from './sources.js'

/** One request: a transaction or batch Bundle. */
export interface Unit {
  readonly file: string
  /** Names the unit by its content, so that a resumed load recognises it. */
  readonly key: string
  readonly resources: number
  readonly bundle: Bundle
  /** A search that finds something exactly if the server has carried out this unit; `null`: it may be sent twice. */
  readonly marker: string | null
  /** The same one resource at a time, for when the whole is refused; `null` where it belongs together. */
  readonly apart: (() => readonly Unit[]) | null
}

/** Why a file or line cannot be sent at all. */
export interface Unusable {
  readonly file: string
  readonly reason: string
}

function isUnusable(made: Resource | Unusable): made is Unusable {
  return !('resourceType' in made)
}

/** Entries of a transaction that we make ourselves. */
const ENTRIES = 200
/** Lines of an ndjson file among which resources are grouped by patient. */
const WINDOW = 5_000

/** System of the tag by which a resent Bundle is recognised. */
export const LOAD_TAG = 'https://consentry.health/fhir/CodeSystem/load'

/** The requests that a file becomes, in their order. */
export function* unitsOf(source: Source, text: Buffer): Generator<Unit | Unusable> {
  const groups = source.kind === 'ndjson' ? lineGroups(source, text) : documentGroups(source, text)
  let number = 0
  for (const made of groups) {
    if (isUnusable(made)) yield made
    else if (ours.has(made)) yield apartUnit(source, number++, made)
    else yield unit(source, number++, made)
  }
}

function* documentGroups(source: Source, text: Buffer): Generator<Bundle | Unusable> {
  const resource = parsed(source.path, text)
  if (isUnusable(resource)) return yield resource
  if (resource.resourceType !== 'Bundle') return yield* puts([resource])
  const bundle = resource as Bundle
  if (bundle.type === 'transaction' || bundle.type === 'batch') return yield bundle
  if (bundle.type === 'collection' || bundle.type === 'searchset' || bundle.type === 'document') {
    return yield { resourceType: 'Bundle', type: 'transaction', entry: (bundle.entry ?? []).map(asWrite) }
  }
  yield { file: source.path, reason: `A Bundle of type ${bundle.type ?? '(none)'} holds nothing that can be loaded.` }
}

/** Resources of one patient together, as far as they are near each other in the file. */
function* lineGroups(source: Source, text: Buffer): Generator<Bundle | Unusable> {
  let window: Resource[] = []
  let line = 0
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf(0x0a, start)
    const end = newline < 0 ? text.length : newline
    line++
    const bytes = text.subarray(start, end)
    start = end + 1
    if (bytes.every((byte) => byte <= 0x20)) continue
    const resource = parsed(`${source.path}:${line}`, bytes)
    if (isUnusable(resource)) yield resource
    else window.push(resource)
    if (window.length === WINDOW) {
      yield* byPatient(window)
      window = []
    }
  }
  yield* byPatient(window)
}

function* byPatient(window: readonly Resource[]): Generator<Bundle> {
  const groups = Map.groupBy(window, patientOf)
  // Many patients with a few resources each go together, up to the size of a transaction.
  let small: Resource[] = []
  for (const group of groups.values()) {
    if (small.length + group.length > ENTRIES) {
      yield* puts(small)
      small = []
    }
    if (group.length > ENTRIES) yield* puts(group)
    else small.push(...group)
  }
  yield* puts(small)
}

function patientOf(resource: Resource): string {
  if (resource.resourceType === 'Patient') return resource.id ?? ''
  const parsed = parseReference(patientReferences(resource)[0]?.reference ?? '')
  return 'id' in parsed ? parsed.id : ''
}

function* puts(resources: readonly Resource[]): Generator<Bundle> {
  for (let i = 0; i < resources.length; i += ENTRIES) {
    const entry = resources.slice(i, i + ENTRIES).map((resource) => asWrite({ resource }))
    const bundle: Bundle = { resourceType: 'Bundle', type: 'transaction', entry }
    ours.add(bundle)
    yield bundle
  }
}

/**
 * An entry without request: PUT under the id that the resource has, so that references by `Type/id` stay right and
 * sending it twice does no harm. Its urn:uuid stays its fullUrl, so the server rewrites references to that as well.
 */
function asWrite({ fullUrl, resource }: BundleEntry): BundleEntry {
  if (resource === undefined) return {}
  const { resourceType, id } = resource
  const request =
    id === undefined ? { method: 'POST', url: resourceType } : { method: 'PUT', url: `${resourceType}/${id}` }
  return { ...(fullUrl?.startsWith('urn:') ? { fullUrl } : {}), resource, request }
}

/** Transactions that we make of what came one by one; whoever made a Bundle meant it as a whole. */
const ours = new WeakSet<Bundle>()

/** Patients first: the others refer to them. */
function apartUnit(source: Source, number: number, bundle: Bundle): Unit {
  const whole = unit(source, number, bundle)
  const entries = bundle.entry ?? []
  if (entries.length < 2) return whole
  const isPatient = ({ resource }: BundleEntry): boolean => resource?.resourceType === 'Patient'
  const apart = (): Unit[] =>
    entries
      .map((entry, i) => ({ entry, part: unit(source, `${number}.${i}`, { ...bundle, entry: [entry] }) }))
      .sort((a, b) => Number(isPatient(b.entry)) - Number(isPatient(a.entry)))
      .map(({ entry: { resource }, part }) => ({
        ...part,
        file: `${source.path} (${resource?.resourceType}/${resource?.id ?? '?'})`,
      }))
  return { ...whole, apart }
}

function unit(source: Source, number: number | string, bundle: Bundle): Unit {
  const key = createHash('sha256').update(`${source.hash} ${number}`).digest('hex')
  const entries = bundle.entry ?? []
  const resources = entries.filter(({ resource }) => resource).length
  const common = { file: source.path, key, resources, apart: null }
  if (bundle.type === 'batch') return { ...common, bundle: eachOnce(bundle, key), marker: null }
  const marked = entries.findIndex(isBlindCreate)
  const resource = entries[marked]?.resource
  if (resource === undefined) return { ...common, bundle, marker: null }
  const entry = entries.with(marked, { ...entries[marked], resource: tagged(resource, key) })
  return {
    ...common,
    bundle: { ...bundle, entry },
    marker: `${resource.resourceType}?_tag=${encodeURIComponent(`${LOAD_TAG}|${key}`)}`,
  }
}

/** A create that would happen again if the Bundle came again. */
function isBlindCreate({ request, resource }: BundleEntry): boolean {
  return request?.method === 'POST' && request.ifNoneExist === undefined && resource !== undefined
}

/** Entries of a batch succeed or fail one by one, so each create asks whether it happened. */
function eachOnce(bundle: Bundle, key: string): Bundle {
  const entry = bundle.entry?.map((entry, i): BundleEntry => {
    if (!isBlindCreate(entry) || entry.resource === undefined || entry.request === undefined) return entry
    const code = `${key}-${i}`
    const ifNoneExist = `_tag=${encodeURIComponent(`${LOAD_TAG}|${code}`)}`
    return { ...entry, resource: tagged(entry.resource, code), request: { ...entry.request, ifNoneExist } }
  })
  return { ...bundle, ...(entry === undefined ? {} : { entry }) }
}

function tagged(resource: Resource, code: string): Resource {
  const { resourceType, id, meta, ...elements } = resource
  const tag = [...(meta?.tag ?? []), { system: LOAD_TAG, code }]
  return { resourceType, ...(id === undefined ? {} : { id }), meta: { ...meta, tag }, ...elements }
}

function parsed(file: string, text: Buffer): Resource | Unusable {
  try {
    const value: unknown = parseJson(text)
    if (isResource(value)) return value
    return { file, reason: 'This is no FHIR resource: it has no resourceType, or an id or meta of another form.' }
  } catch (error) {
    return { file, reason: (error as Error).message }
  }
}

export function bodyOf({ bundle }: Unit): string {
  return stringify(bundle)
}
