import type { AuditTrail } from '../audit/audit-trail.js'
import type { Principal } from '../auth/principal.js'
import { AUDIT } from '../consent/labels.js'
import type { PartyId } from '../consent/permit.js'
import { storedResource } from '../fhir/stored-resource.js'
import { indexValues } from '../fhir/search-parameters.js'
import { Loop } from '../exchange/loop.js'
import type { BlindIndex } from '../records/blind-index.js'
import type { RecordStore } from '../records/record-store.js'
import type { Outdated, Reindex } from '../records/reindex.js'
import type { IndexEntries } from '../records/types.js'
import type { Access } from './access.js'
import type { Bodies } from './bodies.js'

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
  readonly reindex: Reindex
  readonly audit: AuditTrail
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
  #told = false
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
    await this.#tell()
    const { entries, waiting } = await this.#entries(batch.rows)
    await this.parts.reindex.replace(entries, waiting, batch)
    return true
  }

  /** What could not be opened before. */
  async #retry(): Promise<boolean> {
    const rows = await this.parts.reindex.waiting(BATCH, this.#waitingAfter)
    this.#waitingAfter = rows.length < BATCH ? 0n : (rows.at(-1)?.pk ?? 0n)
    if (rows.length === 0) return false
    await this.#tell()
    const { entries } = await this.#entries(rows)
    await this.parts.reindex.replace(entries, [])
    return this.#waitingAfter !== 0n
  }

  /** Says in the trail, before the first record is opened, that the gateway opens records to index them. */
  async #tell(): Promise<void> {
    if (this.#told) return
    const audit = await this.parts.audit.records([
      {
        recorded: this.parts.clock(),
        requestId: `reindex-${this.parts.clock()}`,
        agent: { self: true },
        interaction: '$reindex',
        outcome: '0',
        patients: [],
        data: [],
      },
    ])
    await this.parts.records.commit({ audit })
    this.#told = true
  }

  async #entries(rows: readonly Outdated[]): Promise<{ entries: Indexed[]; waiting: bigint[] }> {
    const trail = rows.filter(({ version }) => version.labels === AUDIT)
    const records = rows.filter(({ version }) => version.labels !== AUDIT)
    const opened = await Promise.all([
      this.#open(records, this.#principal),
      this.#open(trail, { ...this.#principal, role: 'auditor' }),
    ])
    const bodies = new Map(opened.flat())
    const entries = rows.flatMap(({ pk, version: { type, version } }): Indexed[] => {
      const body = bodies.get(pk)
      if (body === undefined) return []
      const resource = storedResource(body)
      return [{ pk, version, index: this.parts.index.entries(type, indexValues(resource)) }]
    })
    return { entries, waiting: rows.map(({ pk }) => pk).filter((pk) => !bodies.has(pk)) }
  }

  /** What may be opened and can be. @throws ConsentryError `unavailable` while the ledger is silent: it is tried again then */
  async #open(rows: readonly Outdated[], principal: Principal): Promise<[pk: bigint, body: Uint8Array][]> {
    if (rows.length === 0) return []
    await this.parts.access.filter(principal, 'read')
    const permits = await this.parts.access.permits(
      principal,
      'read',
      rows.map(({ version }) => version),
    )
    const results = await Promise.allSettled(
      rows.flatMap(({ pk, version }, i) => {
        const permit = permits[i]
        return permit
          ? [this.parts.bodies.open(permit, [version]).then(([body]) => [pk, body as Uint8Array] as const)]
          : []
      }),
    )
    return results.flatMap((result): [bigint, Uint8Array][] => {
      if (result.status === 'fulfilled') return [[...result.value]]
      this.parts.onProblem(result.reason)
      return []
    })
  }
}

interface Indexed {
  readonly pk: bigint
  readonly version: number
  readonly index: IndexEntries
}
