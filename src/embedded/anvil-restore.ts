import { existsSync, readFileSync } from 'node:fs'
import { rm, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { header } from '../ledger/chain.js'
import { Rpc } from '../ledger/rpc.js'
import { endProcess, exitDump, freePort, startAnvil } from './anvil-process.js'
import { writeDurably, type Journal, type JournalBlock } from './anvil-journal.js'

export function checkpointFile(directory: string): string {
  return join(directory, 'checkpoint.json')
}

/** Writes the whole chain as it is now; returns the number of the last block in it. About 40 µs per block. */
export async function writeCheckpoint(rpc: Rpc, directory: string): Promise<number> {
  const dump = (await rpc.send('anvil_dumpState')) as string
  const state = gunzipSync(Buffer.from(dump.slice(2), 'hex'))
  await writeDurably(checkpointFile(directory), state)
  return lastBlock(state.toString('utf8')) ?? 0
}

export interface RestoreOptions {
  readonly binary: string
  readonly directory: string
  readonly chainId: number
  readonly onProblem: (problem: string) => void
}

/**
 * Brings the checkpoint to the last block that was acknowledged: adopts what anvil wrote when it was asked to end, or else
 * makes the blocks of the journal again, on a port that nobody knows. Made from the same time and transactions a block
 * gets the same hash, so a follower sees no reorganisation.
 */
export async function restore(journal: Journal, options: RestoreOptions): Promise<void> {
  const { directory, onProblem } = options
  const checkpoint = checkpointFile(directory)
  const left = exitDump(directory)
  const known = journal.last?.number ?? (existsSync(checkpoint) ? stateOf(checkpoint) : 0) ?? 0
  const reached = existsSync(left) ? stateOf(left) : null
  if (reached !== null && reached >= known) {
    await rename(left, checkpoint)
    await journal.forget(reached)
    return
  }
  await rm(left, { force: true })
  const blocks = journal.blocks()
  const [first] = blocks
  if (!first) return
  const port = await freePort(0)
  const pid = await startAnvil({ ...options, port, state: checkpoint, timestamp: first.timestamp - 1 })
  const rpc = new Rpc(`http://127.0.0.1:${port}`, { connections: 1 })
  try {
    await replay(rpc, blocks, onProblem)
    await writeCheckpoint(rpc, directory)
    await journal.forget()
  } finally {
    await rpc.close()
    await endProcess(pid, 'SIGKILL')
  }
}

async function replay(rpc: Rpc, blocks: readonly JournalBlock[], onProblem: (problem: string) => void): Promise<void> {
  let { number: head } = await header(rpc, 'latest')
  for (const block of blocks) {
    if (block.number <= head) continue
    if (block.number !== head + 1) return onProblem(`The journal of the embedded chain lacks block ${head + 1}.`)
    for (const raw of block.transactions) await rpc.send('eth_sendRawTransaction', [raw])
    await rpc.send('anvil_setNextBlockBaseFeePerGas', [block.baseFee])
    await rpc.send('evm_mine', [{ timestamp: block.timestamp }])
    const made = await header(rpc, 'latest')
    if (made.hash !== block.hash)
      onProblem(`Block ${block.number} of the embedded chain has come back with another hash.`)
    head = made.number
  }
}

/** Number of the last block in a dump on disk, `null` when the file is torn. */
function stateOf(path: string): number | null {
  try {
    const text = readFileSync(path, 'utf8')
    JSON.parse(text)
    return lastBlock(text)
  } catch {
    return null
  }
}

function lastBlock(state: string): number | null {
  const found = /"best_block_number":\s*"?(0x[0-9a-f]+|\d+)"?/i.exec(state)?.[1]
  return found === undefined ? null : Number(found)
}
