import { readFileSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { keccak256 } from 'ethers'
import { header } from '../ledger/chain.js'
import type { Hex } from '../ledger/hex.js'
import { Rpc } from '../ledger/rpc.js'
import { endProcess, isOurs, ownership, startAnvil, watchOrphan } from './anvil-process.js'
import { writeDurably, type JournalBlock } from './anvil-journal.js'
import { freePort } from './free-port.js'

export interface RestoreOptions {
  readonly binary: string
  readonly directory: string
  readonly chainId: number
  readonly onProblem: (problem: string) => void
}

export function checkpointFile(directory: string): string {
  return join(directory, 'checkpoint.json')
}

/** Number of the last block in the checkpoint. */
export async function checkpointBlock(directory: string): Promise<number> {
  return lastBlock(await readFile(checkpointFile(directory), 'utf8')) ?? 0
}

/** Longest answer of a node of our own, which may be its whole chain (`dump`). */
export const CHAIN_BYTES = 512 * 1024 * 1024

/** A chain as anvil loads it. */
export interface ChainState {
  /** Of the last block. */
  readonly number: number
  readonly bytes: Uint8Array
}

/** The whole chain as it is now: about 40 µs per block. Nothing may be mined meanwhile, see `sound`. */
export async function dump(rpc: Rpc): Promise<ChainState> {
  const answer = (await rpc.send('anvil_dumpState')) as string
  const bytes = gunzipSync(Buffer.from(answer.slice(2), 'hex'))
  return { number: lastBlock(bytes.toString('utf8')) ?? 0, bytes }
}

export async function writeCheckpoint(state: ChainState, directory: string): Promise<void> {
  await writeDurably(checkpointFile(directory), state.bytes)
}

/**
 * Whether the state that a node holds is that of its last block. anvil dumps accounts and blocks one after the other without
 * stopping, so a dump made while it mines holds accounts of blocks that the dump does not hold; found by measurement.
 */
export async function sound(rpc: Rpc): Promise<boolean> {
  const [block, proof] = await rpc.all([
    { method: 'eth_getBlockByNumber', params: ['latest', false] },
    { method: 'eth_getProof', params: [`0x${'00'.repeat(20)}`, [], 'latest'] },
  ])
  const [root] = (proof as { accountProof: Hex[] }).accountProof
  return root !== undefined && keccak256(root) === (block as { stateRoot: Hex }).stateRoot
}

/** The checkpoint with the blocks of a journal above it, made in an anvil that nobody knows; `null` without any blocks. */
export async function compact(blocks: readonly JournalBlock[], options: RestoreOptions): Promise<ChainState | null> {
  const [first] = blocks
  if (!first) return null
  return await withScratch({ ...options, timestamp: first.timestamp - 1 }, async (rpc) => {
    await replay(rpc, blocks, options.onProblem)
    return await dump(rpc)
  })
}

/** Whether the checkpoint on disk can be loaded and is not torn. */
export async function checkpointIsSound(options: RestoreOptions): Promise<boolean> {
  return await withScratch(options, sound)
}

/** Number of the last block in a dump on disk, `null` when there is none or the file ends too early. */
export function stateOf(path: string): number | null {
  try {
    const text = readFileSync(path, 'utf8')
    JSON.parse(text)
    return lastBlock(text)
  } catch {
    return null
  }
}

/** Ends the scratch anvils of a gateway that was killed while it had one. */
export async function endScratches(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = Number(/^scratch-(\d+)$/.exec(name)?.[1])
    if (Number.isNaN(pid)) continue
    if (isOurs(pid, directory)) await endProcess(pid, 'SIGKILL')
    await rm(join(directory, name), { force: true })
  }
}

async function withScratch<T>(
  options: RestoreOptions & { timestamp?: number },
  work: (rpc: Rpc) => Promise<T>,
): Promise<T> {
  const { directory } = options
  const port = await freePort()
  const pid = await startAnvil({ ...options, port, state: checkpointFile(directory), log: 'scratch.log' })
  const note = join(directory, `scratch-${pid}`)
  const rpc = new Rpc(`http://127.0.0.1:${port}`, { connections: 1, mostBytes: CHAIN_BYTES })
  try {
    watchOrphan(pid, note, 10)
    await writeFile(note, ownership(pid))
    return await work(rpc)
  } finally {
    await rpc.close()
    await endProcess(pid, 'SIGKILL')
    await rm(note, { force: true })
  }
}

/**
 * Makes the blocks of a journal again, in an anvil that does not mine by itself. From the same time, base fee and
 * transactions each block gets the same hash, so followers see no change.
 */
export async function replay(
  rpc: Rpc,
  blocks: readonly JournalBlock[],
  onProblem: (problem: string) => void,
): Promise<void> {
  let { number, hash } = await header(rpc, 'latest')
  for (const block of blocks) {
    if (block.number <= number) continue
    // What a reorganisation has left over if the machine died just then.
    if (block.parent !== hash) return onProblem(`Block ${block.number} of the journal does not continue the chain.`)
    // anvil runs a batch in any order, which the first transaction and the base fee do not mind.
    const [first, ...more] = block.transactions.map((raw) => ({ method: 'eth_sendRawTransaction', params: [raw] }))
    const baseFee = { method: 'anvil_setNextBlockBaseFeePerGas', params: [block.baseFee] }
    await rpc.all(first ? [baseFee, first] : [baseFee])
    for (const { method, params } of more) await rpc.send(method, params)
    await rpc.send('evm_mine', [{ timestamp: block.timestamp }])
    ;({ number, hash } = block)
  }
  const made = await header(rpc, 'latest')
  // Each block holds the hash of the one before, so that the last one speaks for all.
  if (made.hash !== hash) onProblem(`Block ${number} of the embedded chain has come back with another hash.`)
}

function lastBlock(state: string): number | null {
  const found = /"best_block_number":\s*"?(0x[0-9a-f]+|\d+)"?/i.exec(state)?.[1]
  return found === undefined ? null : Number(found)
}
