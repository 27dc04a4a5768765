import { createHmac } from 'node:crypto'
import { Cursors } from './cursor.js'
import { IndexNames } from './index-names.js'
import { IndexWriter } from './index-writer.js'
import { KeyedTokens } from './keyed-tokens.js'
import { OrderPreserving } from './order-preserving.js'
import type { IndexValue } from './search-query.js'
import type { IndexEntries } from './types.js'
import { WellKnown, type WellKnownValues } from './well-known.js'

/**
 * Turns what search parameters find into what the database may hold, and what is asked into what is looked for. One key, from which
 * those of tokens, of order and of page links are derived.
 */
export class BlindIndex extends IndexNames {
  readonly #writer: IndexWriter
  /** Seals page links. */
  readonly cursors: Cursors

  /**
   * @param key 32 random bytes; another key means another index
   * @param wellKnown those of all rows of this index, see `WellKnown`
   */
  constructor(key: Uint8Array, wellKnown: WellKnownValues = { strings: [], codes: [] }) {
    super(new KeyedTokens(derive(key, 'tokens')), new OrderPreserving(derive(key, 'order')), new WellKnown(wellKnown))
    this.#writer = new IndexWriter(this)
    this.cursors = new Cursors(derive(key, 'cursors'))
  }

  entries(type: string, values: Iterable<IndexValue>): IndexEntries {
    return this.#writer.entries(type, values)
  }
}

/** One key, one use. */
function derive(key: Uint8Array, use: string): Uint8Array {
  return createHmac('sha256', key).update(`consentry blind index ${use}`).digest()
}
