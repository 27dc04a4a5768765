import type { Database } from './database.js'
import type { Ref } from './types.js'

export interface NumberedLeaf {
  readonly index: number
  readonly hash: Uint8Array
}

export interface AuditLeaf {
  /** Place in the log; `null`: not numbered yet. */
  readonly index: number | null
  readonly hash: Uint8Array
  /** `null`: erased. */
  readonly salt: Uint8Array | null
}

/** Serialises the sequencers: 'audit' as an advisory lock. */
const SEQUENCER = 0x6175_6469

/**
 * The leaves of the verifiable log. A commit writes a leaf without a number, so that commits do not wait for each
 * other; one sequencer numbers what is committed, without gaps, and never again.
 */
export class AuditLeaves {
  constructor(private readonly database: Database) {}

  /** Numbers up to `limit` leaves. @returns them in order */
  async sequence(limit: number): Promise<NumberedLeaf[]> {
    return this.database.transaction(async (sql) => {
      await sql.query('SELECT pg_advisory_xact_lock($1)', [SEQUENCER])
      const { rows } = await sql.query<{ leaf_index: bigint; hash: Buffer }>(
        `UPDATE audit_leaf l SET leaf_index = n.leaf_index
         FROM (SELECT resource_pk, (SELECT coalesce(max(leaf_index) + 1, 0) FROM audit_leaf)
                 + row_number() OVER (ORDER BY resource_pk) - 1 AS leaf_index
               FROM audit_leaf WHERE leaf_index IS NULL ORDER BY resource_pk LIMIT $1) n
         WHERE l.resource_pk = n.resource_pk RETURNING l.leaf_index, l.hash`,
        [limit],
      )
      return rows.map(({ leaf_index, hash }) => ({ index: Number(leaf_index), hash })).sort((a, b) => a.index - b.index)
    })
  }

  /** Leaves `from` (included) to `to` (not included). */
  async range(from: number, to: number): Promise<NumberedLeaf[]> {
    const { rows } = await this.database.query<{ leaf_index: bigint; hash: Buffer }>(
      'SELECT leaf_index, hash FROM audit_leaf WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index',
      [from, to],
    )
    return rows.map(({ leaf_index, hash }) => ({ index: Number(leaf_index), hash }))
  }

  /** How many leaves are numbered. */
  async size(): Promise<number> {
    const { rows } = await this.database.query<{ size: bigint }>(
      'SELECT coalesce(max(leaf_index) + 1, 0) AS size FROM audit_leaf',
    )
    return Number(rows[0]?.size)
  }

  async leaf({ type, id }: Ref): Promise<AuditLeaf | null> {
    const { rows } = await this.database.query<{ leaf_index: bigint | null; hash: Buffer; salt: Buffer | null }>(
      `SELECT l.leaf_index, l.hash, l.salt FROM audit_leaf l JOIN resource r ON r.pk = l.resource_pk
       WHERE r.type = $1 AND r.id = $2`,
      [type, id],
    )
    const row = rows[0]
    if (row === undefined) return null
    return { index: row.leaf_index === null ? null : Number(row.leaf_index), hash: row.hash, salt: row.salt }
  }

  /** Forgets salt and body for ever; the leaf and every proof stay. Its entries in the index go too, and it reads as deleted. */
  async erase({ type, id }: Ref): Promise<void> {
    await this.database.query(
      `WITH r AS (UPDATE resource SET tokens = '{}', deleted = true WHERE type = $1 AND id = $2 RETURNING pk),
        v AS (UPDATE resource_version SET body = NULL, salt = NULL, deleted = true FROM r WHERE resource_pk = r.pk),
        f AS (DELETE FROM reference USING r WHERE source_pk = r.pk),
        o AS (DELETE FROM ordered USING r WHERE resource_pk = r.pk)
       UPDATE audit_leaf SET salt = NULL, erased = true FROM r WHERE resource_pk = r.pk`,
      [type, id],
    )
  }
}
