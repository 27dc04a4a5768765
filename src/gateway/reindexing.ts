import type { AuditTrail } from '../audit/audit-trail.js'
import type { Principal } from '../auth/principal.js'
import { AUDIT, NOTICE } from '../consent/labels.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import { categoryBits, isCategory } from '../consent/terms.js'
import { ConsentryError } from '../errors.js'
import { clinicalCategories } from '../fhir/clinical-categories.js'
import { storedResource } from '../fhir/stored-resource.js'
import { recordFacts } from '../fhir/record-facts.js'
import { indexValues } from '../fhir/search-parameters.js'
import { Loop } from '../exchange/loop.js'
import type { BlindIndex } from '../records/blind-index.js'
import type { RecordStore } from '../records/record-store.js'
import type { Outdated, Reindex, Reindexed } from '../records/reindex.js'
import type { Access } from './access.js'
import type { Bodies } from './bodies.js'
import { openEach } from './open-each.js'
import type { Patients } from './patients.js'

/** Records at a time: some milliseconds of the main thread, and as long a lock of their rows. */
const BATCH = 50
const PAUSE_MS = 600_000

export interface ReindexingParts {
  readonly entity: PartyId
  readonly clock: () => number
  readonly access: Pick<Access, 'filter' | 'permit' | 'permits'>
  readonly bodies: Pick<Bodies, 'open'>
  readonly index: BlindIndex
  readonly records: Pick<RecordStore, 'commit'>
  readonly reindex: Pick<Reindex, 'next' | 'waiting' | 'replace'>
  readonly audit: Pick<AuditTrail, 'records'>
  readonly patients: Pick<Patients, 'localIds'>
  readonly onProblem: (error: unknown) => void
}

/**
 * Indexes records from before by what is indexed now, in the background. They are opened as the entity itself, with a permit like any reader; what comes of
 * it are index entries, and nothing is disclosed. A record that the entity may not open (its patient has revoked even that) keeps its old entries and waits
 * until it may.
 */
export class Reindexing {
  readonly #loop: Loop
  readonly #principal: Principal
  #running: boolean
  /** Whose records the trail says are opened; `null`: records of nobody's compartment. */
  readonly #told = new Set<PatientId | null>()
  #waitingAfter = 0n

  /** @param done called once when all records are found by what is indexed now */
  constructor(
    private readonly parts: ReindexingParts,
    unfinished: boolean,
    private readonly done: () => void,
  ) {
    this.#running = unfinished
    this.#loop = new Loop(() => this.step(), PAUSE_MS, parts.onProblem)
    this.#principal = {
      clientId: 'reindexing',
      entity: parts.entity,
      role: 'system',
      scopes: [],
      purposes: ['HOPERAT'],
      tokenId: 'reindexing',
      expiresAt: Number.MAX_SAFE_INTEGER,
    }
  }

  start(): void {
    this.#loop.start()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** One batch. @returns whether there was anything to do */
  async step(): Promise<boolean> {
    if (!this.#running) return this.#retry()
    const batch = await this.parts.reindex.next(BATCH)
    if (batch === undefined) {
      this.#running = false
      this.done()
      return true
    }
    const { entries, waiting } = await this.#entries(batch.rows)
    await this.parts.reindex.replace(entries, waiting, batch)
    return true
  }

  /** What could not be opened before. */
  async #retry(): Promise<boolean> {
    const rows = await this.parts.reindex.waiting(BATCH, this.#waitingAfter)
    this.#waitingAfter = rows.length < BATCH ? 0n : (rows.at(-1)?.pk ?? 0n)
    if (rows.length === 0) return false
    const { entries } = await this.#entries(rows)
    await this.parts.reindex.replace(entries, [])
    return this.#waitingAfter !== 0n
  }

  /** Says in the trail, before the first record of each patient is opened, that the gateway opens records to index them. */
  async #tell(rows: readonly Outdated[]): Promise<void> {
    const opened = new Set(rows.map(({ version }) => version.patient))
    const fresh = [...opened].filter((patient) => !this.#told.has(patient))
    if (fresh.length === 0) return
    const ids = fresh.filter((patient) => patient !== null)
    const localIds = await this.parts.patients.localIds(ids)
    const audit = await this.parts.audit.records([
      {
        recorded: this.parts.clock(),
        requestId: `reindex-${this.parts.clock()}`,
        agent: { self: true },
        interaction: '$reindex',
        outcome: '0',
        patients: ids.map((id) => ({ id, reference: `Patient/${localIds.get(id)?.[0] ?? 'unknown'}` })),
        data: [],
      },
    ])
    await this.parts.records.commit({ audit })
    for (const patient of fresh) this.#told.add(patient)
  }

  async #entries(rows: readonly Outdated[]): Promise<{ entries: Reindexed[]; waiting: bigint[] }> {
    const trail = rows.filter(({ version }) => version.labels === AUDIT)
    const records = rows.filter(({ version }) => version.labels !== AUDIT)
    const opened = await Promise.all([
      this.#open(records, this.#principal),
      this.#open(trail, { ...this.#principal, role: 'auditor' }),
    ])
    const bodies = new Map(opened.flat())
    const entries = rows.flatMap(({ pk, version: { type, version, labels } }): Reindexed[] => {
      const body = bodies.get(pk)
      const found = body && this.#indexOf(type, body)
      if (found === undefined) return []
      // The trail and notices are in no clinical category.
      const { categories, ...rest } = found
      const clinical = (labels & (AUDIT | NOTICE)) === 0n
      return [{ pk, version, ...rest, ...(clinical ? { categories } : {}) }]
    })
    const indexed = new Set(entries.map(({ pk }) => pk))
    return { entries, waiting: rows.map(({ pk }) => pk).filter((pk) => !indexed.has(pk)) }
  }

  /** A record from before there was a limit may be beyond it; it keeps the entries that it has. */
  #indexOf(type: string, body: Uint8Array): Omit<Required<Reindexed>, 'pk' | 'version'> | undefined {
    try {
      const resource = storedResource(body)
      const { index } = this.parts
      return {
        index: index.entries(type, indexValues(resource)),
        facts: index.facts(recordFacts(resource)),
        categories: categoryBits(clinicalCategories(resource).filter(isCategory)),
      }
    } catch (error) {
      if (!(error instanceof ConsentryError)) throw error
      this.parts.onProblem(error)
      return undefined
    }
  }

  /** What may be opened and can be. @throws ConsentryError `unavailable` while the ledger is silent: it is tried again then */
  async #open(rows: readonly Outdated[], principal: Principal): Promise<[pk: bigint, body: Uint8Array][]> {
    if (rows.length === 0) return []
    const { access, onProblem } = this.parts
    await access.filter(principal, 'read')
    const permits = await access.permits(
      principal,
      'read',
      rows.map(({ version }) => version),
    )
    const opening = rows.filter((_, i) => permits[i])
    if (opening.length === 0) return []
    await this.#tell(opening)
    const versions = opening.map(({ version }) => version)
    const permit = await access.permit(principal, 'read', versions)
    const bodies = await openEach(this.parts.bodies, permit, versions, { isLost: () => true, onLost: onProblem })
    return opening.flatMap(({ pk }, i): [bigint, Uint8Array][] => (bodies[i] ? [[pk, bodies[i]]] : []))
  }
}
