import type { AddressBloom } from './bloom.js'
import { blockRef, headerCall, parseHeader, parseLog, type BlockRef, type Header, type RawLog } from './chain.js'
import { toQuantity, type Hex } from './hex.js'
import type { Rpc, RpcCall } from './rpc.js'
import { silent } from './transport.js'

/** The chain changed under the reader, or parts of the answer come from different forks: read again. */
export class ChainMoved extends Error {
  override readonly name = 'ChainMoved'
}

/** The block above the cursor does not continue it: the cursor is on a fork that was given up. */
export class ParentMismatch extends Error {
  override readonly name = 'ParentMismatch'
}

export interface LogRange {
  /** Every block of the range when it was read linked; those with logs and the last one when read sparsely. Ascending. */
  readonly blocks: readonly Header[]
  /** In the order of the chain. */
  readonly logs: readonly RawLog[]
  readonly head: BlockRef
}

export interface RangeReader {
  readonly rpc: Rpc
  readonly addresses: readonly Hex[]
  readonly bloom: AddressBloom
}

/**
 * Reads blocks `from`..`to` so that the logs are exactly those of one chain that continues `parent`.
 * All headers are read and linked by parent hash; each log must name the hash of its header; and a block whose bloom
 * filter allows for our logs but showed none is asked again by hash, because a node behind a load balancer may
 * answer a range it does not have with an empty list.
 */
export async function readLinked(reader: RangeReader, parent: BlockRef, from: number, to: number): Promise<LogRange> {
  const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i)
  const answers = await reader.rpc.all([...numbers.map(headerCall), logsCall(reader, from, to)])
  const logs = (answers.pop() as unknown[]).map(parseLog)
  const blocks = answers.map((raw, i) => present(parseHeader(raw), reader.rpc, from + i))
  let previous = parent
  for (const block of blocks) {
    if (block.parentHash !== previous.hash) {
      if (previous === parent) throw new ParentMismatch(`Block ${block.number} does not continue the cursor.`)
      throw new ChainMoved(`Block ${block.number} does not continue block ${previous.number}.`)
    }
    previous = block
  }
  const shown = new Set(logs.map((log) => log.blockNumber))
  const doubtful = blocks.filter((block) => !shown.has(block.number) && reader.bloom.mayHold(block.logsBloom))
  for (const found of await logsByHash(reader, doubtful)) logs.push(found)
  return { blocks, logs: inOrder(logs, blocks), head: blockRef(previous) }
}

/**
 * The same for a range that is final: only the headers that are needed are read, so a long history costs one
 * request for thousands of blocks. The caller has seen the node name a finalized block at or above `to`.
 */
export async function readSparse(reader: RangeReader, parent: BlockRef, from: number, to: number): Promise<LogRange> {
  const [first, raw] = await reader.rpc.all([headerCall(from), logsCall(reader, from, to)])
  if (present(parseHeader(first), reader.rpc, from).parentHash !== parent.hash) {
    throw new ParentMismatch(`Block ${from} does not continue the cursor.`)
  }
  const logs = (raw as unknown[]).map(parseLog)
  const numbers = [...new Set([...logs.map((log) => log.blockNumber), to])].sort((a, b) => a - b)
  const answers = await reader.rpc.all(numbers.map(headerCall))
  const blocks = answers.map((answer, i) => present(parseHeader(answer), reader.rpc, numbers[i] ?? to))
  const last = blocks.at(-1)
  if (!last) throw new ChainMoved('The range is empty.')
  return { blocks, logs: inOrder(logs, blocks), head: blockRef(last) }
}

function logsCall(reader: RangeReader, from: number, to: number): RpcCall {
  const filter = { address: reader.addresses, fromBlock: toQuantity(from), toBlock: toQuantity(to) }
  return { method: 'eth_getLogs', params: [filter] }
}

/** EIP-234: logs of exactly this block; the node refuses when it does not know the hash. */
async function logsByHash(reader: RangeReader, blocks: readonly Header[]): Promise<RawLog[]> {
  if (blocks.length === 0) return []
  const calls = blocks.map(({ hash }) => ({
    method: 'eth_getLogs',
    params: [{ address: reader.addresses, blockHash: hash }],
  }))
  return (await reader.rpc.all(calls)).flatMap((raw) => (raw as unknown[]).map(parseLog))
}

function inOrder(logs: RawLog[], blocks: readonly Header[]): RawLog[] {
  const hashes = new Map(blocks.map((block) => [block.number, block.hash]))
  const sorted = logs.sort((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex)
  sorted.forEach((log, i) => {
    const previous = sorted[i - 1]
    if (hashes.get(log.blockNumber) !== log.blockHash)
      throw new ChainMoved(`A log names another block ${log.blockNumber}.`)
    if (previous?.blockNumber === log.blockNumber && previous.logIndex === log.logIndex) {
      throw new ChainMoved(`The node lists log ${log.logIndex} of block ${log.blockNumber} twice.`)
    }
  })
  return sorted
}

function present(found: Header | null, rpc: Rpc, number: number): Header {
  if (!found) throw silent(rpc.host, `has no block ${number} yet`)
  if (found.number !== number) throw silent(rpc.host, `answered with block ${found.number} for ${number}`)
  return found
}
