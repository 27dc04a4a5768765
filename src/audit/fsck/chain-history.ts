import { parseLog } from '../../ledger/chain.js'
import type { Contracts, LedgerFact } from '../../ledger/contracts.js'
import { fromQuantity, type Hex, toQuantity } from '../../ledger/hex.js'
import type { Rpc } from '../../ledger/rpc.js'
import type { Database } from '../../records/database.js'

export type PlacedEvent = LedgerFact & {
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly transactionHash: Hex
  readonly logIndex: number
}

/** Everything that the contracts said, and how far the rows have followed it. */
export interface ChainHistory {
  /** In the order of the chain, up to the rows' cursor: what came later is not in the rows yet, and no fault. */
  readonly events: readonly PlacedEvent[]
  readonly cursor: { readonly number: number; readonly hash: Hex; readonly finalized: number } | null
  /** The chain's own hash of the cursor's block; `null`: it has no such block. */
  readonly hashAtCursor: Hex | null
}

const RANGE = 2_000

export async function readHistory(
  rpc: Rpc,
  contracts: Contracts,
  database: Database,
  from: number,
): Promise<ChainHistory> {
  const { rows } = await database.query<{ number: bigint; hash: Buffer; finalized: bigint }>(
    `SELECT number, hash, finalized FROM chain_cursor WHERE name = 'chain'`,
  )
  const [row] = rows
  if (row === undefined) return { events: [], cursor: null, hashAtCursor: null }
  const cursor: NonNullable<ChainHistory['cursor']> = {
    number: Number(row.number),
    hash: `0x${row.hash.toString('hex')}`,
    finalized: Number(row.finalized),
  }
  const head = fromQuantity(await rpc.send('eth_blockNumber'))
  const block = (await rpc.send('eth_getBlockByNumber', [toQuantity(cursor.number), false])) as { hash: Hex } | null
  const events: PlacedEvent[] = []
  const last = Math.min(cursor.number, head)
  for (let start = from; start <= last; start += RANGE) {
    const toBlock = toQuantity(Math.min(start + RANGE - 1, last))
    const logs = await rpc.send('eth_getLogs', [{ address: contracts.list, fromBlock: toQuantity(start), toBlock }])
    for (const log of (logs as unknown[]).map(parseLog)) {
      const fact = contracts.decode(log)
      if (fact === null) continue
      const { blockNumber, blockHash, transactionHash, logIndex } = log
      events.push({ ...fact, blockNumber, blockHash, transactionHash, logIndex })
    }
  }
  return { events, cursor, hashAtCursor: block?.hash ?? null }
}

export const placeOf = (event: Pick<PlacedEvent, 'blockNumber' | 'logIndex'>): string =>
  `block ${event.blockNumber} log ${event.logIndex}`
