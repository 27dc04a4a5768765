import type { Resource } from './types.js'

/**
 * Conformance resources by canonical URL and version, https://hl7.org/fhir/R4/references.html#canonical. `url|version`
 * finds that version, or the newest of which it is the beginning (`1.0` finds `1.0.3`); a resource that states no
 * version stands for any; `url` alone finds what was added last.
 */
export class Canonicals {
  private readonly byUrl = new Map<string, Resource[]>()

  constructor(resources: Iterable<Resource> = []) {
    for (const resource of resources) this.add(resource)
  }

  add(resource: Resource): void {
    const { url } = resource
    if (typeof url !== 'string') return
    this.byUrl.set(url, [...(this.byUrl.get(url) ?? []), resource])
  }

  get(canonical: string): Resource | undefined {
    const bar = canonical.indexOf('|')
    const known = this.byUrl.get(bar < 0 ? canonical : canonical.slice(0, bar))
    if (known === undefined || bar < 0) return known?.at(-1)
    const wanted = canonical.slice(bar + 1)
    return known.findLast(({ version }) => {
      if (typeof version !== 'string') return true
      return version === wanted || version.startsWith(`${wanted}.`)
    })
  }

  values(): Resource[] {
    return [...this.byUrl.values()].flat()
  }
}
