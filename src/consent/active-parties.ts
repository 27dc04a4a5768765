import { bytesOf, hexOf } from '../records/hex.js'
import type { Sql } from '../records/database.js'
import type { PartyId } from './permit.js'

/** Parties; a hospital has some thousand practitioners. */
const REMEMBERED = 100_000

/** Seconds since the epoch, `to` not included. */
interface Span {
  readonly from: bigint
  readonly to: bigint
}

/** Who is active on the ledger, by the rows of `party`. Every request asks, so what was read is remembered until the next step of the chain. */
export class ActiveParties {
  /** `null`: not active at any time. Of what stands in the database, while no step changes it. */
  readonly #known = new Map<PartyId, Span | null>()
  /** Steps under way. */
  #changing = 0
  /** How many steps have begun or ended. */
  #steps = 0

  constructor(private readonly sql: Sql) {}

  /** From the beginning of a step to its end nothing is believed that was read before. */
  async changing<T>(step: () => Promise<T>): Promise<T> {
    this.#changing++
    this.#forget()
    try {
      return await step()
    } finally {
      this.#changing--
      this.#forget()
    }
  }

  #forget(): void {
    this.#steps++
    this.#known.clear()
  }

  /** @param now seconds since the epoch */
  async of(parties: readonly PartyId[], now: number): Promise<Set<PartyId>> {
    const spans = new Map(this.#changing === 0 ? parties.map((id) => [id, this.#known.get(id)]) : [])
    const unknown = parties.filter((id) => spans.get(id) === undefined)
    if (unknown.length > 0) {
      const steps = this.#steps
      const read = await this.#read(unknown)
      for (const [id, span] of read) {
        spans.set(id, span)
        // What was read before a step, and came after its beginning, may be over.
        if (steps === this.#steps && this.#known.size < REMEMBERED) this.#known.set(id, span)
      }
    }
    return new Set(parties.filter((id) => isWithin(spans.get(id), now)))
  }

  async #read(parties: readonly PartyId[]): Promise<Map<PartyId, Span | null>> {
    const { rows } = await this.sql.query<{ id: Buffer; from: bigint; to: bigint }>(
      `SELECT id, valid_from AS "from", valid_to AS "to" FROM party WHERE id = ANY($1::bytea[]) AND status = 'active'`,
      [parties.map(bytesOf)],
    )
    const active = new Map<string, Span>(rows.map(({ id, from, to }) => [hexOf(id), { from, to }]))
    return new Map(parties.map((id) => [id, active.get(id) ?? null]))
  }
}

function isWithin(span: Span | null | undefined, now: number): boolean {
  return span !== null && span !== undefined && span.from <= now && span.to > now
}
