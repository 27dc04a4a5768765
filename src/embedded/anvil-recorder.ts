import { ConsentryError } from '../errors.js'
import { header, headerCall, parseHeader } from '../ledger/chain.js'
import type { Hex } from '../ledger/hex.js'
import type { Rpc } from '../ledger/rpc.js'
import type { Journal, JournalBlock } from './anvil-journal.js'
import { checkpointIsSound, compact, dump, writeCheckpoint, type RestoreOptions } from './anvil-restore.js'

/** Blocks after which the journal is made into a checkpoint, or a tenth of the chain if that is more. */
export const JOURNAL_BLOCKS = 150
/** Blocks fetched and written together. */
const FETCH = 64

/** How mining is stopped and begun again around a dump of the running chain. */
export interface Mining {
  pause(): Promise<void>
  resume(): Promise<void>
}

/** Writes every block that anvil makes into the journal, and from time to time the journal into a checkpoint. */
export class BlockRecorder {
  #rpc: Rpc | undefined
  #last: { number: number; hash: Hex } = { number: 0, hash: '0x' }
  /** Counts what makes a compaction under way worthless. */
  #generation = 0
  #work: Promise<unknown> = Promise.resolve()
  #queued: Promise<void> | undefined
  #compacting: Promise<void> | undefined
  #closing = false

  constructor(
    private readonly journal: Journal,
    private readonly restoring: RestoreOptions,
    private readonly mining: Mining,
  ) {}

  /** Records from the block after `last` on, of the node at the other end; in turn. */
  async begin(rpc: Rpc, last: { number: number; hash: Hex }): Promise<void> {
    this.#rpc = rpc
    this.#last = { number: last.number, hash: last.hash }
    this.#generation++
    await this.#catchUp()
  }

  /** Brings the journal to the head; calls that come while one waits for its turn are served by that one. */
  record(): Promise<void> {
    return (this.#queued ??= this.inTurn(async () => {
      this.#queued = undefined
      await this.#catchUp()
    }))
  }

  /** Resolves when the block is on the disk. */
  async kept(number: number): Promise<void> {
    // Twice, because the look under way may have been at the head before the block was made.
    for (let look = 0; look < 2 && this.#last.number < number; look++) await this.record()
    if (this.#last.number >= number) return
    throw new ConsentryError('unavailable', `The embedded chain has no block ${number}.`, { retryAfterSeconds: 1 })
  }

  /** One step at a time changes the files. */
  inTurn(step: () => Promise<void>): Promise<void> {
    const run = this.#work.then(step)
    this.#work = run.catch(() => undefined)
    return run
  }

  /** Begins nothing more beside the chain, and resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#closing = true
    await this.#work
    await this.#compacting
    await this.#work
  }

  async #catchUp(): Promise<void> {
    const rpc = this.#rpc
    if (!rpc) throw new ConsentryError('unavailable', 'The embedded chain is starting.', { retryAfterSeconds: 1 })
    const { number: head } = await header(rpc, 'latest')
    if (head < this.#last.number) return await this.#rebase(rpc)
    while (this.#last.number < head) {
      const blocks = await this.#blocks(rpc, this.#last.number + 1, Math.min(head, this.#last.number + FETCH))
      if (!blocks) return await this.#rebase(rpc)
      await this.journal.append(blocks)
      this.#last = blocks.at(-1) ?? this.#last
    }
    if (this.#closing) return
    if (this.journal.length >= Math.max(JOURNAL_BLOCKS, head / 10)) this.#compacting ??= this.#compact()
  }

  /** `null` when they do not continue the last block recorded. */
  async #blocks(rpc: Rpc, from: number, to: number): Promise<JournalBlock[] | null> {
    const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i)
    const raws = await rpc.all(numbers.map(headerCall))
    const blocks: JournalBlock[] = []
    let parent = this.#last.hash
    for (const raw of raws) {
      const block = parseHeader(raw)
      if (block?.parentHash !== parent) return null
      const { number, hash, timestamp } = block
      const { transactions: hashes, baseFeePerGas: baseFee } = raw as { transactions: Hex[]; baseFeePerGas: Hex }
      const calls = hashes.map((hash) => ({ method: 'eth_getRawTransactionByHash', params: [hash] }))
      const transactions = (await rpc.all(calls)) as Hex[]
      blocks.push({ number, hash, parent, timestamp, baseFee, transactions })
      parent = hash
    }
    return blocks
  }

  /** Beside the running chain, which is not disturbed. */
  async #compact(): Promise<void> {
    const generation = this.#generation
    try {
      const state = await compact(this.journal.blocks(), this.restoring)
      await this.inTurn(async () => {
        if (!state || generation !== this.#generation) return
        await writeCheckpoint(state, this.restoring.directory)
        await this.journal.forget(state.number)
      })
    } catch (error) {
      this.restoring.onProblem(error instanceof Error ? error.message : 'The journal cannot be compacted.')
    } finally {
      this.#compacting = undefined
    }
  }

  /** The chain has been reorganised, which only a person with anvil's own methods can do: it is kept as it is now. */
  async #rebase(rpc: Rpc): Promise<void> {
    this.#generation++
    await this.mining.pause()
    try {
      for (let attempt = 0; attempt < 5; attempt++) {
        const state = await dump(rpc)
        await writeCheckpoint(state, this.restoring.directory)
        await this.journal.forget()
        const { number, hash } = await header(rpc, state.number)
        this.#last = { number, hash }
        if (await checkpointIsSound(this.restoring)) return
      }
      throw new ConsentryError('unavailable', 'The embedded chain gives no sound state.')
    } finally {
      await this.mining.resume()
    }
  }
}
