import { bigQuantity, fromQuantity, type Hex } from './hex.js'
import { parseLog, type RawLog } from './chain.js'

/** What became of a transaction. */
export interface Receipt {
  readonly hash: Hex
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly transactionIndex: number
  readonly succeeded: boolean
  readonly gasUsed: bigint
  /** Wei per gas that was paid. */
  readonly gasPrice: bigint
  /** Lower case; only of a creation. */
  readonly contractAddress: Hex | null
  readonly logs: readonly RawLog[]
}

/** `null` while the transaction is in no block of the present chain. */
export function parseReceipt(raw: unknown): Receipt | null {
  if (raw === null || raw === undefined) return null
  const receipt = raw as Record<string, unknown>
  // A node may show a receipt for a moment before its block is the head.
  if (typeof receipt['blockHash'] !== 'string') return null
  return {
    hash: receipt['transactionHash'] as Hex,
    blockNumber: fromQuantity(receipt['blockNumber']),
    blockHash: receipt['blockHash'] as Hex,
    transactionIndex: fromQuantity(receipt['transactionIndex']),
    succeeded: receipt['status'] === '0x1',
    gasUsed: bigQuantity(receipt['gasUsed']),
    gasPrice: bigQuantity(receipt['effectiveGasPrice'] ?? '0x0'),
    contractAddress: ((receipt['contractAddress'] as string | null)?.toLowerCase() ?? null) as Hex | null,
    logs: (receipt['logs'] as unknown[]).map(parseLog),
  }
}
