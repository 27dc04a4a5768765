import type { ConsentMirror } from '../consent/mirror.js'
import type { BlockRef } from '../ledger/chain.js'
import type { Hex } from '../ledger/hex.js'
import type { ChainSink, ChainStep } from '../ledger/sink.js'
import type { Database, Sql } from '../records/database.js'

/** One part's share of following the chain, inside the transaction that moves the cursor. */
export interface ChainShare {
  apply(tx: Sql, step: ChainStep): Promise<void>
  /** Undoes what blocks above `block` brought. */
  rollback(tx: Sql, block: number): Promise<void>
}

/** Hashes of this many blocks below the cursor are kept, to find where a fork began. */
const KEPT_BLOCKS = 10_000

const NAME = 'chain'

/**
 * What the follower writes to: consent mirror, anchor states, audit mirror, feeds and the cursor in one SQL
 * transaction, so that each event has its effects exactly once.
 */
export class GatewayChainSink implements ChainSink {
  #shares: readonly ChainShare[]
  #applied: () => void = () => undefined

  constructor(
    private readonly database: Database,
    private readonly mirror: ConsentMirror,
    shares: readonly ChainShare[],
  ) {
    this.#shares = shares
  }

  /**
   * Who else has a share, in the order in which they read each other's rows: to be said before the follower starts.
   *
   * @param applied told after each committed step
   */
  join(shares: readonly ChainShare[], applied: () => void): void {
    this.#shares = [...this.#shares, ...shares]
    this.#applied = applied
  }

  async cursor(): Promise<BlockRef | null> {
    const { rows } = await this.database.query<{ number: bigint; hash: Buffer; block_time: bigint }>(
      'SELECT number, hash, block_time FROM chain_cursor WHERE name = $1',
      [NAME],
    )
    const row = rows[0]
    return row ? { number: Number(row.number), hash: hex(row.hash), timestamp: Number(row.block_time) } : null
  }

  async apply(step: ChainStep): Promise<void> {
    const changed = await this.#step(async (tx) => {
      const changes = await this.mirror.apply(tx, step, await finalizedBefore(tx))
      for (const share of this.#shares) await share.apply(tx, step)
      const blocks = [...step.ancestors, step.head]
      await tx.query(
        `INSERT INTO chain_block (number, hash) SELECT * FROM unnest($1::bigint[], $2::bytea[])
         ON CONFLICT (number) DO UPDATE SET hash = excluded.hash`,
        [blocks.map((b) => b.number), blocks.map((b) => bytes(b.hash))],
      )
      await tx.query('DELETE FROM chain_block WHERE number < $1', [step.head.number - KEPT_BLOCKS])
      await moveCursor(tx, step.head, step.finalized)
      return changes
    })
    if (changed) this.mirror.moved()
    this.#applied()
  }

  async rollback(to: BlockRef): Promise<void> {
    await this.#step(async (tx) => {
      const finalized = Math.min(await finalizedBefore(tx), to.number)
      await this.mirror.rollback(tx, to.number, finalized)
      for (const share of this.#shares) await share.rollback(tx, to.number)
      await tx.query('DELETE FROM chain_block WHERE number > $1', [to.number])
      await moveCursor(tx, to, finalized)
    })
    this.mirror.moved()
    this.#applied()
  }

  #step<T>(work: (tx: Sql) => Promise<T>): Promise<T> {
    return this.mirror.changing(() => this.database.transaction(work))
  }

  async knownHash(number: number): Promise<Hex | null> {
    const { rows } = await this.database.query<{ hash: Buffer }>('SELECT hash FROM chain_block WHERE number = $1', [
      number,
    ])
    return rows[0] ? hex(rows[0].hash) : null
  }
}

async function finalizedBefore(tx: Sql): Promise<number> {
  const { rows } = await tx.query<{ finalized: bigint }>('SELECT finalized FROM chain_cursor WHERE name = $1', [NAME])
  return rows[0] ? Number(rows[0].finalized) : -1
}

async function moveCursor(tx: Sql, head: BlockRef, finalized: number): Promise<void> {
  await tx.query(
    `INSERT INTO chain_cursor (name, number, hash, block_time, finalized) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (name) DO UPDATE SET number = excluded.number, hash = excluded.hash,
       block_time = excluded.block_time, finalized = excluded.finalized`,
    [NAME, head.number, bytes(head.hash), head.timestamp, finalized],
  )
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}

function hex(value: Buffer): Hex {
  return `0x${value.toString('hex')}`
}
