import type { Database } from './database.js'

/** The increment of the sequence: each number that it gives stands for so many keys. */
const BLOCK = 1000n

const NEXT = { name: 'row-keys', text: `SELECT nextval('resource_pk') AS first FROM generate_series(1, $1::int)` }

/**
 * Primary keys of new resources, taken by the thousand, so that one statement can write a resource with everything
 * that hangs on it. Keys that a process has not used when it ends stay unused.
 */
export class RowKeys {
  readonly #blocks: { next: bigint; end: bigint }[] = []
  #available = 0n

  constructor(private readonly database: Database) {}

  async take(count: number): Promise<bigint[]> {
    while (this.#available < BigInt(count)) {
      const blocks = Number((BigInt(count) - this.#available + BLOCK - 1n) / BLOCK)
      const { rows } = await this.database.run<{ first: bigint }>(NEXT, [blocks])
      for (const { first } of rows) this.#blocks.push({ next: first, end: first + BLOCK })
      this.#available += BigInt(rows.length) * BLOCK
    }
    const keys: bigint[] = []
    for (let block = this.#blocks[0]; keys.length < count && block; block = this.#blocks[0]) {
      while (keys.length < count && block.next < block.end) keys.push(block.next++)
      if (block.next === block.end) this.#blocks.shift()
    }
    this.#available -= BigInt(count)
    return keys
  }
}
