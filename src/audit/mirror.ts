import type { PartyId, PatientId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { Contracts } from '../ledger/contracts.js'
import type { ContractName } from '../ledger/contracts.js'
import type { ChainStep } from '../ledger/sink.js'
import type { Database, Sql } from '../records/database.js'
import { Outbox, type OutboxItem } from '../records/outbox.js'
import type { RecordStore } from '../records/record-store.js'
import type { NewAuditRecord } from '../records/types.js'
import type { AuditTrail, TrailRecord } from './audit-trail.js'
import { enqueueFacts, enqueueUndone, type FactMessage, LEDGER_FACT, type LedgerFact } from './ledger-facts.js'
import { type BatchMember, type FactContext, factRecordId, factRecords, undoneRecord } from './ledger-records.js'
import { Rounds } from './rounds.js'

export interface MirrorParts {
  readonly entity: PartyId
  readonly database: Database
  readonly records: Pick<RecordStore, 'commit'>
  readonly trail: AuditTrail
  readonly contracts: Contracts
  readonly onProblem: (error: unknown) => void
}

const BATCH = 100
const LEASE_MS = 10_000
const LOOK_EVERY_MS = 5_000

/**
 * Tells in the trail what the ledger said: an AuditEvent for each event that concerns us, Provenances for each anchored
 * batch. The follower's transaction puts the event into the outbox, a worker writes the records. Their ids follow from
 * the outbox row, so a worker that died between its commit and the end of its work finds them there: exactly once.
 */
export class LedgerMirror {
  readonly #outbox: Outbox
  readonly #rounds: Rounds

  constructor(private readonly parts: MirrorParts) {
    this.#outbox = new Outbox(parts.database)
    this.#rounds = new Rounds(async (stopping) => {
      while (!stopping.aborted && (await this.advance()));
      return LOOK_EVERY_MS
    }, parts.onProblem)
  }

  start(): void {
    this.#rounds.poke()
  }

  poke(): void {
    this.#rounds.poke()
  }

  stop(): Promise<void> {
    return this.#rounds.stop()
  }

  /** After the mirror of consent and the anchors, whose rows it reads. */
  async apply(tx: Sql, step: ChainStep): Promise<void> {
    if ((await enqueueFacts(tx, this.parts.entity, step, Date.now())) > 0) this.#rounds.poke()
  }

  async rollback(tx: Sql, block: number): Promise<void> {
    if ((await enqueueUndone(tx, block, Date.now())) > 0) this.#rounds.poke()
  }

  /** One batch of the outbox. @returns whether there was anything to tell */
  async advance(): Promise<boolean> {
    const items = await this.#outbox.claim(LEDGER_FACT, BATCH, LEASE_MS)
    if (items.length === 0) return false
    const rows = await this.#rows(items)
    const { committed } = await this.parts.records.commit({ audit: rows })
    if (!committed) for (const row of rows) await this.#commitMissing(row)
    await this.#outbox.complete(items.map(({ id }) => id))
    return true
  }

  /** Its id is taken by the same record of a worker that died. */
  async #commitMissing(row: NewAuditRecord): Promise<void> {
    const result = await this.parts.records.commit({ audit: [row] })
    if (result.committed || result.conflicts.every(({ kind }) => kind === 'version')) return
    throw new ConsentryError('internal', 'A record of the ledger could not be written.')
  }

  async #rows(items: readonly OutboxItem[]): Promise<NewAuditRecord[]> {
    const messages = items.map(({ id, payload }) => ({ id, message: payload as FactMessage }))
    const localPatient = await this.#localPatients(messages.map(({ message }) => factOf(message)))
    const told: TrailRecord[] = []
    for (const { id, message } of messages) {
      const fact = factOf(message)
      const context = { ...this.#context(fact), localPatient, members: await this.#members(fact) }
      const records =
        'undone' in message
          ? [undoneRecord(fact, context, factRecordId(this.parts.entity, fact, message.undone, 0))]
          : factRecords(fact, context)
      told.push(
        ...records.map(({ resource, patient }, n) => ({
          resource: { ...resource, id: factRecordId(this.parts.entity, fact, String(id), n) },
          patient,
        })),
      )
    }
    return this.parts.trail.rows(told, Date.now())
  }

  #context({ contract, block, transactionHash, logIndex }: LedgerFact): Pick<FactContext, 'entity' | 'evidence'> {
    const { chainId, addresses } = this.parts.contracts
    return {
      entity: this.parts.entity,
      evidence: {
        chainId,
        contract: addresses[contract as ContractName],
        transactionHash,
        blockNumber: block.number,
        blockHash: block.hash,
        logIndex,
      },
    }
  }

  async #localPatients(facts: readonly LedgerFact[]): Promise<Map<PatientId, string>> {
    const patients = [...new Set(facts.flatMap(({ args }) => (args['patient'] as PatientId | undefined) ?? []))]
    if (patients.length === 0) return new Map()
    const { rows } = await this.parts.database.query<{ patient: Buffer; local_id: string }>(
      'SELECT patient, local_id FROM patient_link WHERE patient = ANY($1::bytea[]) ORDER BY imported DESC, local_id DESC',
      [patients.map(bytes)],
    )
    return new Map(rows.map(({ patient, local_id }) => [hex(patient), `Patient/${local_id}`]))
  }

  async #members({ name, args }: LedgerFact): Promise<BatchMember[]> {
    if (name !== 'RecordsAnchored') return []
    const { rows } = await this.parts.database.query<Omit<BatchMember, 'patient'> & { patient: Buffer | null }>(
      `SELECT r.type, r.id, v.version, v.deleted, v.patient FROM anchor a JOIN anchored p ON p.anchor = a.pk
       JOIN resource_version v ON v.resource_pk = p.resource_pk AND v.version = p.version JOIN resource r ON r.pk = p.resource_pk
       WHERE a.root = $1 ORDER BY p.place`,
      [bytes(String(args['root']))],
    )
    return rows.map((row) => ({ ...row, patient: row.patient && hex(row.patient) }))
  }
}

function factOf(message: FactMessage): LedgerFact {
  return 'undone' in message ? message.fact : message
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

function hex(value: Buffer): PatientId {
  return `0x${value.toString('hex')}`
}
