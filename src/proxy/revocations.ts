import type { BlockRef } from '../ledger/chain.js'
import type { Hex } from '../ledger/hex.js'
import type { ChainSink, ChainStep } from '../ledger/sink.js'
import type { Ursula } from './ursula.js'

const READ_BIT = 1

/**
 * Deletes fragments when the ledger takes their consent away. It keeps no cursor: a proxy that was down reads the events
 * again from the beginning, and forgets only what was stored before each of them. Every request is checked on the chain besides.
 */
export class RevocationSink implements ChainSink {
  #cursor: BlockRef | null = null
  readonly #hashes = new Map<number, Hex>()

  constructor(private readonly ursula: Pick<Ursula, 'forget'>) {}

  async cursor(): Promise<BlockRef | null> {
    return this.#cursor
  }

  async apply({ events, head, ancestors }: ChainStep): Promise<void> {
    for (const { name, args, block } of events) {
      const patient = args['patient'] as Hex
      if (name === 'AllConsentsRevoked') this.ursula.forget(patient, undefined, undefined, block.number)
      if (name === 'ConsentRevoked' && (Number(args['actions']) & READ_BIT) !== 0) {
        this.ursula.forget(patient, args['grantee'] as Hex, args['label'] as Hex, block.number)
      }
    }
    for (const block of [...ancestors, head]) this.#hashes.set(block.number, block.hash)
    this.#cursor = head
  }

  async rollback(to: BlockRef): Promise<void> {
    for (const number of this.#hashes.keys()) if (number > to.number) this.#hashes.delete(number)
    this.#cursor = to
  }

  async knownHash(number: number): Promise<Hex | null> {
    return this.#hashes.get(number) ?? null
  }
}
