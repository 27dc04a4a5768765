import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConsentryError } from '../errors.js'
import { header, headerCall, parseHeader } from '../ledger/chain.js'
import { HeadSignal } from '../ledger/heads.js'
import type { Hex } from '../ledger/hex.js'
import { Rpc } from '../ledger/rpc.js'
import { Journal, writeDurably, type JournalBlock } from './anvil-journal.js'
import { anvilBinary, answers, endProcess, freePort, isOurs, startAnvil, watchOrphan } from './anvil-process.js'
import { checkpointFile, restore, writeCheckpoint } from './anvil-restore.js'

/**
 * The first account of anvil's public mnemonic, with 10,000 ether: whoever reaches the loopback port may use it, as they
 * may use anvil's own methods. It pays for gas and has no rights on the ledger.
 */
export const FAUCET_KEY: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

export interface EmbeddedChainOptions {
  /** Of this chain alone; made if absent. One process at a time (the data directory's lock). */
  readonly directory: string
  readonly binary?: string
  /** Default 31337, and for ever what it was at the first start. */
  readonly chainId?: number
  /** The port of the first start; later ones keep it. Default: any free one. */
  readonly port?: number
  /** Seconds between blocks; without it each transaction makes a block at once. */
  readonly blockTime?: number
  /** Seconds after which an anvil that no gateway owns ends itself. Default 600. */
  readonly orphanSeconds?: number
  readonly onProblem?: (problem: string) => void
}

/** `chain.json`: what the next start must know. */
interface Settings {
  readonly chainId: number
  readonly port: number
  readonly pid: number
}

const CHECKPOINT_BLOCKS = 300
/** Milliseconds between two looks at the process and at blocks that no signal announced. */
const WATCH = 500
const FETCH = 64

/**
 * An anvil of our own whose blocks last. What is guaranteed, and by what, stands in README.md, "The embedded chain".
 */
export class EmbeddedChain {
  readonly #options: EmbeddedChainOptions
  readonly #journal: Journal
  #settings: Settings
  #rpc: Rpc
  #signal: HeadSignal | undefined
  #work: Promise<unknown> = Promise.resolve()
  #queued: Promise<void> | undefined
  #watch: NodeJS.Timeout | undefined
  #checkpoint = 0
  #last: { number: number; hash: Hex } = { number: 0, hash: '0x' }
  #stopping = false
  /** True when a start found the anvil of the process before it alive. */
  readonly attached: boolean

  private constructor(options: EmbeddedChainOptions, journal: Journal, settings: Settings, attached: boolean) {
    this.#options = options
    this.#journal = journal
    this.#settings = settings
    this.#rpc = new Rpc(this.url)
    this.attached = attached
  }

  /** Attaches to the anvil that a killed gateway left behind, or starts one with everything that was acknowledged. */
  static async start(options: EmbeddedChainOptions): Promise<EmbeddedChain> {
    await mkdir(options.directory, { recursive: true, mode: 0o700 })
    const known = readSettings(options.directory)
    const chainId = known?.chainId ?? options.chainId ?? 31_337
    if (options.chainId !== undefined && options.chainId !== chainId) {
      const text = `The embedded chain of this data directory has id ${chainId}, not ${options.chainId}.`
      throw new ConsentryError('internal', text)
    }
    const journal = await Journal.open(options.directory)
    const attached = known !== null && (await attach(known, options.directory))
    const settings = { chainId, port: known?.port ?? options.port ?? 0, pid: known?.pid ?? 0 }
    const chain = new EmbeddedChain(options, journal, settings, attached)
    if (!attached) await chain.#launch()
    await chain.#own()
    chain.#watchLater()
    return chain
  }

