import type pg from 'pg'

/** How often to look, and how many tables at most to treat at a time, so that nobody waits for long. */
const EVERY_MS = 5_000

/**
 * Dead and changed rows beyond which a table is treated: autovacuum's own defaults
 * (https://www.postgresql.org/docs/18/runtime-config-vacuum.html). A token index also wants its pending list merged.
 */
const DUE = `
  SELECT s.relname AS name, s.n_dead_tup > 50 + 0.2 * s.n_live_tup OR s.n_ins_since_vacuum > 1000 + 0.2 * s.n_live_tup AS vacuum
  FROM pg_stat_user_tables s
  WHERE s.n_dead_tup > 50 + 0.2 * s.n_live_tup
     OR s.n_ins_since_vacuum > 1000 + 0.2 * s.n_live_tup
     OR s.n_mod_since_analyze > 50 + 0.1 * s.n_live_tup
  ORDER BY s.n_mod_since_analyze DESC LIMIT 1`

/** Vacuums and analyses when the session is free: PGlite has no background processes. */
export class PgliteMaintenance {
  #timer: NodeJS.Timeout | undefined

  watch(pool: pg.Pool): void {
    this.stop()
    this.#timer = setInterval(() => {
      if (pool.waitingCount === 0 && pool.idleCount > 0) this.run(pool).catch(() => undefined)
    }, EVERY_MS)
    this.#timer.unref()
  }

  /** Treats the table that needs it most. Resolves to its name, or null. */
  async run(pool: pg.Pool): Promise<string | null> {
    // counters are written once a second otherwise, and only by a session that goes on working
    await pool.query('SELECT pg_stat_force_next_flush()')
    const table = (await pool.query<{ name: string; vacuum: boolean }>(DUE)).rows[0]
    if (table === undefined) return null
    const quoted = `"${table.name.replaceAll('"', '""')}"`
    await pool.query(table.vacuum ? `VACUUM (ANALYZE) ${quoted}` : `ANALYZE ${quoted}`)
    return table.name
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
