import type { Resource } from '../../types.js'
import type { Expansions } from './tree.js'

interface Concept {
  readonly code: string
  readonly concept?: readonly Concept[]
}
interface Include {
  readonly system?: string
  readonly concept?: readonly Concept[]
  readonly filter?: unknown
  readonly valueSet?: unknown
}

/**
 * The value sets among the resources that enumerate their codes: by concept, or as all of a code system that is
 * among the resources too. The others (filters, unknown systems) need a terminology service and are left out.
 */
export function expansionsOf(resources: readonly Resource[]): Expansions {
  const codeSystems = new Map(
    resources.flatMap((r) => (r.resourceType === 'CodeSystem' && r['content'] === 'complete' ? [[r['url'], r]] : [])),
  )
  const found = new Map<string, Record<string, string[]>>()
  for (const valueSet of resources.filter(({ resourceType }) => resourceType === 'ValueSet')) {
    const { include = [], exclude } = (valueSet['compose'] ?? {}) as { include?: readonly Include[]; exclude?: unknown }
    const systems: Record<string, string[]> = {}
    const closed = include.every(({ system, concept, filter, valueSet: nested }) => {
      const codeSystem =
        concept === undefined ? (codeSystems.get(system) as { concept?: readonly Concept[] }) : { concept }
      if (system === undefined || filter !== undefined || nested !== undefined || codeSystem === undefined) return false
      systems[system] = [...(systems[system] ?? []), ...codesOf(codeSystem.concept)]
      return true
    })
    if (closed && include.length > 0 && exclude === undefined) found.set(String(valueSet['url']), systems)
  }
  return found
}

function codesOf(concepts: readonly Concept[] = []): string[] {
  return concepts.flatMap(({ code, concept }) => [code, ...codesOf(concept)])
}
