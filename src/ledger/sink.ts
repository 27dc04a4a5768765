import type { BlockRef, ChainEvent, DecodedEvent } from './chain.js'
import type { Hex } from './hex.js'

/** One step of the follower: what blocks (previous cursor, head] say. */
export interface ChainStep<E extends DecodedEvent = DecodedEvent> {
  /** In the order of the chain. */
  readonly events: readonly ChainEvent<E>[]
  /** The cursor after this step. Equal to the cursor before it when only the finality has moved. */
  readonly head: BlockRef
  /** Highest block number at the configured grant tag; -1 while the node names none. May lie above `head`. */
  readonly finalized: number
  /** Further blocks of this step below `head`, ascending: keep their hashes, they are where a fork is looked for. */
  readonly ancestors: readonly BlockRef[]
}

/**
 * Where the follower keeps what it has seen; the caller gives it (a database, or memory in a proxy).
 * Every method is called by one follower, one call at a time.
 */
export interface ChainSink<E extends DecodedEvent = DecodedEvent> {
  /** The last block applied, `null` at the very beginning. */
  cursor(): Promise<BlockRef | null>
  /** One atomic step: events, cursor and hashes together or not at all. */
  apply(step: ChainStep<E>): Promise<void>
  /** Undoes every event of a block above `to`, and makes `to` the cursor; atomic. */
  rollback(to: BlockRef): Promise<void>
  /** The hash of a block that was applied and not rolled back, `null` if it is not kept (any more). */
  knownHash(number: number): Promise<Hex | null>
}