  /** JSON-RPC over HTTP, and over WebSocket at `socketUrl`: the same port, which every later start keeps if it is free. */
  get url(): string {
    return `http://127.0.0.1:${this.#settings.port}`
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${this.#settings.port}`
  }

  get chainId(): number {
    return this.#settings.chainId
  }

  get pid(): number {
    return this.#settings.pid
  }

  /** Resolves when the block is on the disk, and so survives the death of everything; `unavailable` if the chain lost it. */
  async kept(blockNumber: number): Promise<void> {
    if (this.#last.number < blockNumber) await this.#record()
    // The work under way may have looked before the block was made.
    if (this.#last.number < blockNumber) await this.#record()
    if (this.#last.number < blockNumber) {
      throw new ConsentryError('unavailable', `The embedded chain has no block ${blockNumber}.`, {
        retryAfterSeconds: 1,
      })
    }
  }

  /** Records the last blocks, then ends anvil, which writes its state. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#watch)
    this.#signal?.close()
    await this.#record().catch(() => undefined)
    await this.#work
    if (isOurs(this.pid, this.#options.directory)) await endProcess(this.pid, 'SIGTERM')
    await this.#save({ ...this.#settings, pid: 0 })
    await this.#rpc.close()
    await this.#journal.close()
  }

  /** Lets go at once, as a killed gateway does: nothing more is recorded, and anvil lives on. For tests of just that. */
  abandon(): void {
    this.#stopping = true
    clearTimeout(this.#watch)
    this.#signal?.close()
  }

  async #launch(): Promise<void> {
    const { directory } = this.#options
    const binary = this.#options.binary ?? anvilBinary()
    const { chainId } = this.#settings
    await restore(this.#journal, { binary, directory, chainId, onProblem: (problem) => this.#problem(problem) })
    const port = await freePort(this.#settings.port)
    if (this.#settings.port !== 0 && port !== this.#settings.port) {
      this.#problem(`Port ${this.#settings.port} of the embedded chain is taken; it is at ${port} now.`)
    }
    const state = checkpointFile(directory)
    const pid = await startAnvil({ binary, directory, port, chainId, ...(existsSync(state) ? { state } : {}) })
    await this.#save({ chainId, port, pid })
    await this.#rpc.close()
    this.#rpc = new Rpc(this.url)
    if (!existsSync(state)) await writeCheckpoint(this.#rpc, directory)
  }

  /** The anvil at the port is up and holds all we know: from here on it is ours to watch. */
  async #own(): Promise<void> {
    const { directory, blockTime, orphanSeconds = 600 } = this.#options
    const owner = join(directory, 'owner')
    await writeFile(owner, String(process.pid))
    watchOrphan(this.pid, owner, orphanSeconds)
    const head = this.#journal.last ?? (await header(this.#rpc, 'latest'))
    this.#last = { number: head.number, hash: head.hash }
    this.#checkpoint = head.number
    // A journal without blocks says nothing of what an orphan has made since: the checkpoint does not hold it.
    if (this.attached && this.#journal.last === null) await this.#rebase()
    await this.#recordNow()
    await this.#rpc.send(...(blockTime === undefined ? automine() : intervalMining(blockTime)))
    this.#signal?.close()
    this.#signal = new HeadSignal(this.socketUrl, () => void this.#record().catch(() => undefined))
  }

  #watchLater(): void {
    if (this.#stopping) return
    this.#watch = setTimeout(() => void this.#look(), WATCH)
    this.#watch.unref()
  }

  async #look(): Promise<void> {
    try {
      if (isOurs(this.pid, this.#options.directory)) await this.#record()
      else await this.#restart()
    } catch (error) {
      this.#problem(error instanceof Error ? error.message : 'The embedded chain fails.')
    }
    this.#watchLater()
  }

  async #restart(): Promise<void> {
    if (this.#stopping) return
    this.#problem('The embedded chain has died and is started again from what was kept.')
    await this.#inTurn(async () => {
      await this.#launch()
      await this.#own()
    })
  }

  /** Brings the journal to the head; calls that come while it waits for its turn are served by the same look. */
  #record(): Promise<void> {
    return (this.#queued ??= this.#inTurn(async () => {
      this.#queued = undefined
      await this.#recordNow()
    }))
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const run = this.#work.then(step)
    this.#work = run.catch(() => undefined)
    return run
  }

  async #recordNow(): Promise<void> {
    const { number: head } = await header(this.#rpc, 'latest')
    if (head < this.#last.number) await this.#rebase()
    while (this.#last.number < head) {
      const blocks = await this.#blocks(this.#last.number + 1, Math.min(head, this.#last.number + FETCH))
      if (!blocks) {
        await this.#rebase()
        break
      }
      await this.#journal.append(blocks)
      this.#last = blocks.at(-1) ?? this.#last
    }
    if (this.#journal.length >= Math.max(CHECKPOINT_BLOCKS, this.#checkpoint / 10)) await this.#rebase()
  }

  /** `null` when they do not continue the last block recorded: somebody has reorganised the chain. */
  async #blocks(from: number, to: number): Promise<JournalBlock[] | null> {
    const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i)
    const raws = await this.#rpc.all(numbers.map(headerCall))
    const blocks: JournalBlock[] = []
    let parent = this.#last.hash
    for (const raw of raws) {
      const block = parseHeader(raw)
      if (block?.parentHash !== parent) return null
      const { transactions: hashes, baseFeePerGas: baseFee } = raw as { transactions: Hex[]; baseFeePerGas: Hex }
      const calls = hashes.map((hash) => ({ method: 'eth_getRawTransactionByHash', params: [hash] }))
      const transactions = (await this.#rpc.all(calls)) as Hex[]
      blocks.push({ number: block.number, hash: block.hash, timestamp: block.timestamp, baseFee, transactions })
      parent = block.hash
    }
    return blocks
  }

  /** A checkpoint of all there is; the journal begins anew above it. */
  async #rebase(): Promise<void> {
    this.#checkpoint = await writeCheckpoint(this.#rpc, this.#options.directory)
    await this.#journal.forget()
    const { number, hash } = await header(this.#rpc, this.#checkpoint)
    this.#last = { number, hash }
  }

  async #save(settings: Settings): Promise<void> {
    this.#settings = settings
    await writeDurably(join(this.#options.directory, 'chain.json'), JSON.stringify(settings))
  }

  #problem(problem: string): void {
    this.#options.onProblem?.(problem)
  }
}

function automine(): [string, unknown[]] {
  return ['evm_setAutomine', [true]]
}

function intervalMining(seconds: number): [string, unknown[]] {
  return ['evm_setIntervalMining', [seconds]]
}

/** The anvil of an earlier process, if it answers; one that hangs is ended. */
async function attach(known: Settings, directory: string): Promise<boolean> {
  if (!isOurs(known.pid, directory)) return false
  const rpc = new Rpc(`http://127.0.0.1:${known.port}`, { timeoutMs: 2_000, connections: 1 })
  try {
    for (let attempt = 0; attempt < 3; attempt++) {
      if (await answers(rpc, known.chainId)) return true
      await sleep(100)
    }
  } finally {
    await rpc.close()
  }
  await endProcess(known.pid, 'SIGKILL')
  return false
}

function readSettings(directory: string): Settings | null {
  try {
    return JSON.parse(readFileSync(join(directory, 'chain.json'), 'utf8')) as Settings
  } catch {
    return null
  }
}
