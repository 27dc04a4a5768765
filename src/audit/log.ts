import type { PartyId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { ChainStep } from '../ledger/sink.js'
import type { Hex } from '../ledger/hex.js'
import type { LedgerReader } from '../ledger/reads.js'
import type { TransactionSender } from '../ledger/sender.js'
import { AuditLeaves } from '../records/audit-leaves.js'
import type { Database, Sql } from '../records/database.js'
import type { BlockStore } from '../vault/blocks/block-store.js'
import type { SealInline } from './audit-trail.js'
import { type LogHead, LogHeads } from './log-heads.js'
import { LogTree } from './log-tree.js'
import { Rounds } from './rounds.js'
import { segmentBlocks } from './segments.js'

export interface LogOptions {
  /** Milliseconds that a leaf waits for company before a head is published. */
  readonly publishAfterMs: number
  /** Leaves after which a head is published at once. */
  readonly publishAtLeaves: number
  /** Milliseconds between two looks for leaves that nobody announced: reads are audited without a word to us. */
  readonly lookEveryMs: number
}

export interface LogParts {
  readonly entity: PartyId
  readonly database: Database
  readonly blocks: BlockStore
  readonly reader: LedgerReader
  readonly sender: Pick<TransactionSender, 'send'>
  readonly seal: SealInline
  readonly onProblem: (error: unknown) => void
}

/** Leaves numbered in one transaction. */
const SEQUENCED = 1_000

/**
 * The verifiable log (DESIGN.md, section 9): numbers committed leaves, grows the tree, puts segments into the block store
 * and publishes heads. Each step is durable before the next and can be repeated: after a crash at any point the next run
 * goes on from the rows and from the head on chain.
 */
export class VerifiableLog {
  readonly leaves: AuditLeaves
  readonly heads: LogHeads
  readonly tree: LogTree
  readonly #rounds: Rounds
  #recovered = false
  /** When the oldest leaf that no head contains was numbered. */
  #waitingSince: number | null = null

  constructor(
    private readonly parts: LogParts,
    private readonly options: LogOptions,
  ) {
    this.leaves = new AuditLeaves(parts.database)
    this.heads = new LogHeads(parts.database)
    this.tree = new LogTree(parts.database, this.leaves)
    this.#rounds = new Rounds(async (stopping) => {
      await this.advance(false, stopping)
      return options.lookEveryMs
    }, parts.onProblem)
  }

  start(): void {
    this.poke()
  }

  /** Something was committed, or the chain has moved. */
  poke(): void {
    this.#rounds.poke()
  }

  stop(): Promise<void> {
    return this.#rounds.stop()
  }

  /** The follower's step: our heads were seen on chain. */
  async apply(tx: Sql, step: ChainStep): Promise<void> {
    const own = step.events.filter(
      ({ name, args }) => name === 'AuditHeadPublished' && args['entity'] === this.parts.entity,
    )
    await this.heads.confirmed(
      tx,
      own.map(({ args, transactionHash, block, logIndex }) => ({
        size: Number(args['size']),
        root: args['root'] as Hex,
        transactionHash,
        blockNumber: block.number,
        blockHash: block.hash,
        logIndex,
      })),
      Date.now(),
    )
  }

  async rollback(tx: Sql, block: number): Promise<void> {
    await this.heads.rollback(tx, block)
    this.poke()
  }

  /**
   * One round: number, grow, prepare a head if it is time, send what waits. The loop calls it; so do tests.
   *
   * @param stopping ends the wait for a block; what was sent may be mined, and the next start looks at the chain first
   */
  async advance(publishNow = false, stopping?: AbortSignal): Promise<void> {
    if (!this.#recovered) {
      await this.tree.recover()
      this.#recovered = true
    }
    while ((await this.leaves.sequence(SEQUENCED)).length === SEQUENCED) await this.tree.catchUp()
    await this.tree.catchUp()
    const last = (await this.heads.last())?.size ?? 0
    const prepare = this.tree.size > last && (publishNow || this.#isDue(this.tree.size - last))
    const waiting = await this.heads.unconfirmed()
    if (!prepare && waiting.length === 0) return
    const published = await this.#published()
    if (prepare) waiting.push(await this.#prepare(last))
    await this.#publish(published, waiting, stopping)
  }

  #isDue(leaves: number): boolean {
    this.#waitingSince ??= Date.now()
    const waited = Date.now() - this.#waitingSince
    return leaves >= this.options.publishAtLeaves || waited >= this.options.publishAfterMs
  }

  /** Segment first, then the row: a head that is known has its segment. */
  async #prepare(from: number): Promise<LogHead> {
    const size = this.tree.size
    const root = hex(this.tree.root())
    const { database, entity, seal, blocks } = this.parts
    const segments = await segmentBlocks(database, entity, seal, from, size)
    await blocks.put(segments)
    const head = { size, root, segments: segments.map(({ cid }) => cid) }
    await this.heads.prepare(head, Date.now())
    this.#waitingSince = null
    return { ...head, evidence: null }
  }

  /** Smallest first: each extends the one before, and the first extends what is on chain. */
  async #publish(published: number, heads: readonly LogHead[], stopping?: AbortSignal): Promise<void> {
    const { entity, reader, sender } = this.parts
    let from = published
    for (const { size, root } of heads) {
      // Mined before a crash or while we were not looking: the follower shows the event.
      if (size <= from) continue
      const proof = await this.tree.consistencyProof(from, size)
      const call = reader.contracts.write('AuditLog', 'publish', entity, BigInt(size), root, proof.map(hex))
      const sent = await sender.send(call)
      await this.heads.sent(size, sent.hash)
      await sent.wait(undefined, stopping)
      from = size
    }
  }

  /**
   * Size of the head on chain. The log behind it must be the one that we have: a database that was put back or altered says
   * so here, before anything is built upon it.
   */
  async #published(): Promise<number> {
    const { reader, entity } = this.parts
    const head = await reader.read('AuditLog', 'headOf', entity)
    const size = Number(head.size)
    if (size === 0) return 0
    if (size > this.tree.size) {
      const text = `The head on chain has ${size} audit records and this database has ${this.tree.size}: records are missing. Run fsck.`
      throw new ConsentryError('integrity', text)
    }
    if (hex(await this.tree.rootAt(size)) !== head.root) {
      const text = `The audit log differs from its head of ${size} records on chain: it was altered. Run fsck.`
      throw new ConsentryError('integrity', text)
    }
    return size
  }
}

function hex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString('hex')}`
}
