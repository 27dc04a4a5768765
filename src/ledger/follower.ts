import { setTimeout as sleep } from 'node:timers/promises'
import { ConsentryError } from '../errors.js'
import { AddressBloom } from './bloom.js'
import { blockRef, headerCall, parseHeader, type BlockRef, type BlockTag, type Header } from './chain.js'
import type { ChainEvent, DecodedEvent, RawLog } from './chain.js'
import { findFork } from './fork.js'
import { HeadSignal } from './heads.js'
import type { Hex } from './hex.js'
import { FollowerProgress, type FollowerHealth } from './progress.js'
import { ChainMoved, ParentMismatch, readLinked, readSparse, type LogRange, type RangeReader } from './range.js'
import { RpcError, type Rpc } from './rpc.js'
import type { ChainSink } from './sink.js'
import { silent } from './transport.js'

export interface FollowerOptions<E extends DecodedEvent = DecodedEvent> {
  readonly rpc: Rpc
  /** WebSocket of the same node, for `newHeads`; without it the node is polled. */
  readonly socketUrl?: string
  readonly addresses: readonly Hex[]
  readonly decode: (log: RawLog) => E | null
  readonly sink: ChainSink<E>
  /** First block that can hold an event: the deployment. */
  readonly startBlock: number
  /** The tag that `finalized` of a step stands for. */
  readonly grantTag: BlockTag
  /** Milliseconds between two looks at the head without a socket (default 500) and with a live one (2,000). */
  readonly pollMs?: number
  readonly heartbeatMs?: number
  /** Blocks per linked read (default 64) and per sparse read of final history (5,000). */
  readonly linkedBlocks?: number
  readonly sparseBlocks?: number
  /**
   * How long a node whose head lies below the cursor on the same chain is taken for a lagging one: the mirror is kept but
   * not confirmed. After that the chain is believed to have lost its blocks. Default 15,000 ms; 0 for a private chain.
   */
  readonly shorterChainMs?: number
  readonly onProblem?: (error: unknown) => void
}

const RETRY = { first: 100, last: 5_000 }

/**
 * Keeps a sink equal to what the chain says: one cursor, each block after its parent, rolled back to the fork point when
 * the chain changes, every event exactly once. README.md, "Life of a block".
 */
export class ChainFollower<E extends DecodedEvent = DecodedEvent> {
  readonly #options: FollowerOptions<E>
  readonly #reader: RangeReader
  readonly #progress = new FollowerProgress()
  #linked: number
  #sparse: number
  #signal: HeadSignal | undefined
  #loop: Promise<void> | undefined
  #wake: AbortController | undefined
  #poked = false
  #stopping = false
  /** `undefined`: ask the sink. Forgotten after each failure, because a failed step may have been committed. */
  #cursor: BlockRef | null | undefined
  /** `finalized` as the sink was last told. */
  #told: number | undefined
  #shorterSince: number | undefined
  /** Since the last progress. */
  #failures = 0

  constructor(options: FollowerOptions<E>) {
    this.#options = options
    this.#reader = { rpc: options.rpc, addresses: options.addresses, bloom: new AddressBloom(options.addresses) }
    this.#linked = options.linkedBlocks ?? 64
    this.#sparse = options.sparseBlocks ?? 5_000
  }

  /** When the node last confirmed that the mirror is at its head, in ms since the epoch; `null` before the first time. */
  get confirmedAt(): number | null {
    return this.#progress.confirmedAt
  }

  /** Seconds since the epoch of the last block applied; on chains with regular blocks its age is a limit too. */
  get headTimestamp(): number | null {
    return this.#progress.cursor?.timestamp ?? null
  }

  get health(): FollowerHealth {
    return this.#progress.health(this.#signal?.live ?? false)
  }

