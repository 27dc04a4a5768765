import { ConsentryError } from '../errors.js'
import type { Database, Session } from './database.js'
import { databaseError, isRetryable, isUnavailable, violates } from './database-errors.js'
import { rememberPatientIds, takePatientIds } from './foreign-patients.js'
import { claim, deleteIndexRows, lock, verdict } from './optimistic-lock.js'
import type { RowKeys } from './row-keys.js'
import type { Change, Committed, NewAuditRecord, NewVersion, Ref } from './types.js'
import { type Gate, parameters, WRITE, WRITE_NEW } from './write-statement.js'

/** Rows of one group, so that readers of the one session of PGlite do not wait for longer than some 50 ms. */
const GROUP_ROWS = 500

/** How often a resource may appear between the lock and the write before we give up. */
const ATTEMPTS = 5

interface Pending {
  readonly change: Change
  readonly versions: readonly (NewVersion | NewAuditRecord)[]
  /** What no other change of the same transaction may name. */
  readonly names: readonly string[]
  /** What others of the same transaction may need as well, and none may name: Patients whom the versions speak of. */
  readonly needs: readonly string[]
  readonly resolve: (committed: Committed) => void
  readonly reject: (error: Error) => void
}

/** A member's verdict; `undefined`: written. */
type Verdict = Committed | undefined

/**
 * Group commit: what callers hand in while a transaction runs goes together into the next one, so many small commits
 * cost one fsync. Each caller keeps its own verdict: a change that conflicts is left out, the others are written.
 */
export class CommitQueue {
  readonly #waiting: Pending[] = []
  #running = 0
  #scheduled = false

  /** @param lanes transactions at a time */
  constructor(
    private readonly database: Database,
    private readonly keys: RowKeys,
    private readonly lanes: number,
  ) {}

