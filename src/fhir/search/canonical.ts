import type { FilterKind } from '../../clauses/clause.js'

/** Data types of a reference by canonical URL, which may name a version of what it refers to. */
const CANONICAL: ReadonlySet<string> = new Set(['canonical', 'uri'])

/** True for a parameter that finds references by canonical URL alone. */
export function isCanonical({
  kind,
  paths,
}: {
  readonly kind: FilterKind
  readonly paths: readonly (readonly [string, string, string?])[]
}): boolean {
  return kind === 'reference' && paths.length > 0 && paths.every(([, type]) => CANONICAL.has(type))
}

/** Parts of a version that are told apart. */
const MOST_PARTS = 10

/** A version and what it is part of: `1.0.3`, `1.0`, `1`. */
export function versionsAround(version: string): string[] {
  const parts = [...version.matchAll(/[.-]/g)].slice(0, MOST_PARTS).map(({ index }) => version.slice(0, index))
  return [...new Set([...parts.filter((part) => part !== ''), version])]
}
