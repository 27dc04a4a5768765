import type { AuditTrail } from '../audit/audit-trail.js'
import type { ConsentMirror } from '../consent/mirror.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import type { Sql } from '../records/database.js'
import type { RecordStore } from '../records/record-store.js'
import type { ForeignBlocks } from './foreign-blocks.js'
import { heldLabels } from './held-labels.js'
import type { PatientTurns } from './patient-turns.js'
import type { SharedPolicies } from './policies.js'

export interface PurgeParts {
  readonly entity: PartyId
  readonly clock: () => number
  readonly sql: Sql
  readonly mirror: ConsentMirror
  readonly policies: SharedPolicies
  readonly turns: PatientTurns
  readonly records: RecordStore
  readonly blocks: ForeignBlocks
  readonly audit: AuditTrail
  /** Opened keys of this patient must leave the memory. */
  readonly forgetKeys: () => void
}

/** What every label means, as a signed 64-bit set. */
const EVERY_LABEL = -1n

/**
 * Forgets what a patient no longer shares: rows, index, keys, blocks and links of every label that no grant in force
 * covers, and records that it did. Asks the mirror anew, so doing it twice, or after a new grant, does no harm.
 */
export class Purging {
  constructor(private readonly parts: PurgeParts) {}

  purge(patient: PatientId): Promise<{ removed: number }> {
    return this.parts.turns.take(patient, () => this.#purge(patient))
  }

  async #purge(patient: PatientId): Promise<{ removed: number }> {
    const { parts } = this
    const labels = await this.#ended(patient)
    await parts.policies.forget(patient, labels)
    const reference = await this.#reference(patient)
    // Blocks before the rows that name them, so that a crash in between leaves none that nobody knows of any more.
    await parts.blocks.forget(patient, labels)
    const { removed } = await parts.records.purge({ patient, labels })
    parts.forgetKeys()
    await this.#forgetLinks(patient)
    await parts.sql.query(`UPDATE feed_item SET state = 'seen', patient = NULL WHERE patient = $1`, [bytes(patient)])
    if (removed > 0) {
      const audit = await parts.audit.records([
        {
          interaction: 'delete',
          outcome: '0',
          outcomeDescription: `${removed} imported records were purged because no grant covers them any more`,
          recorded: parts.clock(),
          requestId: 'exchange',
          agent: { self: true },
          patients: [{ id: patient, reference }],
          data: [],
        },
      ])
      await parts.records.commit({ audit })
    }
    return { removed }
  }

  /**
   * Patients of whom anything is kept that no word in force covers: their period is over, or a process ended within a purge or an import.
   * What has no label of its own (a block or a mark without a row) is covered by any word. Ids that records name go with their rows.
   */
  async expired(): Promise<PatientId[]> {
    const { rows } = await this.parts.sql.query<{ patient: Buffer }>(
      `WITH held AS (
         SELECT patient, bit_or(label_mask) AS labels FROM "grant"
         WHERE grantee = $1 AND action = 0 AND valid_to > $2 GROUP BY patient
       ), kept AS (
         SELECT patient, labels FROM resource WHERE source IS NOT NULL
         UNION SELECT patient, label_mask FROM capsule_key WHERE imported
         UNION SELECT patient, label_mask FROM shared_policy
       ), unlabelled AS (
         SELECT patient FROM foreign_block UNION SELECT patient FROM feed_item WHERE patient IS NOT NULL
       )
       SELECT k.patient FROM kept k LEFT JOIN held h USING (patient) WHERE k.labels & ~coalesce(h.labels, 0) <> 0
       UNION SELECT patient FROM unlabelled WHERE patient NOT IN (SELECT patient FROM held)
       UNION SELECT l.patient FROM patient_link l WHERE l.imported
         AND NOT EXISTS (SELECT 1 FROM resource r WHERE r.type = 'Patient' AND r.id = l.local_id)`,
      [bytes(this.parts.entity), Math.floor(this.parts.clock() / 1000)],
    )
    return rows.map((row): PatientId => `0x${row.patient.toString('hex')}`)
  }

  /** Labels that no grant to us covers any more. */
  async #ended(patient: PatientId): Promise<bigint> {
    const { mirror, entity, clock } = this.parts
    const held = await heldLabels(mirror, entity, patient, clock())
    return BigInt.asIntN(64, EVERY_LABEL ^ held)
  }

  /** Links of imported Patients that are no longer here. */
  async #forgetLinks(patient: PatientId): Promise<void> {
    await this.parts.sql.query(
      `DELETE FROM patient_link l WHERE l.imported AND l.patient = $1
         AND NOT EXISTS (SELECT 1 FROM resource r WHERE r.type = 'Patient' AND r.id = l.local_id)`,
      [bytes(patient)],
    )
  }

  async #reference(patient: PatientId): Promise<string> {
    const { rows } = await this.parts.sql.query<{ local_id: string }>(
      'SELECT local_id FROM patient_link WHERE patient = $1 ORDER BY imported LIMIT 1',
      [bytes(patient)],
    )
    return `Patient/${rows[0]?.local_id ?? 'unknown'}`
  }
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}
