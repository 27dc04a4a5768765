import { ConsentryError } from '../errors.js'

/** What the entries of one resource may cost, in tokens: everybody else waits for them. No example of R4 takes a twentieth of it. */
const MOST = 100_000
/** Characters that cost as much to hash as a token does besides. */
const CHARACTERS = 256
/** An order-preserving text takes as long as so many tokens. */
export const ORDERED = 8

/**
 * A composite has an entry for each way in which its parts go together, and a URL one for each place that it lies below: a few kilobytes
 * of resource may ask for millions of them. So each is paid for before it is made.
 */
export class IndexBudget {
  #left: number

  constructor(most = MOST) {
    this.#left = most
  }

  /** @throws ConsentryError `too-large` when the resource would cost more than one may */
  spend(tokens: number, characters = 0): void {
    this.#left -= tokens + Math.floor(characters / CHARACTERS)
    if (this.#left >= 0) return
    throw new ConsentryError(
      'too-large',
      'Search parameters find more in this resource than one record may be indexed by: it has too many codes, texts or references, or too many in one element.',
      { code: 'too-costly' },
    )
  }
}
