import { createHash } from 'node:crypto'
import * as dagCbor from '@ipld/dag-cbor'
import type { PartyId } from '../consent/permit.js'
import type { ChainStep } from '../ledger/sink.js'
import type { Contracts } from '../ledger/contracts.js'
import type { Hex } from '../ledger/hex.js'
import { ContractRefusal } from '../ledger/refusal.js'
import type { TransactionSender } from '../ledger/sender.js'
import type { Anchors } from '../records/anchors.js'
import type { Sql } from '../records/database.js'
import type { BlockStore } from '../vault/blocks/block-store.js'
import { cidBytes, rawBlock } from '../vault/envelope.js'
import { merkleRoot } from '../vault/merkle.js'
import type { ChainShare } from './chain-sink.js'

/** Leaves of one batch. */
const BATCH = 1_000
/** Pause after which versions that wait are gathered into a batch. */
const GATHER_MS = 50
const RETRY_MS = 2_000

/** One line of a manifest: feed tags (one per label), CID of the envelope, leaf. */
export type ManifestEntry = readonly [tags: readonly Uint8Array[], cid: Uint8Array, leaf: Uint8Array]

/** The public list of a batch: who holds a policy key finds the records of its feed in it, and nobody else does. */
export interface Manifest {
  readonly v: 1
  readonly entity: Uint8Array
  readonly entries: readonly ManifestEntry[]
}

/** Feed tags of versions by CID; exchange knows how they are made. */
export type FeedTags = (versions: readonly { type: string; id: string; version: number }[]) => Promise<Uint8Array[][]>

/**
 * Anchors committed versions on chain: gather a batch → manifest durable → batch durable → send → the follower's event
 * confirms. Each step can be repeated after a crash: a batch keeps its members, root and number, and the contract takes
 * a number once.
 */
export class Anchoring implements ChainShare {
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | null = null
  #stopped = false

  constructor(
    private readonly entity: PartyId,
    private readonly anchors: Anchors,
    private readonly blocks: BlockStore,
    private readonly contracts: Contracts,
    private readonly sender: TransactionSender,
    private readonly feedTags: FeedTags,
    private readonly onProblem: (error: unknown) => void,
  ) {}

  start(): void {
    this.poke()
  }

  /** Something may be waiting. */
  poke(): void {
    if (this.#stopped || this.#timer !== undefined) return
    this.#later(GATHER_MS)
  }

  async stop(): Promise<void> {
    this.#stopped = true
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
      this.#running = this.#run().finally(() => (this.#running = null))
    }, ms)
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopped && (await this.#sendUnconfirmed())) {
        if (!(await this.#prepare())) return
      }
    } catch (error) {
      this.onProblem(error)
    }
    if (!this.#stopped && this.#timer === undefined) this.#later(RETRY_MS)
  }

  /** Gathers one batch. @returns whether there was anything to gather */
  async #prepare(): Promise<boolean> {
    const waiting = await this.anchors.waiting(BATCH)
    if (waiting.length === 0) return false
    const tags = await this.feedTags(waiting)
    const manifest: Manifest = {
      v: 1,
      entity: Buffer.from(this.entity.slice(2), 'hex'),
      entries: waiting.map(({ cid, leaf }, i): ManifestEntry => [
        tags[i] ?? [],
        cidBytes(cid as string),
        new Uint8Array(leaf),
      ]),
    }
    const block = rawBlock(dagCbor.encode(manifest))
    await this.blocks.put([block])
    await this.anchors.prepare({
      root: hex(merkleRoot(waiting.map(({ leaf }) => leaf))),
      manifest: hex(createHash('sha256').update(block.bytes).digest()),
      leaves: waiting.map(({ resourcePk, version }) => ({ resourcePk, version })),
    })
    return true
  }

  /** One after the other, since their numbers are consecutive. @returns false to try again later */
  async #sendUnconfirmed(): Promise<boolean> {
    for (const { sequence, root, manifest, count } of await this.anchors.unconfirmed()) {
      const call = this.contracts.write('RecordAnchors', 'anchor', this.entity, sequence, root, manifest, count)
      try {
        const sent = await this.sender.send(call)
        await this.anchors.sent(root, sent.hash)
        await sent.wait()
      } catch (error) {
        // Anchored before a crash, or mined while we were not looking: the follower will show the event.
        if (error instanceof ContractRefusal && error.is('AlreadyAnchored')) continue
        throw error
      }
    }
    return true
  }
}

function hex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString('hex')}`
}
