import type { Database } from './database.js'

export interface OutboxItem {
  readonly id: bigint
  readonly key: string
  readonly payload: unknown
  /** How often it has been claimed, this time included. */
  readonly attempts: number
}

/**
 * Work that commits asked for. A worker claims items for a while; what it neither completes nor fails by then (it died)
 * is claimed again, so handlers do their work at least once and must bear it twice. An item of one name is made once.
 */
export class Outbox {
  /** @param clock milliseconds since the epoch */
  constructor(
    private readonly database: Database,
    private readonly clock: () => number = Date.now,
  ) {}

  /** The items that have been due the longest. */
  async claim(kind: string, limit: number, leaseMs: number): Promise<OutboxItem[]> {
    const now = this.clock()
    const { rows } = await this.database.query<OutboxItem>(
      `UPDATE outbox SET claimed_until = $3, attempts = attempts + 1 WHERE id IN (
         SELECT id FROM outbox WHERE kind = $1 AND done_at IS NULL AND due <= $2 AND claimed_until <= $2
         ORDER BY due, id LIMIT $4 FOR UPDATE SKIP LOCKED)
       RETURNING id, key, payload, attempts`,
      [kind, now, now + leaseMs, limit],
    )
    return rows.sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  async complete(ids: readonly bigint[]): Promise<void> {
    await this.database.query('UPDATE outbox SET done_at = $2 WHERE id = ANY($1::bigint[])', [ids, this.clock()])
  }

  /** @param reason for operators; without health data and secrets */
  async fail(id: bigint, reason: string, retryAt: number): Promise<void> {
    await this.database.query('UPDATE outbox SET due = $3, claimed_until = 0, last_error = $2 WHERE id = $1', [
      id,
      reason,
      retryAt,
    ])
  }

  async waiting(kind: string): Promise<number> {
    const { rows } = await this.database.query<{ count: bigint }>(
      'SELECT count(*) FROM outbox WHERE kind = $1 AND done_at IS NULL',
      [kind],
    )
    return Number(rows[0]?.count)
  }

  /** Forgets what was done before a time; a name may come again after that. */
  async prune(before: number): Promise<void> {
    await this.database.query('DELETE FROM outbox WHERE done_at < $1', [before])
  }
}
