import { resourceTypes } from './table.js'

/** Where a literal reference points: a resource of this server, or an absolute URL. */
export type ReferenceTarget =
  | { readonly type: string; readonly id: string; readonly version?: string }
  | { readonly url: string; readonly type?: string }

/** A RESTful path: `[type]/[id]` and perhaps `/_history/[vid]` (https://hl7.org/fhir/R4/references.html#literal). */
const RESTFUL = /^(?:.*\/)?([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/
const SCHEME = /^[a-zA-Z][a-zA-Z0-9+.-]*:/

let known: ReadonlySet<string> | undefined

/**
 * Reads `Patient/1`, `Patient/1/_history/2`, an absolute URL or a URN. A URL below `base` (without slash at its
 * end) is a resource of this server; the type of another server's URL is told where its form shows it.
 *
 * @returns undefined for fragments (`#c1`), conditional references (`Patient?…`) and anything else
 */
export function referenceTarget(reference: string, base?: string): ReferenceTarget | undefined {
  known ??= new Set(resourceTypes())
  const own = base !== undefined && reference.startsWith(`${base}/`)
  const local = own ? reference.slice(base.length + 1) : reference
  const absolute = SCHEME.test(local)
  const match = RESTFUL.exec(local)
  const type = match?.[1]
  const restful = type !== undefined && known.has(type)
  if (absolute) return restful ? { url: local, type } : { url: local }
  if (!restful || !local.startsWith(type)) return undefined
  const [, , id = '', version] = match as RegExpExecArray
  return version === undefined ? { type, id } : { type, id, version }
}
