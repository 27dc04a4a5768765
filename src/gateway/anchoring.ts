import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import type { PartyId } from '../consent/permit.js'
import { encodeManifest } from '../exchange/manifest.js'
import type { ChainStep } from '../ledger/sink.js'
import type { Contracts } from '../ledger/contracts.js'
import type { Hex } from '../ledger/hex.js'
import { ContractRefusal } from '../ledger/refusal.js'
import type { TransactionSender } from '../ledger/sender.js'
import type { Anchors, Unanchored } from '../records/anchors.js'
import type { Sql } from '../records/database.js'
import { QUEUED } from '../records/write-statement.js'
import type { BlockStore } from '../vault/blocks/block-store.js'
import { merkleRoot } from '../vault/merkle.js'
import type { ChainShare } from './chain-sink.js'

/** Leaves of one batch: a row of the queue is half of it at most, so where more waits than fits a batch is fuller than that. */
const BATCH = 2 * QUEUED
/** Pause after which versions that wait are gathered into a batch. */
const GATHER_MS = 50
/**
 * From a batch that was not full to the next: each costs a transaction, and an AuditEvent and a Provenance for each patient in it, so while
 * much is written it is worth waiting for more.
 */
const PAUSE_MS = 500
const RETRY_MS = 2_000

/** Feed tags of versions, in their order: one for each label of the record, none for what is not shared. */
export type FeedTags = (versions: readonly Pick<Unanchored, 'patient' | 'labels'>[]) => Promise<Uint8Array[][]>

/**
 * Anchors committed versions on chain: gather a batch → manifest durable → batch durable → send → the follower's event
 * confirms. Each step can be repeated after a crash: a batch keeps its members, root and number, and the contract takes
 * a number once.
 */
export class Anchoring implements ChainShare {
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | null = null
  /** Something came while a run was under way, which may have looked before it came. */
  #again = false
  readonly #stopping = new AbortController()
  /** A poke may come from inside a database transaction, to which the run it causes does not belong. */
  readonly #outside = AsyncLocalStorage.snapshot()

  constructor(
    private readonly entity: PartyId,
    /** The key that signs our envelopes, 33 bytes. */
    private readonly authorKey: Uint8Array,
    private readonly anchors: Anchors,
    private readonly blocks: BlockStore,
    private readonly contracts: Contracts,
    private readonly sender: Pick<TransactionSender, 'send'>,
    private readonly feedTags: FeedTags,
    private readonly onProblem: (error: unknown) => void,
  ) {}

  start(): void {
    this.poke()
  }

  /** Something may be waiting. */
  poke(): void {
    // One run at a time: two would gather the same versions.
    if (this.#running !== null) this.#again = true
    else if (!this.#stopping.signal.aborted && this.#timer === undefined) this.#later(GATHER_MS)
  }

  /** Waits for no block: what was sent may be mined, and is sent again after the next start if it was not. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  async apply(tx: Sql, step: ChainStep): Promise<void> {
    const own = step.events.filter(({ name, args }) => name === 'RecordsAnchored' && args['entity'] === this.entity)
    if (own.length === 0) return
    await this.anchors.confirmed(
      tx,
      own.map((event) => ({
        root: event.args['root'] as Hex,
        transactionHash: event.transactionHash,
        blockNumber: event.block.number,
        blockHash: event.block.hash,
        logIndex: event.logIndex,
      })),
    )
  }

  async rollback(tx: Sql, block: number): Promise<void> {
    await this.anchors.rollback(tx, block)
    this.poke()
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#again = false
      this.#running = this.#outside(() => this.#run()).then((pause) => {
        this.#running = null
        const next = pause ?? (this.#again ? GATHER_MS : null)
        if (next !== null && !this.#stopping.signal.aborted) this.#later(next)
      })
    }, ms)
  }

  /** @returns milliseconds until the next run; null: everything that waited was sent */
  async #run(): Promise<number | null> {
    const { signal } = this.#stopping
    try {
      for (let gathered = BATCH; !signal.aborted;) {
        const began = Date.now()
        await this.#sendUnconfirmed(signal)
        if (gathered <= QUEUED) return Math.max(GATHER_MS, PAUSE_MS - (Date.now() - began))
        gathered = await this.#prepare()
        if (gathered === 0) return null
      }
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) this.onProblem(error)
    }
    return RETRY_MS
  }

  /** Gathers one batch. @returns its leaves, 0 where nothing waits */
  async #prepare(): Promise<number> {
    const waiting = await this.anchors.waiting(BATCH)
    const { leaves } = waiting
    if (leaves.length === 0) return 0
    const tags = await this.feedTags(leaves)
    const block = encodeManifest({
      entity: this.entity,
      authorKey: this.authorKey,
      entries: leaves.map(({ cid, leaf }, i) => ({
        tags: tags[i] ?? [],
        cid: cid as string,
        leaf: new Uint8Array(leaf),
      })),
    })
    await this.blocks.put([block])
    await this.anchors.prepare({
      ...waiting,
      root: hex(merkleRoot(leaves.map(({ leaf }) => leaf))),
      manifest: hex(createHash('sha256').update(block.bytes).digest()),
    })
    return leaves.length
  }

  /** One after the other, since their numbers are consecutive. */
  async #sendUnconfirmed(stopping: AbortSignal): Promise<void> {
    for (const { sequence, root, manifest, count } of await this.anchors.unconfirmed()) {
      const call = this.contracts.write('RecordAnchors', 'anchor', this.entity, sequence, root, manifest, count)
      try {
        const sent = await this.sender.send(call)
        await this.anchors.sent(root, sent.hash)
        await sent.wait(undefined, stopping)
      } catch (error) {
        // Anchored before a crash, or mined while we were not looking: the follower will show the event.
        if (error instanceof ContractRefusal && error.is('AlreadyAnchored')) continue
        throw error
      }
    }
  }
}

function hex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString('hex')}`
}
