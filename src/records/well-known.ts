import type { StringValue } from '../clauses/clause.js'

/** Values that so many resources have that all the ways to ask for them cost more in rows than in questions. */
export interface WellKnownValues {
  readonly strings: readonly StringValue[]
  /** Codes of a system, identifiers included, as they are compared. */
  readonly codes: readonly WellKnownCode[]
}

export interface WellKnownCode {
  readonly system: string
  readonly code: string
}

/**
 * A well-known value is indexed by one token, which says exactly what it is; a less exact question adds, for each
 * well-known value that answers it, that value's token. A resource that was indexed before its value was well known has the
 * exact token too, so it is found either way; one that was indexed after it is lost to such questions when the value is no
 * longer among these. So the values must only ever grow with the rows of a database.
 */
export class WellKnown {
  readonly #strings: ReadonlyMap<string, string>
  readonly #systemsOf = new Map<string, Set<string>>()
  readonly #codesOf = new Map<string, Set<string>>()

  constructor({ strings, codes }: WellKnownValues) {
    this.#strings = new Map(strings.map(({ value, normal }) => [value, normal]))
    for (const { system, code } of codes) {
      // no system has a token of its own, which is the exact one of codes without system
      if (system === '') throw new RangeError(`the well-known code '${code}' has no system`)
      add(this.#systemsOf, code, system)
      add(this.#codesOf, system, code)
    }
  }

  hasString(value: string): boolean {
    return this.#strings.has(value)
  }

  hasCode(system: string | undefined, code: string): boolean {
    return system !== undefined && this.#codesOf.get(system)?.has(code) === true
  }

  /** Values of strings whose normal form begins so. */
  stringsFrom(normal: string): string[] {
    const found: string[] = []
    for (const [value, whole] of this.#strings) if (whole.startsWith(normal)) found.push(value)
    return found
  }

  /** Values of strings whose normal form is this. */
  stringsLike(normal: string): string[] {
    const found: string[] = []
    for (const [value, whole] of this.#strings) if (whole === normal) found.push(value)
    return found
  }

  /** Values of strings whose normal form contains the text. */
  stringsWith(normal: string): string[] {
    const found: string[] = []
    for (const [value, whole] of this.#strings) if (whole.includes(normal)) found.push(value)
    return found
  }

  systemsOf(code: string): Iterable<string> {
    return this.#systemsOf.get(code) ?? []
  }

  codesOf(system: string): Iterable<string> {
    return this.#codesOf.get(system) ?? []
  }
}

function add(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key) ?? new Set()
  sets.set(key, set.add(value))
}
