import type { Sql } from './sql.js'

const REFRESH_AFTER_MS = 300_000

/**
 * How common tokens are, as PostgreSQL's statistics have it of the thousand most common ones
 * (https://www.postgresql.org/docs/current/view-pg-stats.html). What is not among them is rare.
 */
export class CommonTokens {
  #shares: ReadonlyMap<bigint, number> = new Map()
  #rows = 0
  #asked = -Infinity

  constructor(private readonly sql: Sql) {}

  /** Of a table that was never analysed nothing is known: 0. */
  get rows(): number {
    return this.#rows
  }

  /** Of all rows; 0 for a rare token. */
  share(token: bigint): number {
    return this.#shares.get(token) ?? 0
  }

  /** Asks anew after five minutes. Searches do not wait for it: it changes how rows are found, never which. */
  async refresh(): Promise<void> {
    if (performance.now() - this.#asked < REFRESH_AFTER_MS) return
    this.#asked = performance.now()
    const { rows } = await this.sql.query<{ tokens: bigint[]; shares: number[]; rows: number }>(
      `SELECT s.most_common_elems::text::bigint[] AS tokens, s.most_common_elem_freqs::float8[] AS shares, c.reltuples::float8 AS rows
       FROM pg_stats s JOIN pg_class c ON c.oid = to_regclass('resource')
       WHERE s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = 'resource' AND s.attname = 'tokens'
         AND s.most_common_elems IS NOT NULL`,
    )
    const [known] = rows
    if (known === undefined) return
    this.#rows = known.rows
    // after a share for each there are three more figures
    this.#shares = new Map(known.tokens.map((token, i) => [token, known.shares[i] ?? 0]))
  }
}
