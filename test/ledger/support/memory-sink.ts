import type { BlockRef, ChainEvent, DecodedEvent } from '../../../src/ledger/chain.js'
import type { Hex } from '../../../src/ledger/hex.js'
import type { ChainSink, ChainStep } from '../../../src/ledger/sink.js'

/** A sink in memory that is as strict as a database with constraints: it refuses what a follower must never do. */
export class MemorySink<E extends DecodedEvent = DecodedEvent> implements ChainSink<E> {
  events: ChainEvent<E>[] = []
  readonly steps: ChainStep<E>[] = []
  finalized = -2
  rollbacks = 0
  #cursor: BlockRef | null = null
  #hashes = new Map<number, Hex>()
  /** Called before and after the commit of a step; throws to play a database that fails at just that moment. */
  fault: (when: 'before' | 'after') => void = () => undefined

  async cursor(): Promise<BlockRef | null> {
    return this.#cursor
  }

  async apply(step: ChainStep<E>): Promise<void> {
    this.fault('before')
    const above = this.#cursor?.number ?? -1
    if (step.head.number < above) throw new Error(`the head went back from ${above} to ${step.head.number}`)
    if (step.head.number === above && step.events.length > 0) throw new Error('events without a new block')
    for (const event of step.events) {
      if (event.block.number <= above || event.block.number > step.head.number)
        throw new Error('event outside of its step')
      const last = this.events.at(-1)
      const later =
        !last ||
        event.block.number > last.block.number ||
        (event.block.number === last.block.number && event.logIndex > last.logIndex)
      if (!later) throw new Error('event out of order, or twice')
      this.events.push(event)
    }
    for (const block of [...step.ancestors, step.head]) this.#hashes.set(block.number, block.hash)
    this.#cursor = step.head
    this.finalized = step.finalized
    this.steps.push(step)
    this.fault('after')
  }

  async rollback(to: BlockRef): Promise<void> {
    this.fault('before')
    this.rollbacks++
    this.events = this.events.filter((event) => event.block.number <= to.number)
    for (const number of this.#hashes.keys()) if (number > to.number) this.#hashes.delete(number)
    this.#hashes.set(to.number, to.hash)
    this.#cursor = to
    this.fault('after')
  }

  async knownHash(number: number): Promise<Hex | null> {
    return this.#hashes.get(number) ?? null
  }
}
