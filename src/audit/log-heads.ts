import type { Hex } from '../ledger/hex.js'
import type { Database, Sql } from '../records/database.js'

export interface LogHead {
  /** Number of leaves. */
  readonly size: number
  readonly root: Hex
  /** CIDs of the blocks with the sealed bodies since the head before. */
  readonly segments: readonly string[]
  /** Where the ledger says so; `null`: not seen on chain, or no longer. */
  readonly evidence: HeadEvidence | null
}

export interface HeadEvidence {
  readonly transactionHash: Hex
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly logIndex: number
}

/**
 * Heads on their way to the chain. A head that was prepared keeps its size and root and is sent until its event is seen,
 * or until a larger one's is: a larger head contains it.
 */
export class LogHeads {
  constructor(private readonly database: Database) {}

  async prepare(head: Pick<LogHead, 'size' | 'root' | 'segments'>, now: number): Promise<void> {
    await this.database.query(
      'INSERT INTO audit_head (size, root, segments, prepared_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
      [head.size, bytes(head.root), head.segments, now],
    )
  }

  async sent(size: number, transactionHash: Hex): Promise<void> {
    await this.database.query('UPDATE audit_head SET transaction_hash = $2 WHERE size = $1 AND block_number IS NULL', [
      size,
      bytes(transactionHash),
    ])
  }

  /** Prepared and not seen on chain, smallest first. */
  unconfirmed(): Promise<LogHead[]> {
    return this.#select(
      `WHERE block_number IS NULL
         AND size > (SELECT coalesce(max(size), 0) FROM audit_head WHERE block_number IS NOT NULL) ORDER BY size`,
    )
  }

  /** The newest prepared head. */
  async last(): Promise<LogHead | null> {
    return (await this.#select('ORDER BY size DESC LIMIT 1'))[0] ?? null
  }

  /** The newest head on chain. */
  async newest(): Promise<LogHead | null> {
    return (await this.#select('WHERE block_number IS NOT NULL ORDER BY size DESC LIMIT 1'))[0] ?? null
  }

  /** The first head on chain that contains a leaf. */
  async containing(index: number): Promise<LogHead | null> {
    const where = 'WHERE block_number IS NOT NULL AND size > $1 ORDER BY size LIMIT 1'
    return (await this.#select(where, [index]))[0] ?? null
  }

  async all(): Promise<LogHead[]> {
    return this.#select('ORDER BY size')
  }

  /** In the follower's transaction. A head that we know nothing of (published by an earlier life) is kept as it was seen. */
  async confirmed(
    sql: Sql,
    heads: readonly (HeadEvidence & { readonly size: number; readonly root: Hex })[],
    now: number,
  ): Promise<void> {
    for (const head of heads) {
      await sql.query(
        `INSERT INTO audit_head (size, root, segments, prepared_at, transaction_hash, block_number, block_hash, log_index)
         VALUES ($1, $2, '{}', $3, $4, $5, $6, $7)
         ON CONFLICT (size) DO UPDATE SET transaction_hash = excluded.transaction_hash,
           block_number = excluded.block_number, block_hash = excluded.block_hash, log_index = excluded.log_index`,
        [
          head.size,
          bytes(head.root),
          now,
          bytes(head.transactionHash),
          head.blockNumber,
          bytes(head.blockHash),
          head.logIndex,
        ],
      )
    }
  }

  /** Blocks above `block` are gone; their heads wait to be seen again. */
  async rollback(sql: Sql, block: number): Promise<void> {
    await sql.query(
      'UPDATE audit_head SET block_number = NULL, block_hash = NULL, log_index = NULL WHERE block_number > $1',
      [block],
    )
  }

  async #select(where: string, values: readonly unknown[] = []): Promise<LogHead[]> {
    const { rows } = await this.database.query<SqlHead>(
      `SELECT size, root, segments, transaction_hash, block_number, block_hash, log_index FROM audit_head ${where}`,
      values,
    )
    return rows.map(headOf)
  }
}

interface SqlHead {
  readonly size: bigint
  readonly root: Buffer
  readonly segments: string[]
  readonly transaction_hash: Buffer | null
  readonly block_number: bigint | null
  readonly block_hash: Buffer | null
  readonly log_index: number | null
}

function headOf(row: SqlHead): LogHead {
  const { transaction_hash: transaction, block_number: number, block_hash: hash, log_index: logIndex } = row
  const seen = transaction !== null && number !== null && hash !== null && logIndex !== null
  return {
    size: Number(row.size),
    root: hex(row.root),
    segments: row.segments,
    evidence: seen
      ? { transactionHash: hex(transaction), blockNumber: Number(number), blockHash: hex(hash), logIndex }
      : null,
  }
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

function hex(value: Uint8Array): Hex {
  return `0x${Buffer.from(value).toString('hex')}`
}
