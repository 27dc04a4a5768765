import { createHash } from 'node:crypto'
import { GENERAL, NOTICE } from '../../consent/labels.js'
import type { Envelope } from '../../vault/envelope.js'
import { bytes, type Finding, hex, type Material } from './check.js'

/** Of a version: whose its row says that it is, and what it was sealed under. */
interface Sealed {
  readonly where: string
  readonly patient: Buffer | null
  readonly others: readonly Buffer[] | null
  readonly labels: bigint
  readonly capsules: readonly Buffer[]
}

/**
 * Whether records are of the patient and labels whose keys they are sealed under, of a page in one query: a row that was given to another
 * patient, or took labels off, opens nothing, but it is found in the other's record and counted there.
 */
export class SealedFor {
  readonly #sealed: Sealed[] = []

  constructor(private readonly material: Material) {}

  add(where: string, row: Pick<Sealed, 'patient' | 'others' | 'labels'>, { capsules }: Envelope): void {
    const ids = capsules.map((capsule) => createHash('sha256').update(capsule).digest())
    this.#sealed.push({ where, patient: row.patient, others: row.others, labels: row.labels, capsules: ids })
  }

  async *faults(): AsyncGenerator<Finding> {
    const { database, entity } = this.material
    const ids = new Map(this.#sealed.flatMap(({ capsules }) => capsules.map((id) => [hex(id), id])))
    const { rows } = await database.query<{ id: Buffer; patient: Buffer; label_mask: bigint }>(
      'SELECT id, patient, label_mask FROM capsule_key WHERE id = ANY ($1::bytea[])',
      [[...ids.values()]],
    )
    const keys = new Map(rows.map((row) => [hex(row.id), row]))
    for (const { where, patient, others, labels, capsules } of this.#sealed) {
      const found = capsules.flatMap((id) => keys.get(hex(id)) ?? [])
      // A notice is sealed under the entity's own key, whoever it is about, and so is what several patients are named by.
      const notice = labels === NOTICE
      const owner = notice || (others !== null && others.length > 0) ? bytes(entity) : (patient ?? bytes(entity))
      const same = found.every((key) => key.patient.equals(owner))
      const covered = found.reduce((bits, key) => bits | key.label_mask, 0n)
      const fault = (what: string): Finding => ({ check: 'records', where, what })
      if (found.length < capsules.length) yield fault('The key of a capsule was removed: nobody can open the version.')
      else if (!same) yield fault('The row says another patient than the one under whose keys the version is sealed.')
      else if (covered !== (notice ? GENERAL : labels))
        yield fault('The row says other labels than those under whose keys the version is sealed.')
    }
    this.#sealed.length = 0
  }
}
