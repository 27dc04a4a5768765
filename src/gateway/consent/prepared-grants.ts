import type { Grant } from '../../ledger/typed-data.js'
import type { Sql } from '../../records/database.js'

/** A grant waits for its signature; what it holds is public once it is relayed. */
export interface PreparedGrants {
  keep(key: string, grant: Grant): Promise<void>
  find(key: string): Promise<Grant | null>
}

const KIND = 'prepared-grant'
const BIG: ReadonlySet<string> = new Set(['categories', 'nonce'])

/** Prepared grants as finished rows of the outbox, which keeps what has a name and a payload. */
export class StoredPreparedGrants implements PreparedGrants {
  constructor(private readonly sql: Sql) {}

  async keep(key: string, grant: Grant): Promise<void> {
    const payload = JSON.stringify(grant, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))
    await this.sql.query(
      `INSERT INTO outbox (kind, key, payload, due, done_at) VALUES ($1, $2, $3, 0, 0)
       ON CONFLICT (kind, key) DO UPDATE SET payload = excluded.payload`,
      [KIND, key, payload],
    )
  }

  async find(key: string): Promise<Grant | null> {
    const { rows } = await this.sql.query<{ payload: Record<string, unknown> }>(
      'SELECT payload FROM outbox WHERE kind = $1 AND key = $2',
      [KIND, key],
    )
    const payload = rows[0]?.payload
    if (payload === undefined) return null
    const entries = Object.entries(payload).map(([name, value]) => [
      name,
      BIG.has(name) ? BigInt(value as string) : value,
    ])
    return Object.fromEntries(entries) as Grant
  }
}
