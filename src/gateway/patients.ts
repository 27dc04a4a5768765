import { randomBytes } from 'node:crypto'
import type { PatientId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { Database } from '../records/database.js'
import { foreignAmong, lockPatientIds } from '../records/foreign-patients.js'

/** What makes a patient known on the ledger: registration in custody and the care grant, mirrored when it resolves. */
export interface PatientAdmission {
  admit(patients: readonly { id: PatientId; verifyingKey: Uint8Array }[]): Promise<void>
}

/** Keys of a patient in custody; the vault's part. */
export interface CustodyKeys {
  /** @returns a new root secret, wrapped for the row. */
  create(patient: PatientId): Uint8Array
  verifyingKey(patient: PatientId, wrappedRoot: Uint8Array): Uint8Array
}

/** A local Patient resource that is linked to a patient of the ledger. */
export interface KnownPatient {
  readonly id: PatientId
  /** `absent`: linked, and never written. */
  readonly state: 'present' | 'deleted' | 'absent'
  /** We made its root secret, to register it; whether that was done the ledger knows. */
  readonly ours?: true
}

/**
 * Local Patient resources and the random ids under which the ledger knows them. Several Patient resources may stand
 * for one patient (our own and imported ones).
 */
export class Patients {
  constructor(
    private readonly sql: Pick<Database, 'query' | 'transaction'>,
    private readonly admission: PatientAdmission,
    private readonly keys: CustodyKeys,
  ) {}

  /** What is known of local Patient resources; ids that are not linked are missing from the result. */
  async known(localIds: readonly string[]): Promise<Map<string, KnownPatient>> {
    if (localIds.length === 0) return new Map()
    const { rows } = await this.sql.query<{
      local_id: string
      patient: Buffer
      ours: boolean
      deleted: boolean | null
    }>(
      `SELECT l.local_id, l.patient, l.wrapped_root IS NOT NULL AS ours, r.deleted FROM patient_link l
       LEFT JOIN resource r ON r.type = 'Patient' AND r.id = l.local_id WHERE l.local_id = ANY($1::text[])`,
      [localIds],
    )
    return new Map(
      rows.map(({ local_id, patient, ours, deleted }) => {
        const state = deleted === null ? 'absent' : deleted ? 'deleted' : 'present'
        return [local_id, { id: hex(patient), state, ...(ours ? { ours } : {}) }]
      }),
    )
  }

  /** Every local Patient resource of these patients, our own first. */
  async localIds(patients: readonly PatientId[]): Promise<Map<PatientId, string[]>> {
    const found = new Map<PatientId, string[]>()
    if (patients.length === 0) return found
    const { rows } = await this.sql.query<{ local_id: string; patient: Buffer }>(
      'SELECT local_id, patient FROM patient_link WHERE patient = ANY($1::bytea[]) ORDER BY imported, local_id',
      [patients.map(bytes)],
    )
    for (const row of rows) {
      const patient = hex(row.patient)
      found.set(patient, [...(found.get(patient) ?? []), row.local_id])
    }
    return found
  }

  /** Other local Patient resources that stand for the same patients, with those asked for. */
  async aliases(localIds: readonly string[]): Promise<Map<string, string[]>> {
    const { rows } = await this.sql.query<{ asked: string; local_id: string }>(
      `SELECT DISTINCT asked.local_id AS asked, other.local_id
       FROM patient_link asked JOIN patient_link other USING (patient) WHERE asked.local_id = ANY($1::text[])`,
      [localIds],
    )
    const grouped = Map.groupBy(rows, ({ asked }) => asked)
    return new Map(
      localIds.map((id) => [id, [...new Set([id, ...(grouped.get(id) ?? []).map((row) => row.local_id)])]]),
    )
  }

  /**
   * Registers new patients in our custody and waits until the mirror shows their care grant: the one wait for a
   * block in the life of a write. A patient whose write fails afterwards stays registered under its random id.
   * @returns `taken`: ids that another entity's records name; nobody is registered then
   */
  async admitNew(
    localIds: readonly string[],
  ): Promise<{ readonly admitted: ReadonlyMap<string, PatientId> } | { readonly taken: readonly string[] }> {
    const taken = await this.link(
      localIds.map((localId) => {
        const patient: PatientId = `0x${randomBytes(32).toString('hex')}`
        return { localId, patient, wrappedRoot: this.keys.create(patient) }
      }),
    )
    if (taken.length > 0) return { taken }
    // What is read back may be older: the link of an attempt that ended between here and its commit. It is used again.
    const links = await this.own(localIds)
    await this.admission.admit(
      links.map(({ patient, wrappedRoot }) => ({
        id: patient,
        verifyingKey: this.keys.verifyingKey(patient, wrappedRoot),
      })),
    )
    return { admitted: new Map(links.map(({ localId, patient }) => [localId, patient])) }
  }

  /**
   * Links new Patient resources of ours to patients; a resource that is linked already stays as it is.
   * @returns ids that records of other entities name, who would then speak of somebody else; nothing is linked then
   */
  async link(
    links: readonly { localId: string; patient: PatientId; wrappedRoot?: Uint8Array }[],
  ): Promise<readonly string[]> {
    const localIds = links.map(({ localId }) => localId)
    return this.sql.transaction(async (tx) => {
      await lockPatientIds(tx, localIds)
      const taken = await foreignAmong(tx, localIds)
      if (taken.length > 0) return taken
      await tx.query(
        `INSERT INTO patient_link (local_id, patient, wrapped_root, imported)
         SELECT local_id, patient, wrapped_root, false
         FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS i(local_id, patient, wrapped_root)
         ON CONFLICT (local_id) DO NOTHING`,
        [
          localIds,
          links.map((l) => bytes(l.patient)),
          links.map((l) => (l.wrappedRoot ? Buffer.from(l.wrappedRoot) : null)),
        ],
      )
      return []
    })
  }

  private async own(localIds: readonly string[]) {
    const { rows } = await this.sql.query<{ local_id: string; patient: Buffer; wrapped_root: Buffer | null }>(
      'SELECT local_id, patient, wrapped_root FROM patient_link WHERE local_id = ANY($1::text[])',
      [localIds],
    )
    return rows.map((row) => {
      if (row.wrapped_root === null) {
        throw new ConsentryError('conflict', 'This Patient id belongs to a record that another entity shares with us.')
      }
      return { localId: row.local_id, patient: hex(row.patient), wrappedRoot: row.wrapped_root }
    })
  }

  /** The wrapped root secret of a patient in our custody; `null` when it is not (or no longer) ours. */
  async wrappedRoot(patient: PatientId): Promise<Uint8Array | null> {
    const { rows } = await this.sql.query<{ wrapped_root: Buffer | null }>(
      'SELECT wrapped_root FROM patient_link WHERE patient = $1 AND wrapped_root IS NOT NULL LIMIT 1',
      [bytes(patient)],
    )
    return rows[0]?.wrapped_root ?? null
  }
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

function hex(value: Buffer): PatientId {
  return `0x${value.toString('hex')}`
}

/** Which patient of the ledger a local Patient is; `null`: none. */
export async function linkedPatient(sql: Pick<Database, 'query'>, localId: string): Promise<PatientId | null> {
  const { rows } = await sql.query<{ patient: Buffer }>('SELECT patient FROM patient_link WHERE local_id = $1', [
    localId,
  ])
  return rows[0] === undefined ? null : hex(rows[0].patient)
}
