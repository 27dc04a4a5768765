import { AsyncLocalStorage } from 'node:async_hooks'
import type { NewVersion, Ref, StoredVersion, VersionRef } from './types.js'

/**
 * Versions that are to be committed, for who must know beforehand what reading them would give. A body must be where a
 * read looks for it: its block is durable, or it is in the version.
 */
export class AsIf {
  readonly #versions = new AsyncLocalStorage<ReadonlyMap<string, NewVersion>>()

  run<T>(versions: readonly NewVersion[], work: () => Promise<T>): Promise<T> {
    return this.#versions.run(new Map(versions.map((version) => [nameOf(version), version])), work)
  }

  /** Current versions as they would be. */
  current<Row>(refs: readonly Ref[], found: readonly Row[]): (Row | NewVersion)[] {
    const versions = this.#versions.getStore()
    return refs.map((ref, i) => versions?.get(nameOf(ref)) ?? (found[i] as Row))
  }

  /** A version has the labels of the current one besides its own, as in a history. */
  versions(refs: readonly VersionRef[], found: readonly (StoredVersion | null)[]): (StoredVersion | null)[] {
    const versions = this.#versions.getStore()
    return refs.map((ref, i) => {
      const current = versions?.get(nameOf(ref))
      const row = current?.version === ref.version ? current : (found[i] ?? null)
      if (current === undefined || row === null || row === current) return row
      return {
        ...row,
        labels: row.labels | current.labels,
        categories: row.categories | current.categories,
        others: [...(row.others ?? []), ...(current.others ?? [])],
      }
    })
  }
}

function nameOf({ type, id }: Ref): string {
  return `${type}/${id}`
}