  async commit(change: Change): Promise<Committed> {
    this.database.refuseInside()
    const versions = [...(change.versions ?? []), ...(change.audit ?? [])]
    const names = [
      ...versions.map(({ type, id }) => `${type}/${id}`),
      ...(change.claims ?? []).map(({ key }) => `claim ${key}`),
    ]
    if (new Set(names).size !== names.length) {
      throw new ConsentryError('internal', 'A change names one resource or one claim twice.')
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, versions, names, needs: (change.present ?? []).map(patient), resolve, reject })
      this.#schedule()
    })
  }

  /** After the input of this turn of the event loop, so that what arrives together is written together. */
  #schedule(): void {
    if (this.#scheduled || this.#running === this.lanes || this.#waiting.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#running++
      void this.#settle(this.#takeGroup()).finally(() => {
        this.#running--
        this.#schedule()
      })
      this.#schedule()
    })
  }

  /** The longest waiting ones, up to the limit of rows; a second change of one resource waits for the next group. */
  #takeGroup(): Pending[] {
    const group: Pending[] = []
    const names = new Set<string>()
    const needs = new Set<string>()
    let rows = 0
    for (let i = 0; i < this.#waiting.length;) {
      const pending = this.#waiting[i] as Pending
      if (group.length > 0 && rows + pending.versions.length > GROUP_ROWS) break
      if (
        pending.names.some((name) => names.has(name) || needs.has(name)) ||
        pending.needs.some((one) => names.has(one))
      ) {
        i++
        continue
      }
      for (const name of pending.names) names.add(name)
      for (const one of pending.needs) needs.add(one)
      rows += pending.versions.length
      group.push(pending)
      this.#waiting.splice(i, 1)
    }
    return group
  }

  /** Settles every member of the group; never rejects. */
  async #settle(group: readonly Pending[]): Promise<void> {
    try {
      const verdicts = await this.#write(group)
      group.forEach(({ resolve }, i) => resolve(verdicts[i] ?? { committed: true }))
    } catch (error) {
      // one bad member must not fail the others; but where nobody knows what was written, nothing is tried again
      if (group.length > 1 && !isRetryable(error) && !isUnavailable(error)) {
        for (const pending of group) await this.#settle([pending])
      } else {
        for (const { reject } of group) reject(databaseError(error))
      }
    }
  }

  async #write(group: readonly Pending[]): Promise<Verdict[]> {
    const fresh = group.flatMap(({ versions }) => versions.filter(mayBeNew))
    const keys = await this.keys.take(fresh.length)
    const isNew = group.every(
      ({ change, versions }) =>
        !change.claims?.length && !change.foreignPatients?.length && versions.every((v) => v.version === 1),
    )
    for (let attempt = 1; ; attempt++) {
      try {
        if (isNew && attempt === 1 && (await this.#writeNew(group, keys))) return []
        return await this.#writeVersions(group, keys)
      } catch (error) {
        // someone has created the same resource since we looked: look again
        if (!violates(error, 'resource_type_id') || attempt === ATTEMPTS) throw error
      }
    }
  }

  /** One statement, which is its own transaction. @returns false if nothing is written, because a Patient is gone that one of them speaks of */
  async #writeNew(group: readonly Pending[], keys: readonly bigint[]): Promise<boolean> {
    const versions = group.flatMap((pending) => pending.versions)
    const outbox = group.flatMap(({ change }) => change.outbox ?? [])
    const present = [...new Set(group.flatMap(({ change }) => change.present ?? []))]
    const writing = { versions, keys, outbox, present, now: Date.now() }
    const { rows } = await this.database.execute<Gate>(WRITE_NEW, parameters(writing))
    return rows[0]?.open === true
  }

  /** Lock, judge, claim, write: the members that conflict are left out. Whom versions speak of is locked with them, in the one order. */
  #writeVersions(group: readonly Pending[], keys: readonly bigint[]): Promise<Verdict[]> {
    return this.database.session(async (session) => {
      const rows = await lock(
        session,
        group.flatMap(({ versions, change }) => [...versions, ...(change.present ?? []).map(patientRef)]),
      )
      const verdicts = group.map(({ versions, change }) => verdict(versions, change.present ?? [], rows))
      const fit = group.filter((_, i) => verdicts[i] === undefined)
      const held = await claim(
        session,
        fit.flatMap(({ change }) => change.claims ?? []),
      )
      group.forEach(({ change }, i) => {
        const lost = (change.claims ?? []).filter(({ key }) => !held.has(key))
        if (verdicts[i] !== undefined || lost.length === 0) return
        verdicts[i] = { committed: false, conflicts: lost.map(({ key }) => ({ kind: 'claim', key })) }
      })
      await refuseNames(session, group, verdicts)

      const written = group.filter((_, i) => verdicts[i] === undefined)
      const versions = written.flatMap((pending) => pending.versions)
      const outbox = written.flatMap(({ change }) => change.outbox ?? [])
      let fresh = 0
      const rowKeys = versions.map((v) => rows.get(`${v.type}/${v.id}`)?.pk ?? (keys[fresh++] as bigint))
      await deleteIndexRows(
        session,
        rowKeys.filter((_, i) => (versions[i] as NewVersion).version > 1),
      )
      if (written.length > 0)
        await session.run(WRITE, parameters({ versions, keys: rowKeys, outbox, present: [], now: Date.now() }))
      const keyOf = new Map(versions.map(({ type, id }, i) => [`${type}/${id}`, rowKeys[i] as bigint]))
      await rememberPatientIds(session, written.flatMap(foreignPatientsOf), ({ type, id }) => {
        return keyOf.get(`${type}/${id}`) as bigint
      })
      return verdicts
    })
  }
}

const patientRef = (id: string): Ref => ({ type: 'Patient', id })
const patient = (id: string): string => `Patient/${id}`

const foreignPatientsOf = ({ change }: Pending) => change.foreignPatients ?? []

/** Members that still fit take the ids of Patients that they name, or conflict. */
async function refuseNames(session: Session, group: readonly Pending[], verdicts: Verdict[]): Promise<void> {
  const fit = group.flatMap((pending, i) => (verdicts[i] === undefined ? [{ pending, i }] : []))
  const owners = fit.flatMap(({ pending, i }) => foreignPatientsOf(pending).map(() => i))
  const refused = await takePatientIds(
    session,
    fit.flatMap(({ pending }) => foreignPatientsOf(pending)),
  )
  for (const { i } of fit) {
    const conflicts = refused.flatMap((conflict, at) => (conflict !== undefined && owners[at] === i ? [conflict] : []))
    if (conflicts.length > 0) verdicts[i] = { committed: false, conflicts }
  }
}

/** An imported record may come to us with a later version than its first. */
function mayBeNew({ version, source }: NewVersion): boolean {
  return version === 1 || source !== null
}
