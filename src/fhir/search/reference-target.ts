import { parseReference } from '../references.js'

/** Where a literal reference points: a resource of this server, or an absolute URL. */
export type ReferenceTarget =
  | { readonly type: string; readonly id: string; readonly version?: string }
  | { readonly url: string; readonly type?: string }

/**
 * What a search can find of a literal reference. A URL below `base` (without slash at its end) is a resource of
 * this server; the type of another server's URL is told where its form shows it.
 *
 * @returns undefined for fragments (`#c1`), conditional references (`Patient?…`) and anything else
 */
export function referenceTarget(reference: string, base?: string): ReferenceTarget | undefined {
  const parsed = parseReference(reference)
  switch (parsed.kind) {
    case 'absolute':
      return parsed.base === base ? local(parsed) : { url: reference, type: parsed.type }
    case 'relative':
      return local(parsed)
    case 'urn':
    case 'url':
      return { url: reference }
    default:
      return undefined
  }
}

function local({ type, id, version }: { type: string; id: string; version?: string }): ReferenceTarget {
  return version === undefined ? { type, id } : { type, id, version }
}
