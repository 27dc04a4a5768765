import { bigQuantity } from './hex.js'
import { RpcError, type Rpc } from './rpc.js'

/** What a transaction offers per gas, in wei: EIP-1559, or one price on chains without a base fee. */
export type Fees =
  | { readonly type: 2; readonly maxFeePerGas: bigint; readonly maxPriorityFeePerGas: bigint }
  | { readonly type: 0; readonly gasPrice: bigint }

/** The present price: the node's tip above twice the base fee, which stays enough for six full blocks in a row. */
export async function currentFees(rpc: Rpc, ceiling: bigint | undefined): Promise<Fees> {
  const [block, tip, price] = await rpc.batch([
    { method: 'eth_getBlockByNumber', params: ['latest', false] },
    { method: 'eth_maxPriorityFeePerGas' },
    { method: 'eth_gasPrice' },
  ])
  if (block instanceof RpcError) throw block
  const base = (block as { baseFeePerGas?: string } | null)?.baseFeePerGas
  if (base === undefined) {
    if (price instanceof RpcError) throw price
    return capped({ type: 0, gasPrice: bigQuantity(price) }, ceiling)
  }
  const maxPriorityFeePerGas = tip instanceof RpcError ? 0n : bigQuantity(tip)
  return capped({ type: 2, maxFeePerGas: 2n * bigQuantity(base) + maxPriorityFeePerGas, maxPriorityFeePerGas }, ceiling)
}

/** Enough for a node to replace a transaction of the same nonce: geth asks 10 % more of both prices; we give 25 %. */
export function raised(offered: Fees, current: Fees, ceiling: bigint | undefined): Fees {
  const more = (old: bigint, now: bigint): bigint => {
    const bumped = (old * 5n) / 4n + 1n
    return bumped > now ? bumped : now
  }
  if (offered.type === 0 || current.type === 0) {
    const price = (fees: Fees): bigint => (fees.type === 0 ? fees.gasPrice : fees.maxFeePerGas)
    return capped({ type: 0, gasPrice: more(price(offered), price(current)) }, ceiling)
  }
  const maxPriorityFeePerGas = more(offered.maxPriorityFeePerGas, current.maxPriorityFeePerGas)
  return capped(
    { type: 2, maxFeePerGas: more(offered.maxFeePerGas, current.maxFeePerGas), maxPriorityFeePerGas },
    ceiling,
  )
}

function capped(fees: Fees, ceiling: bigint | undefined): Fees {
  const cap = (value: bigint): bigint => (ceiling !== undefined && value > ceiling ? ceiling : value)
  if (fees.type === 0) return { type: 0, gasPrice: cap(fees.gasPrice) }
  return { type: 2, maxFeePerGas: cap(fees.maxFeePerGas), maxPriorityFeePerGas: cap(fees.maxPriorityFeePerGas) }
}
