import { type ContractName, CONTRACT_NAMES } from '../../ledger/contracts.js'
import type { Deployment } from '../../ledger/deploy.js'
import { fromQuantity } from '../../ledger/hex.js'
import { Rpc } from '../../ledger/rpc.js'

interface Log {
  readonly address: string
  readonly transactionHash: string
}

/** What the story's transactions cost: for each contract the gas of every transaction that it logged, in their order. */
export async function gasByContract(
  rpcUrl: string,
  { addresses, block }: Deployment,
): Promise<Record<ContractName, number[]>> {
  const rpc = new Rpc(rpcUrl)
  try {
    const filter = { address: Object.values(addresses), fromBlock: `0x${block.toString(16)}`, toBlock: 'latest' }
    const logs = (await rpc.send('eth_getLogs', [filter])) as Log[]
    const hashes = [...new Set(logs.map(({ transactionHash }) => transactionHash))]
    const receipts = await rpc.all(hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] })))
    const gas = new Map(hashes.map((hash, i) => [hash, fromQuantity((receipts[i] as { gasUsed: string }).gasUsed)]))
    const of = (name: ContractName): number[] => {
      const own = logs.filter(({ address }) => address.toLowerCase() === addresses[name].toLowerCase())
      return [...new Set(own.map(({ transactionHash }) => transactionHash))].map((hash) => gas.get(hash) ?? 0)
    }
    return Object.fromEntries(CONTRACT_NAMES.map((name) => [name, of(name)])) as Record<ContractName, number[]>
  } finally {
    await rpc.close()
  }
}
