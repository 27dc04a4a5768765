import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConsentryError } from '../errors.js'
import { header } from '../ledger/chain.js'
import { HeadSignal } from '../ledger/heads.js'
import { toQuantity, type Hex } from '../ledger/hex.js'
import { Rpc } from '../ledger/rpc.js'
import { Journal, writeDurably } from './anvil-journal.js'
import {
  anvilBinary,
  answers,
  endProcess,
  exitDump,
  isOurs,
  lastingPort,
  ownership,
  startAnvil,
  watchOrphan,
} from './anvil-process.js'
import { BlockRecorder, JOURNAL_BLOCKS } from './anvil-recorder.js'
import {
  CHAIN_BYTES,
  checkpointBlock,
  checkpointFile,
  dump,
  endScratches,
  replay,
  sound,
  stateOf,
  writeCheckpoint,
  type RestoreOptions,
} from './anvil-restore.js'

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

/** Milliseconds between two looks at the process and at blocks that no signal announced. */
const WATCH = 500

/**
 * An anvil of our own whose blocks last. What is guaranteed, and by what: src/ledger/README.md, "The embedded chain".
 */
export class EmbeddedChain {
  readonly #options: EmbeddedChainOptions
  readonly #journal: Journal
  readonly #recorder: BlockRecorder
  #settings: Settings
  #rpc: Rpc
  #signal: HeadSignal | undefined
  #watch: NodeJS.Timeout | undefined
  #stopping = false
  /** True when the start found the anvil of the process before it alive. */
  readonly attached: boolean

  private constructor(options: EmbeddedChainOptions, journal: Journal, settings: Settings, attached: boolean) {
    this.#options = options
    this.#journal = journal
    this.#settings = settings
    this.#rpc = new Rpc(this.url, { mostBytes: CHAIN_BYTES })
    this.attached = attached
    const mining = { pause: () => this.#pause(), resume: () => this.#mine() }
    this.#recorder = new BlockRecorder(journal, this.#restoring, mining)
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
    await endScratches(options.directory)
    const journal = await Journal.open(options.directory)
    const attached = known !== null && (await attach(known, options.directory))
    const settings = { chainId, port: known?.port ?? options.port ?? 0, pid: known?.pid ?? 0 }
    const chain = new EmbeddedChain(options, journal, settings, attached)
    try {
      if (!attached) await chain.#launch()
      await chain.#own()
    } catch (error) {
      await chain.detach()
      if (!attached && isOurs(chain.pid, options.directory)) await endProcess(chain.pid, 'SIGTERM')
      throw error
    }
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
    await this.#recorder.kept(blockNumber)
  }

  /** Records the last blocks, then ends anvil, which writes its state. */
  async stop(): Promise<void> {
    await this.#letGo(async () => {
      await this.#recorder.record().catch(() => undefined)
    })
    if (isOurs(this.pid, this.#options.directory)) await endProcess(this.pid, 'SIGTERM')
    await this.#save({ ...this.#settings, pid: 0 })
  }

  /** Lets go without recording or ending anything: anvil lives on, as when the gateway is killed, and the next start attaches. */
  async detach(): Promise<void> {
    await this.#letGo(async () => undefined)
  }

  async #letGo(last: () => Promise<void>): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#watch)
    this.#signal?.close()
    await last()
    await this.#recorder.close()
    await this.#rpc.close()
    await this.#journal.close()
  }

