import type { Database, Statement } from './database.js'
import { bytesOf } from './hex.js'
import type { Hex } from './types.js'

/** Imported records to be forgotten; absent parts mean any. */
export interface Purge {
  readonly patient: Hex
  readonly origin?: Hex
  /** Records with any of these labels. */
  readonly labels?: bigint
}

export interface Purged {
  /** Blocks that nothing here refers to any more. */
  readonly cids: string[]
  readonly removed: number
}

const PURGE: Statement = {
  name: 'purge',
  text: `WITH gone AS (
    DELETE FROM resource WHERE source IS NOT NULL AND patient = $1
      AND ($2::bytea IS NULL OR origin = $2) AND ($3::bigint IS NULL OR labels & $3 <> 0)
    RETURNING pk
  ), versions AS (
    DELETE FROM resource_version v USING gone WHERE v.resource_pk = gone.pk RETURNING v.cid
  ), "references" AS (
    DELETE FROM reference f USING gone WHERE f.source_pk = gone.pk
  ), ordereds AS (
    DELETE FROM ordered o USING gone WHERE o.resource_pk = gone.pk
  ), named AS (
    DELETE FROM foreign_patient f USING gone WHERE f.resource_pk = gone.pk
  ), keys AS (
    DELETE FROM capsule_key WHERE imported AND patient = $1
      AND ($2::bytea IS NULL OR author = $2) AND ($3::bigint IS NULL OR label_mask & $3 <> 0)
  )
  SELECT (SELECT count(*) FROM gone) AS removed, ARRAY(SELECT DISTINCT cid FROM versions WHERE cid IS NOT NULL) AS cids`,
}

/** Rows, index, and opened capsule keys go together or not at all. */
export async function purge(database: Database, { patient, origin, labels }: Purge): Promise<Purged> {
  const { rows } = await database.run<{ removed: bigint; cids: string[] }>(PURGE, [
    bytesOf(patient),
    origin === undefined ? null : bytesOf(origin),
    labels ?? null,
  ])
  const result = rows[0]
  return { cids: result?.cids ?? [], removed: Number(result?.removed ?? 0) }
}
