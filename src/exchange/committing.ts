import type { AuditTrail } from '../audit/audit-trail.js'
import type { PatientId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { Sql } from '../records/database.js'
import type { RecordStore } from '../records/record-store.js'
import type { Conflict, ForeignPatients, NewVersion } from '../records/types.js'

/** A record that was opened and found right. */
export interface Sound {
  readonly version: NewVersion
  /** Ids of the Patients that it names, its own if it is one. */
  readonly named: readonly string[]
}

export interface CommitParts {
  readonly clock: () => number
  readonly sql: Sql
  readonly records: RecordStore
  readonly audit: AuditTrail
}

/** How often somebody else may write one of the resources between our look and our commit. */
const ATTEMPTS = 5

/**
 * Writes imported versions with what they name and the record of it, all of one round or nothing. An id that is our own, or
 * of another author, is not overwritten by what somebody shares, and what an author says of another patient of ours than the one who
 * shares it is refused: it would be found in that patient's record.
 */
export class Committing {
  constructor(private readonly parts: CommitParts) {}

  /**
   * Versions of one resource one after the other; what is there already in this or a later version stays.
   * @returns those that were refused
   */
  async commit(patient: PatientId, sound: readonly Sound[]): Promise<ReadonlySet<Sound>> {
    const refused = new Set<Sound>()
    for (const round of rounds(sound)) for (const one of await this.#commitRound(patient, round)) refused.add(one)
    return refused
  }

  async #commitRound(patient: PatientId, round: readonly Sound[]): Promise<Sound[]> {
    const refused = new Set<Sound>()
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const fresh = await this.#fresh(round.filter((one) => !refused.has(one)))
      if (fresh.length === 0) return [...refused]
      const result = await this.parts.records.commit({
        versions: fresh.map(({ version }) => version),
        foreignPatients: fresh.map((one) => foreignPatients(patient, one)),
        audit: await this.parts.audit.records([await this.#occurrence(patient, fresh)]),
      })
      if (result.committed) return [...refused]
      for (const one of fresh) if (result.conflicts.some((conflict) => refuses(conflict, one))) refused.add(one)
    }
    throw new ConsentryError('unavailable', 'Other writers keep changing the same resources.', { retryAfterSeconds: 5 })
  }

  async #fresh(round: readonly Sound[]): Promise<Sound[]> {
    const present = await this.parts.records.resolve(round.map(({ version }) => version))
    return round.filter(({ version }, i) => {
      const row = present[i] ?? null
      return row === null || (row.version < version.version && row.source !== null && row.origin === version.origin)
    })
  }

  async #occurrence(patient: PatientId, fresh: readonly Sound[]) {
    return {
      interaction: '$import' as const,
      outcome: '0' as const,
      recorded: this.parts.clock(),
      requestId: 'exchange',
      agent: { self: true } as const,
      patients: [{ id: patient, reference: await this.#reference(patient, fresh) }],
      data: fresh.map(({ version: { type, id, version } }) => ({ reference: `${type}/${id}`, version })),
    }
  }

  /** Our own Patient first; one that comes with this commit is linked by it. */
  async #reference(patient: PatientId, fresh: readonly Sound[]): Promise<string> {
    const { rows } = await this.parts.sql.query<{ local_id: string }>(
      'SELECT local_id FROM patient_link WHERE patient = $1 ORDER BY imported LIMIT 1',
      [Buffer.from(patient.slice(2), 'hex')],
    )
    const coming = fresh.find(({ version }) => isPatient(version))?.version.id
    return `Patient/${rows[0]?.local_id ?? coming ?? 'unknown'}`
  }
}

/** Each resource once in a round, older versions in earlier rounds. */
function rounds(sound: readonly Sound[]): Sound[][] {
  const found: Sound[][] = []
  const next = new Map<string, number>()
  for (const one of [...sound].sort((a, b) => a.version.version - b.version.version)) {
    const name = `${one.version.type}/${one.version.id}`
    const round = next.get(name) ?? 0
    next.set(name, round + 1)
    const members = (found[round] ??= [])
    members.push(one)
  }
  return found
}

function foreignPatients(patient: PatientId, { version, named }: Sound): ForeignPatients {
  return { type: version.type, id: version.id, patient, named, isPatient: isPatient(version) }
}

function isPatient({ type, deleted }: NewVersion): boolean {
  return type === 'Patient' && !deleted
}

function refuses(conflict: Conflict, { version: { type, id } }: Sound): boolean {
  return conflict.kind === 'patient' && conflict.type === type && conflict.id === id
}
