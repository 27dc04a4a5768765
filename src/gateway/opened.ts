import type { Principal } from '../auth/principal.js'
import type { Permit, RecordSubject } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { RowFilter } from '../records/types.js'
import type { Access, Disclosed } from './access.js'

/** How many rows a filter let through, and how to count them anew under the filter of the moment. */
interface Counted {
  readonly filter: RowFilter
  readonly told: number
  readonly again: (filter: RowFilter) => Promise<number | null>
}

/**
 * What the answer of an interaction is made of, and of all that is answered inside of it (GraphQL, a batch): what was opened and what was
 * counted. Before the answer goes out both are asked once more if the ledger was heard of meanwhile.
 */
export class Opened {
  readonly #disclosed: Disclosed[] = []
  readonly #counted: Counted[] = []
  /** Something was changed on the way: what is refused in the end is the telling of it, not the deed. */
  acted = false

  add(permit: Permit, subjects: readonly RecordSubject[]): void {
    if (subjects.length > 0) this.#disclosed.push({ permit, subjects })
  }

  count(filter: RowFilter, told: number | null, again: Counted['again']): void {
    if (told !== null) this.#counted.push({ filter, told, again })
  }

  addAll(other: Opened): void {
    this.#disclosed.push(...other.#disclosed)
    this.#counted.push(...other.#counted)
    this.acted ||= other.acted
  }

  get subjects(): RecordSubject[] {
    return this.#disclosed.flatMap(({ subjects }) => subjects)
  }

  /** @throws ConsentryError as `Access.permit`, and `unavailable` when a count has changed */
  async confirm(access: Access, principal: Principal): Promise<void> {
    await access.confirm(principal, this.#disclosed)
    const outdated = this.#counted.filter(({ filter }) => !access.isCurrent(filter))
    if (outdated.length === 0) return
    const filter = await access.filter(principal, 'read')
    const now = await Promise.all(outdated.map(({ again }) => again(filter)))
    if (outdated.every(({ told }, i) => told === now[i])) return
    throw new ConsentryError('unavailable', 'What may be read has changed while this was answered: ask again.', {
      retryAfterSeconds: 1,
    })
  }

  /** False when consent does not permit it any more, or is not known. */
  async holds(access: Access, principal: Principal): Promise<boolean> {
    try {
      await this.confirm(access, principal)
      return true
    } catch (error) {
      if (error instanceof ConsentryError && ['forbidden', 'unavailable'].includes(error.kind)) return false
      throw error
    }
  }
}