  /** Begins in the background; failures are retried for ever and shown in `health`. */
  start(): void {
    if (this.#loop) throw new ConsentryError('internal', 'The chain follower has been started already.')
    const { socketUrl } = this.#options
    if (socketUrl) this.#signal = new HeadSignal(socketUrl, () => this.poke())
    this.#loop = this.#run()
  }

  /** Looks at the chain now instead of at the next signal. */
  poke(): void {
    this.#poked = true
    this.#wake?.abort()
  }

  /** Resolves when block `number` or a later one has been applied; `unavailable` after the timeout or when stopped. */
  async reached(number: number, timeoutMs = 30_000): Promise<void> {
    const reached = this.#progress.reached(number, timeoutMs)
    this.poke()
    await reached
  }

  /** Finishes the step under way, then ends. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#signal?.close()
    this.#wake?.abort()
    await this.#loop
    this.#progress.stop()
  }

  async #run(): Promise<void> {
    const progress = this.#progress
    while (!this.#stopping) {
      this.#poked = false
      let pause = this.#signal?.live ? (this.#options.heartbeatMs ?? 2_000) : (this.#options.pollMs ?? 500)
      try {
        progress.problem = null
        await this.#round()
        progress.state = 'following'
        this.#failures = 0
      } catch (error) {
        this.#cursor = undefined
        pause = Math.min(RETRY.first * 2 ** this.#failures++, RETRY.last)
        if (error instanceof ChainMoved) pause -= RETRY.first
        else {
          progress.state = 'failing'
          progress.problem = error instanceof Error ? error.message : 'unknown'
          this.#options.onProblem?.(error)
        }
        // A signal must not turn a failing node or database into a busy loop.
        this.#poked = false
      }
      await this.#rest(pause)
    }
  }

  async #rest(pause: number): Promise<void> {
    if (this.#poked || this.#stopping || pause === 0) return
    this.#wake = new AbortController()
    await sleep(pause, undefined, { signal: this.#wake.signal, ref: false }).catch(() => undefined)
    this.#wake = undefined
  }

  /** Brings the sink to the head that the node has at the beginning of the round. */
  async #round(): Promise<void> {
    const { rpc, grantTag } = this.#options
    const askedAt = Date.now()
    const [rawHead, rawTag, rawFinal, syncing] = await rpc.batch([
      headerCall('latest'),
      headerCall(grantTag),
      headerCall('finalized'),
      { method: 'eth_syncing' },
    ])
    if (rawHead instanceof Error) throw rawHead
    const head = parseHeader(rawHead)
    if (!head) throw silent(rpc.host, 'names no latest block')
    this.#progress.nodeHead = head.number
    const tagged = grantTag === 'latest' ? null : numberOf(rawTag)
    if (!(await this.#advance(head, numberOf(rawFinal), tagged))) return
    this.#progress.finalized = tagged ?? head.number
    if (syncing === false) this.#progress.confirmedAt = askedAt
    else this.#progress.problem = 'The node is still synchronising.'
  }

  /** True when the sink is at `head` now. */
  async #advance(head: Header, final: number, tagged: number | null): Promise<boolean> {
    while (!this.#stopping) {
      const cursor = await this.#position(head)
      if (cursor === null) return false
      if (cursor.number >= head.number) {
        if (cursor.hash === head.hash) return await this.#confirm(cursor, tagged)
        if (cursor.number > head.number && (await this.#lagging(cursor, head))) return false
        await this.#rollback(cursor, Math.min(cursor.number, head.number))
      }
      try {
        await this.#apply(await this.#read(cursor, head, final), tagged)
      } catch (error) {
        if (!(error instanceof ParentMismatch)) throw error
        await this.#rollback(cursor, cursor.number)
      }
    }
    return false
  }

  /** The cursor, or the block before the contracts; `null` while the chain has not got there. */
  async #position(head: Header): Promise<BlockRef | null> {
    this.#cursor ??= await this.#options.sink.cursor()
    this.#progress.cursor = this.#cursor
    if (this.#cursor) return this.#cursor
    if (head.number < this.#options.startBlock) return null
    return await this.#ground()
  }

  /** The block before the first one that matters; read anew each time, since it may itself be reorganised. */
  async #ground(): Promise<BlockRef> {
    const { rpc, startBlock } = this.#options
    const call = headerCall(Math.max(startBlock - 1, 0))
    const found = parseHeader(await rpc.send(call.method, call.params))
    if (!found) throw silent(rpc.host, `ends before block ${startBlock}, which holds our contracts`)
    return blockRef(found)
  }

  /** A shorter head on the chain we know: a node that lags, or a chain that has lost blocks. */
  async #lagging(cursor: BlockRef, head: Header): Promise<boolean> {
    const known = await this.#options.sink.knownHash(head.number)
    if (known !== null && known !== head.hash) return false
    this.#shorterSince ??= Date.now()
    if (Date.now() - this.#shorterSince >= (this.#options.shorterChainMs ?? 15_000)) return false
    this.#progress.problem = `The node is at block ${head.number}, behind the mirror at ${cursor.number}.`
    return true
  }

  /** Always ends the round: what the round knew of the head is of a chain that is gone. */
  async #rollback(cursor: BlockRef, from: number): Promise<never> {
    const { rpc, sink } = this.#options
    const to = await findFork(rpc, sink, from, await this.#ground())
    if (to.hash !== cursor.hash) {
      await sink.rollback(to)
      this.#progress.rollbacks++
    }
    this.#shorterSince = undefined
    this.#told = undefined
    throw new ChainMoved(`The chain has changed above block ${to.number}.`)
  }

  async #read(cursor: BlockRef, head: Header, final: number): Promise<LogRange> {
    const from = cursor.number + 1
    const sparse = final - from >= this.#linked
    const size = sparse ? this.#sparse : this.#linked
    const to = Math.min(sparse ? final : head.number, head.number, from + size - 1)
    try {
      const range = await (sparse ? readSparse : readLinked)(this.#reader, cursor, from, to)
      this.#linked = Math.min(this.#linked * 2, this.#options.linkedBlocks ?? 64)
      this.#sparse = Math.min(this.#sparse * 2, this.#options.sparseBlocks ?? 5_000)
      return range
    } catch (error) {
      // Nodes limit the blocks or the results of eth_getLogs, each in its own words: ask for less.
      if (!(error instanceof RpcError) || to === from) throw error
      if (sparse) this.#sparse = Math.ceil((to - from + 1) / 2)
      else this.#linked = Math.ceil((to - from + 1) / 2)
      return await this.#read(cursor, head, final)
    }
  }

  async #apply(range: LogRange, tagged: number | null): Promise<void> {
    const blocks = new Map(range.blocks.map((block) => [block.number, blockRef(block)]))
    const events = range.logs.flatMap((log): ChainEvent<E>[] => {
      const decoded = this.#options.decode(log)
      const block = blocks.get(log.blockNumber)
      if (!decoded || !block) return []
      const { transactionHash, transactionIndex, logIndex } = log
      return [{ ...decoded, block, transactionHash, transactionIndex, logIndex }]
    })
    const ancestors = [...blocks.values()].filter((block) => block.number < range.head.number)
    await this.#tell({ events, head: range.head, finalized: tagged ?? range.head.number, ancestors })
  }

  /** At the head; tells the sink when only the finality has moved. */
  async #confirm(cursor: BlockRef, tagged: number | null): Promise<boolean> {
    const finalized = tagged ?? cursor.number
    if (this.#cursor && finalized !== this.#told) {
      await this.#tell({ events: [], head: cursor, finalized, ancestors: [] })
    }
    this.#shorterSince = undefined
    return true
  }

  async #tell(step: Parameters<ChainSink<E>['apply']>[0]): Promise<void> {
    await this.#options.sink.apply(step)
    this.#told = step.finalized
    this.#failures = 0
    this.#shorterSince = undefined
    this.#cursor = step.head
    this.#progress.cursor = step.head
  }
}

/** -1 when the node has no block at that tag: nothing is final yet, or it does not know the tag. */
function numberOf(raw: unknown): number {
  return raw instanceof RpcError ? -1 : (parseHeader(raw)?.number ?? -1)
}
