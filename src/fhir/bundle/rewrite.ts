import { ConsentryError, type Issue } from '../../errors.js'
import { localReference, parseReference, referencesOf, rewriteReferences } from '../references.js'
import { matches, type Subject, subjectOf } from '../search/matches.js'
import type { ResolvedEntry } from './entry.js'
import type { BundlePlan, Lookup } from './plan.js'

/**
 * Rewrites what entries say of one another, https://hl7.org/fhir/R4/http.html#trules: each reference, uri, url, oid,
 * uuid and narrative link that is another entry's `fullUrl` becomes `Type/id`, each conditional reference the one
 * resource that it matches.
 */
export class Rewriter {
  /** `fullUrl` → `Type/id`; empty for a batch, whose entries stand alone. */
  readonly #targets = new Map<string, string>()
  readonly #lookups: ReadonlyMap<string, Lookup>
  readonly #written: readonly { readonly entry: ResolvedEntry; readonly subject: Subject | undefined }[]
  readonly #resolved = new Map<string, string[]>()

  constructor(
    plan: BundlePlan,
    decided: readonly (ResolvedEntry | ConsentryError)[],
    readonly found: ReadonlyMap<string, readonly string[]>,
    readonly base: string,
  ) {
    this.#lookups = new Map(plan.lookups.map((lookup) => [lookup.key, lookup]))
    const entries = decided.filter((entry): entry is ResolvedEntry => !(entry instanceof ConsentryError))
    const identified = plan.kind === 'transaction' ? entries.filter(({ id }) => id !== undefined) : []
    for (const { action, fullUrl, type, id } of identified) {
      if (fullUrl !== undefined && action !== 'delete' && action !== 'ask') this.#targets.set(fullUrl, `${type}/${id}`)
    }
    this.#written = identified
      .filter(({ action }) => action === 'create' || action === 'update' || action === 'delete')
      .map((entry) => ({
        entry,
        subject: entry.action === 'delete' || !entry.resource ? undefined : subjectOf(entry.resource, base),
      }))
  }

  /** @throws ConsentryError `invalid` or `precondition-failed` with an issue per reference that leads nowhere */
  rewrite(entry: ResolvedEntry): ResolvedEntry {
    const { resource, action } = entry
    if (resource === undefined || (action !== 'create' && action !== 'update')) return entry
    const issues: Issue[] = []
    const root = rootOf(entry.fullUrl)
    const rewritten = rewriteReferences(resource, (text, kind) => {
      const target = this.#targets.get(text)
      if (target !== undefined || kind !== 'reference') return target
      return this.#resolveReference(text, root, (code, diagnostics) => {
        const expression = [placeOf(entry, text)]
        issues.push({ severity: 'error', code, diagnostics, expression })
      })
    })
    const [first] = issues
    if (first) {
      const several = issues.some(({ code }) => code === 'multiple-matches')
      throw new ConsentryError(several ? 'precondition-failed' : 'invalid', first.diagnostics, { issues })
    }
    return rewritten === resource ? entry : { ...entry, resource: rewritten }
  }

  #resolveReference(
    text: string,
    root: string | undefined,
    refuse: (code: Issue['code'], diagnostics: string) => void,
  ): string | undefined {
    const parsed = parseReference(text)
    switch (parsed.kind) {
      case 'relative':
        return root === undefined ? undefined : this.#targets.get(`${root}/${parsed.type}/${parsed.id}`)
      case 'absolute':
        return this.#targets.get(`${parsed.base}/${parsed.type}/${parsed.id}`) ?? localReference(text, this.base)
      case 'urn':
        refuse('not-found', 'The reference names no entry of this Bundle by its fullUrl.')
        return undefined
      case 'conditional': {
        const [id, second] = this.#matchesOf(`${parsed.type}?${parsed.query}`)
        if (id === undefined) refuse('not-found', `The conditional reference matches no ${parsed.type}.`)
        else if (second === undefined) return `${parsed.type}/${id}`
        else refuse('multiple-matches', `The conditional reference matches more than one ${parsed.type}.`)
        return undefined
      }
      default:
        return undefined
    }
  }

  /** What the lookup matches once the transaction is done: the store's matches, corrected by what it writes. */
  #matchesOf(key: string): string[] {
    let ids = this.#resolved.get(key)
    if (ids === undefined) {
      const lookup = this.#lookups.get(key)
      const after = new Set(this.found.get(key))
      for (const { entry, subject } of this.#written) {
        if (lookup === undefined || entry.type !== lookup.query.type || entry.id === undefined) continue
        if (subject !== undefined && matches(subject, lookup.query)) after.add(entry.id)
        else after.delete(entry.id)
      }
      ids = [...after]
      this.#resolved.set(key, ids)
    }
    return ids
  }
}

/** The element that has this reference; looked for only when there is something to say about it. */
function placeOf({ index, resource }: ResolvedEntry, text: string): string {
  const found = resource && referencesOf(resource).find(({ reference }) => reference.reference === text)
  return `Bundle.entry[${index}].resource${found ? `.${found.path}.reference` : ''}`
}

/** The base of a RESTful `fullUrl`: relative references of the entry are meant below it. */
function rootOf(fullUrl: string | undefined): string | undefined {
  const parsed = fullUrl === undefined ? undefined : parseReference(fullUrl)
  return parsed?.kind === 'absolute' ? parsed.base : undefined
}
