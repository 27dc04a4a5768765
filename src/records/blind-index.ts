import { createHmac } from 'node:crypto'
import { Cursors } from './cursor.js'
import { IndexNames } from './index-names.js'
import { IndexWriter } from './index-writer.js'
import { KeyedTokens } from './keyed-tokens.js'
import { Memory } from './memory.js'
import { OrderPreserving } from './order-preserving.js'
import { SealedTexts } from './sealed-texts.js'
import type { IndexValue } from './search-query.js'
import type { IndexEntries, Name, RowFacts } from './types.js'
import { uuidForm } from './uuid-form.js'
import { WellKnown, type WellKnownValues } from './well-known.js'

/** What a record is, who wrote it, what it refers to (`Type/id`), and when care was given. */
export interface FactValues {
  readonly instance: string
  readonly authors: readonly string[]
  readonly references: readonly string[]
  readonly care: { readonly lo: number; readonly hi: number } | null
}

/** Opened names that are remembered, twice as many at most: some 10 MB. */
const NAMES = 40_000

/**
 * Turns what search parameters find into what the database may hold, and what is asked into what is looked for. One key, from which
 * those of tokens, of order and of page links are derived.
 */
export class BlindIndex extends IndexNames {
  readonly #writer: IndexWriter
  readonly #ids: Uint8Array
  readonly #names = new Memory<Name>(NAMES)
  /** Seals page links. */
  readonly cursors: Cursors

  /**
   * @param key 32 random bytes; another key means another index
   * @param wellKnown those of all rows of this index, see `WellKnown`
   */
  constructor(key: Uint8Array, wellKnown: WellKnownValues = { strings: [], codes: [] }) {
    super(
      new KeyedTokens(derive(key, 'tokens')),
      new OrderPreserving(derive(key, 'order')),
      new WellKnown(wellKnown),
      new SealedTexts(derive(key, 'texts')),
    )
    this.#writer = new IndexWriter(this)
    this.cursors = new Cursors(derive(key, 'cursors'))
    this.#ids = derive(key, 'ids')
  }

  /** A logical id in the form of a UUID, the same for the same parts: nobody without the key knows it before it is told. */
  logicalId(...parts: readonly string[]): string {
    return uuidForm(createHmac('sha256', this.#ids).update(JSON.stringify(parts)).digest('hex'))
  }

  entries(type: string, values: Iterable<IndexValue>): IndexEntries {
    return this.#writer.entries(type, values)
  }

  /** What a token stands for, as `token_name` has it. Names never change, so each is opened once. @throws Error for what was not sealed about it */
  name(token: bigint, sealed: Uint8Array): Name {
    return this.#names.of([String(token)], () => {
      const [system, code] = JSON.parse(this.texts.open(token, sealed)) as [string | null, string]
      return { system, code }
    })
  }

  /** @param care milliseconds since the epoch */
  facts({ instance, authors, references, care }: FactValues): RowFacts {
    return {
      facets: [
        this.facet('instance', instance),
        ...authors.map((author) => this.facet('author', author)),
        ...references.map((reference) => this.facet('reference', reference)),
      ],
      care: care === null ? null : { lo: this.care(care.lo), hi: this.care(care.hi) },
    }
  }
}

/** One key, one use. */
function derive(key: Uint8Array, use: string): Uint8Array {
  return createHmac('sha256', key).update(`consentry blind index ${use}`).digest()
}
