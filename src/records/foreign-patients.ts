import { byteaArray, int8Array, textArray } from './array-parameter.js'
import type { Session } from './database.js'
import { bytesOf } from './hex.js'
import type { Sql, Statement } from './sql.js'
import type { Conflict, ForeignPatients } from './types.js'

const LOCK = `SELECT pg_advisory_xact_lock(key) FROM (
  SELECT DISTINCT hashtextextended('consentry Patient/' || id, 0) AS key FROM unnest($1::text[]) id ORDER BY key) k`

/**
 * Whoever gives ids of Patients a meaning here has them for itself until its transaction ends: what is a Patient of ours and
 * what imported records name stand in two tables, over which no unique constraint reaches. In the order of the keys, so that two
 * transactions do not wait for each other.
 */
export async function lockPatientIds(tx: Sql, localIds: readonly string[]): Promise<void> {
  await tx.query(LOCK, [localIds])
}

/** Of these ids, those that imported records name and that are linked to nobody. Under the lock of the ids. */
export async function foreignAmong(tx: Sql, localIds: readonly string[]): Promise<string[]> {
  const { rows } = await tx.query<{ local_id: string }>(
    `SELECT DISTINCT f.local_id FROM foreign_patient f WHERE f.local_id = ANY($1::text[])
       AND NOT EXISTS (SELECT 1 FROM patient_link l WHERE l.local_id = f.local_id) ORDER BY f.local_id`,
    [localIds],
  )
  return rows.map(({ local_id }) => local_id)
}

const OF_OTHERS: Statement = {
  name: 'patients-of-others',
  text: `SELECT DISTINCT i.place, i.id FROM unnest($1::int[], $2::text[], $3::bytea[]) AS i(place, id, patient)
    JOIN patient_link l ON l.local_id = i.id AND l.patient <> i.patient ORDER BY i.place, i.id`,
}

/** Takes the ids that records name. @returns for each of them what it may not name, or nothing */
export async function takePatientIds(
  session: Session,
  records: readonly ForeignPatients[],
): Promise<(Conflict | undefined)[]> {
  if (records.length === 0) return []
  const names = records.flatMap(({ named, patient }, place) => named.map((id) => ({ place, id, patient })))
  await lockPatientIds(
    session,
    names.map(({ id }) => id),
  )
  const { rows } = await session.run<{ place: number; id: string }>(OF_OTHERS, [
    names.map(({ place }) => place),
    textArray(names.map(({ id }) => id)),
    byteaArray(names.map(({ patient }) => bytesOf(patient))),
  ])
  return records.map(({ type, id }, i) => {
    const localIds = rows.filter(({ place }) => place === i).map((row) => row.id)
    return localIds.length === 0 ? undefined : { kind: 'patient', type, id, localIds }
  })
}

const REMEMBER: Statement = {
  name: 'remember-foreign-patients',
  text: `WITH links AS (
    INSERT INTO patient_link (local_id, patient, imported)
    SELECT id, patient, true FROM unnest($3::text[], $4::bytea[]) AS l(id, patient) ON CONFLICT DO NOTHING
  )
  INSERT INTO foreign_patient (local_id, resource_pk)
  SELECT DISTINCT id, pk FROM unnest($1::text[], $2::bigint[]) AS i(id, pk) ON CONFLICT DO NOTHING`,
}

/** @param keyOf the key of the row of a record */
export async function rememberPatientIds(
  session: Session,
  records: readonly ForeignPatients[],
  keyOf: (record: ForeignPatients) => bigint,
): Promise<void> {
  if (records.length === 0) return
  const names = records.flatMap((record) => record.named.map((id) => ({ id, pk: keyOf(record) })))
  const own = records.filter(({ isPatient }) => isPatient)
  await session.run(REMEMBER, [
    textArray(names.map(({ id }) => id)),
    int8Array(names.map(({ pk }) => pk)),
    textArray(own.map(({ id }) => id)),
    byteaArray(own.map(({ patient }) => bytesOf(patient))),
  ])
}