  /** Starts anvil with all that was acknowledged: what it wrote itself when it was asked to end, or checkpoint and journal. */
  async #launch(): Promise<void> {
    const { directory } = this.#options
    const port = await lastingPort(this.#settings.port)
    if (this.#settings.port !== 0 && port !== this.#settings.port) {
      this.#problem(`Port ${this.#settings.port} of the embedded chain is taken; it is at ${port} now.`)
    }
    if (await this.#adopt(port)) return
    const checkpoint = checkpointFile(directory)
    if (!existsSync(checkpoint)) return await this.#run(port)
    const blocks = this.#journal.blocks()
    const [first] = blocks
    await this.#run(port, checkpoint, first ? first.timestamp - 1 : undefined)
    if (!first) return
    await replay(this.#rpc, blocks, (problem) => this.#problem(problem))
    // Nothing is mined yet, so the state can be taken as it is; otherwise a gateway that never lives long never compacts.
    if (blocks.length >= JOURNAL_BLOCKS) {
      await writeCheckpoint(await dump(this.#rpc), directory)
      await this.#journal.forget()
    }
    await this.#rpc.send('evm_setTime', [toQuantity(Math.floor(Date.now() / 1000))])
  }

  /** Begins with the dump of an orderly end, if there is one, it is whole, and it holds everything that we know. */
  async #adopt(port: number): Promise<boolean> {
    const { directory } = this.#options
    const left = exitDump(directory)
    const number = stateOf(left)
    const { last } = this.#journal
    if (number !== null && number >= (last?.number ?? 0)) {
      await this.#run(port, left)
      const agrees = last === null || (await header(this.#rpc, last.number)).hash === last.hash
      if (agrees && (await sound(this.#rpc))) {
        await rename(left, checkpointFile(directory))
        await this.#journal.forget()
        return true
      }
      await endProcess(this.pid, 'SIGKILL')
    }
    await rm(left, { force: true })
    return false
  }

  async #run(port: number, state?: string, timestamp?: number): Promise<void> {
    const { binary, directory, chainId } = this.#restoring
    const begin = { ...(state === undefined ? {} : { state }), ...(timestamp === undefined ? {} : { timestamp }) }
    const pid = await startAnvil({ binary, directory, port, chainId, ...begin })
    watchOrphan(pid, join(directory, 'owner'), this.#options.orphanSeconds ?? 600)
    await this.#save({ chainId, port, pid })
    await this.#rpc.close()
    this.#rpc = new Rpc(this.url, { mostBytes: CHAIN_BYTES })
  }

  /** The anvil at the port is up and holds all we know: from here on it is ours to watch. */
  async #own(): Promise<void> {
    const { directory } = this.#options
    await writeFile(join(directory, 'owner'), ownership(this.pid))
    // The very first start: nothing has been mined yet.
    if (!existsSync(checkpointFile(directory))) await writeCheckpoint(await dump(this.#rpc), directory)
    const last = this.#journal.last ?? (await header(this.#rpc, await checkpointBlock(directory)))
    await this.#recorder.begin(this.#rpc, last)
    await this.#mine()
    this.#signal?.close()
    this.#signal = new HeadSignal(this.socketUrl, () => void this.#recorder.record().catch(() => undefined))
  }

  async #pause(): Promise<void> {
    await this.#rpc.send('evm_setAutomine', [false])
    await this.#rpc.send('evm_setIntervalMining', [0])
  }

  /** Lets anvil make blocks, and one at once for whatever came while it did not. */
  async #mine(): Promise<void> {
    const { blockTime } = this.#options
    if (blockTime !== undefined) return void (await this.#rpc.send('evm_setIntervalMining', [blockTime]))
    await this.#rpc.send('evm_setAutomine', [true])
    const { pending } = (await this.#rpc.send('txpool_status')) as { pending: Hex }
    if (Number(pending) > 0) await this.#rpc.send('evm_mine')
  }

  #watchLater(): void {
    if (this.#stopping) return
    this.#watch = setTimeout(() => void this.#look(), WATCH)
    this.#watch.unref()
  }

  async #look(): Promise<void> {
    try {
      if (isOurs(this.pid, this.#options.directory)) await this.#recorder.record()
      else await this.#restart()
    } catch (error) {
      this.#problem(error instanceof Error ? error.message : 'The embedded chain fails.')
    }
    this.#watchLater()
  }

  async #restart(): Promise<void> {
    if (this.#stopping) return
    this.#problem('The embedded chain has died and is started again from what was kept.')
    await this.#recorder.inTurn(async () => {
      await this.#launch()
      await this.#own()
    })
  }

  get #restoring(): RestoreOptions {
    const { directory, binary = anvilBinary() } = this.#options
    return { binary, directory, chainId: this.chainId, onProblem: (problem) => this.#problem(problem) }
  }

  async #save(settings: Settings): Promise<void> {
    this.#settings = settings
    await writeDurably(join(this.#options.directory, 'chain.json'), JSON.stringify(settings))
  }

  #problem(problem: string): void {
    this.#options.onProblem?.(problem)
  }
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
