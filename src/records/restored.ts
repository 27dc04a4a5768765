import type { Sql } from './sql.js'

/** Claims older than so many transactions concern no request that still runs. */
const CLAIM_LIFE = 100_000

/**
 * Transaction numbers belong to a cluster. Rows that came into this one through a dump may bear numbers that it has not
 * reached, and would be invisible to later pages and block claims until it does: they count as old instead. Run at start;
 * old claims go as well.
 */
export async function forgetForeignTransactions(sql: Sql): Promise<void> {
  const { rows } = await sql.query<{ next: bigint; resource: bigint | null; claim: bigint | null }>(
    `SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
       (SELECT max(xid) FROM resource) AS resource, (SELECT max(xid) FROM claim) AS claim`,
  )
  const { next = 0n, resource = null, claim = null } = rows[0] ?? {}
  if (resource !== null && resource >= next) {
    await sql.query('UPDATE resource SET xid = 0 WHERE xid >= $1', [next])
    await sql.query('UPDATE resource_version SET xid = 0 WHERE xid >= $1', [next])
  }
  if (claim !== null) await sql.query('DELETE FROM claim WHERE xid >= $1 OR xid < $1 - $2', [next, CLAIM_LIFE])
}
