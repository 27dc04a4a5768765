import { AsyncLocalStorage } from 'node:async_hooks'
import { Rounds } from '../../audit/rounds.js'
import type { PatientId } from '../../consent/permit.js'
import { ConsentryError } from '../../errors.js'
import type { Database, Sql } from '../../records/database.js'
import { Outbox } from '../../records/outbox.js'

const BATCH = 100
const LEASE_MS = 30_000
const LOOK_EVERY_MS = 5_000
const ATTEMPTS = 5

/** What the history of patients on the ledger is folded into. */
export interface PatientFold {
  /** Of the outbox; its payloads are `{patient, block}`. */
  readonly kind: string
  /** What others may be writing too, for people. */
  readonly what: string
  /** Writes what is not said yet. @returns false when another writer was faster */
  readonly tell: (patients: readonly PatientId[]) => Promise<boolean>
  /** Whose time has come by `now`, and when the next one's does; seconds since the epoch. */
  readonly due: (now: number) => Promise<{ readonly patients: readonly PatientId[]; readonly next: number | null }>
  /** At the end of a round. */
  readonly afterwards?: (now: number) => Promise<void>
}

/**
 * Rounds over patients of whom the ledger has told something: the follower's transaction puts them into the outbox, and a round tells what is
 * not told yet. A reorganisation is one more round over another history, and a round may be repeated.
 */
export class PatientRounds {
  readonly #outbox: Outbox
  readonly #rounds: Rounds
  readonly #outside = AsyncLocalStorage.snapshot()
  /** One fold at a time, so that two do not write the same version. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    database: Database,
    private readonly clock: () => number,
    private readonly fold: PatientFold,
    onProblem: (error: unknown) => void,
  ) {
    this.#outbox = new Outbox(database, clock)
    this.#rounds = new Rounds((stopping) => this.#round(stopping), onProblem)
  }

  poke(): void {
    this.#rounds.poke()
  }

  async stop(): Promise<void> {
    await this.#rounds.stop()
    await this.#last
  }

  /** Blocks above `block` are gone: whoever was told of by one of them is told anew. */
  async rollback(tx: Sql, block: number): Promise<void> {
    const { rowCount } = await tx.query(
      `INSERT INTO outbox (kind, key, payload, due)
       SELECT $1, patient || ':undone:' || gen_random_uuid(), jsonb_build_object('patient', patient, 'block', $2::bigint), $3
       FROM (SELECT DISTINCT payload->>'patient' AS patient FROM outbox
             WHERE kind = $1 AND (payload->>'block')::bigint > $2) AS gone`,
      [this.fold.kind, block, this.clock()],
    )
    if (rowCount > 0) this.poke()
  }

  /** Of these patients is said what the mirror of the ledger holds now. */
  settle(patients: readonly PatientId[]): Promise<void> {
    const settled = this.#last.then(() => this.#outside(() => this.#settle(patients)))
    this.#last = settled.catch(() => undefined)
    return settled
  }

  async #round(stopping: AbortSignal): Promise<number> {
    while (!stopping.aborted) {
      const items = await this.#outbox.claim(this.fold.kind, BATCH, LEASE_MS)
      if (items.length === 0) break
      await this.settle([...new Set(items.map(({ payload }) => (payload as { patient: PatientId }).patient))])
      await this.#outbox.complete(items.map(({ id }) => id))
    }
    const now = Math.floor(this.clock() / 1000)
    const { patients, next } = await this.fold.due(now)
    if (patients.length > 0) await this.settle(patients)
    await this.fold.afterwards?.(now)
    return next === null ? LOOK_EVERY_MS : Math.min(LOOK_EVERY_MS, Math.max(0, next * 1000 - this.clock()))
  }

  async #settle(patients: readonly PatientId[]): Promise<void> {
    for (let attempt = 1; !(await this.fold.tell(patients)); attempt++) {
      if (attempt === ATTEMPTS) {
        throw new ConsentryError('conflict', `Other writers keep changing the same ${this.fold.what}.`)
      }
    }
  }
}
