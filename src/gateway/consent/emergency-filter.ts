import { AUDIT, NOTICE } from '../../consent/labels.js'
import type { PatientId } from '../../consent/permit.js'
import type { RowFilter } from '../../records/types.js'

/**
 * What the mirror lets through, and the record of patients whose emergency the contract itself has told to be open; neither trail nor
 * notices are a part of that record.
 *
 * @param byMirror `null`: the mirror lets nothing through
 */
export function orEmergency(byMirror: RowFilter | null, open: readonly PatientId[]): RowFilter {
  if (byMirror !== null && open.length === 0) return byMirror
  const { sql, params } = byMirror ?? { sql: 'false', params: [] }
  const patients = open.map((patient) => Buffer.from(patient.slice(2), 'hex'))
  return {
    sql: `((${sql}) OR (r.patient = ANY($${params.length + 1}::bytea[])
      AND coalesce(r.others <@ $${params.length + 1}::bytea[], true) AND (r.labels & ${AUDIT | NOTICE}) = 0))`,
    params: [...params, patients],
  }
}
