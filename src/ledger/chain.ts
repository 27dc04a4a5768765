import { fromQuantity, type Hex } from './hex.js'
import { silent } from './transport.js'
import type { Rpc, RpcCall } from './rpc.js'

/** One block: its number, hash and time in seconds since the epoch. */
export interface BlockRef {
  readonly number: number
  readonly hash: Hex
  readonly timestamp: number
}

export interface Header extends BlockRef {
  readonly parentHash: Hex
  readonly logsBloom: Hex
}

/** One entry of eth_getLogs, https://ethereum.github.io/execution-apis/ (Log). */
export interface RawLog {
  readonly address: Hex
  readonly topics: readonly Hex[]
  readonly data: Hex
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly transactionHash: Hex
  readonly transactionIndex: number
  readonly logIndex: number
}

export type BlockTag = 'latest' | 'safe' | 'finalized'

/** What a log says, in words of the contracts. */
export interface DecodedEvent {
  readonly contract: string
  readonly name: string
  /** By parameter name; forms of the values: abi-values.ts. */
  readonly args: Readonly<Record<string, unknown>>
}

/** Where an event stands; (block hash, log index) names it for ever. */
export interface EventPlace {
  readonly block: BlockRef
  readonly transactionHash: Hex
  readonly transactionIndex: number
  /** Position in the block. */
  readonly logIndex: number
}

export type ChainEvent<E extends DecodedEvent = DecodedEvent> = E & EventPlace

export function headerCall(block: number | Hex | BlockTag): RpcCall {
  if (typeof block === 'number') return { method: 'eth_getBlockByNumber', params: [`0x${block.toString(16)}`, false] }
  if (block.startsWith('0x')) return { method: 'eth_getBlockByHash', params: [block, false] }
  return { method: 'eth_getBlockByNumber', params: [block, false] }
}

/** `null` when the node has no such block. */
export function parseHeader(raw: unknown): Header | null {
  if (raw === null || raw === undefined) return null
  const block = raw as Record<string, unknown>
  return {
    number: fromQuantity(block['number']),
    hash: lower(block['hash']),
    parentHash: lower(block['parentHash']),
    timestamp: fromQuantity(block['timestamp']),
    logsBloom: lower(block['logsBloom']),
  }
}

export function parseLog(raw: unknown): RawLog {
  const log = raw as Record<string, unknown>
  return {
    address: lower(log['address']),
    topics: (log['topics'] as unknown[]).map(lower),
    data: lower(log['data']),
    blockNumber: fromQuantity(log['blockNumber']),
    blockHash: lower(log['blockHash']),
    transactionHash: lower(log['transactionHash']),
    transactionIndex: fromQuantity(log['transactionIndex']),
    logIndex: fromQuantity(log['logIndex']),
  }
}

/** The header of a block that must exist, otherwise `unavailable` (the node answered from elsewhere, or is syncing). */
export async function header(rpc: Rpc, block: number | Hex | BlockTag): Promise<Header> {
  const call = headerCall(block)
  const found = parseHeader(await rpc.send(call.method, call.params))
  if (!found) throw silent(rpc.host, `has no block ${block}`)
  return found
}

export function blockRef({ number, hash, timestamp }: BlockRef): BlockRef {
  return { number, hash, timestamp }
}

function lower(value: unknown): Hex {
  return String(value).toLowerCase() as Hex
}
