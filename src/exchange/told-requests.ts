import { createHash } from 'node:crypto'
import type { AuditTrail } from '../audit/audit-trail.js'
import type { PatientId } from '../consent/permit.js'
import type { Sql } from '../records/database.js'
import type { RecordStore } from '../records/record-store.js'

/** Requests that are open at a time, of which is remembered that they were told. */
const REMEMBERED = 1_000

/**
 * Tells in the trail what proxies are asked for, before they are asked: their receipts name the AuditEvent, so one that nobody
 * told of shows. What is asked again because too few answered has been told.
 */
export class ToldRequests {
  /** AuditEvents by patient and capsules. */
  readonly #open = new Map<string, string>()

  constructor(
    private readonly sql: Sql,
    private readonly records: Pick<RecordStore, 'commit'>,
    private readonly audit: AuditTrail,
    private readonly clock: () => number,
  ) {}

  /**
   * @param capsules ids in base64
   * @returns the logical id of the AuditEvent, which is durable
   */
  async tell(patient: PatientId, capsules: readonly string[]): Promise<string> {
    const name = nameOf(patient, capsules)
    const known = this.#open.get(name)
    if (known !== undefined) return known
    const audit = await this.audit.records([
      {
        interaction: '$import',
        outcome: '0',
        outcomeDescription: 'Re-encryption proxies are asked for the keys of shared records',
        recorded: this.clock(),
        requestId: 'exchange',
        agent: { self: true },
        patients: [{ id: patient, reference: await this.#reference(patient) }],
        data: [],
        capsules,
      },
    ])
    await this.records.commit({ audit })
    const [{ id }] = audit as [(typeof audit)[number]]
    if (this.#open.size >= REMEMBERED) this.#open.clear()
    this.#open.set(name, id)
    return id
  }

  /** The keys are there. */
  done(patient: PatientId, capsules: readonly string[]): void {
    this.#open.delete(nameOf(patient, capsules))
  }

  async #reference(patient: PatientId): Promise<string> {
    const { rows } = await this.sql.query<{ local_id: string }>(
      'SELECT local_id FROM patient_link WHERE patient = $1 ORDER BY imported LIMIT 1',
      [Buffer.from(patient.slice(2), 'hex')],
    )
    return `Patient/${rows[0]?.local_id ?? 'unknown'}`
  }
}

function nameOf(patient: PatientId, capsules: readonly string[]): string {
  return createHash('sha256')
    .update(JSON.stringify([patient, [...capsules].sort()]))
    .digest('base64')
}
