import { readFileSync } from 'node:fs'
import { open, rename, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hex } from '../ledger/hex.js'

/** All that anvil needs to make a block again, bit by bit: its time, its base fee and its signed transactions. */
export interface JournalBlock {
  readonly number: number
  readonly hash: Hex
  readonly parent: Hex
  /** Seconds since the epoch. */
  readonly timestamp: number
  /** Wei per gas, as a quantity. */
  readonly baseFee: Hex
  /** Signed transactions in their order. */
  readonly transactions: readonly Hex[]
}

/** Blocks made since the checkpoint, one JSON line each, on the disk when `append` resolves. */
export class Journal {
  #file: FileHandle
  #last: JournalBlock | null
  #length: number

  private constructor(
    readonly path: string,
    file: FileHandle,
    blocks: readonly JournalBlock[],
  ) {
    this.#file = file
    this.#last = blocks.at(-1) ?? null
    this.#length = blocks.length
  }

  static async open(directory: string): Promise<Journal> {
    const path = join(directory, 'journal.jsonl')
    const blocks = readJournal(path)
    // Written anew, so that no torn line remains for the next append to follow.
    return new Journal(path, await rewrite(path, blocks), blocks)
  }

  get last(): JournalBlock | null {
    return this.#last
  }

  get length(): number {
    return this.#length
  }

  /** The blocks as they are on the disk, ascending. */
  blocks(): JournalBlock[] {
    return readJournal(this.path)
  }

  async append(blocks: readonly JournalBlock[]): Promise<void> {
    if (blocks.length === 0) return
    await this.#file.appendFile(lines(blocks))
    await this.#file.datasync()
    this.#last = blocks.at(-1) ?? this.#last
    this.#length += blocks.length
  }

  /** Forgets the blocks up to `number`, which a checkpoint holds now; all of them when it is not given. */
  async forget(number = Infinity): Promise<void> {
    const kept = readJournal(this.path).filter((block) => block.number > number)
    await this.#file.close()
    this.#file = await rewrite(this.path, kept)
    this.#last = kept.at(-1) ?? null
    this.#length = kept.length
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** A torn last line, written while the machine died, was never acknowledged: it ends the journal. */
function readJournal(path: string): JournalBlock[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  const blocks: JournalBlock[] = []
  for (const line of text.split('\n').slice(0, -1)) {
    try {
      blocks.push(JSON.parse(line) as JournalBlock)
    } catch {
      break
    }
  }
  return blocks
}

async function rewrite(path: string, blocks: readonly JournalBlock[]): Promise<FileHandle> {
  await writeDurably(path, lines(blocks))
  return await open(path, 'a', 0o600)
}

function lines(blocks: readonly JournalBlock[]): string {
  return blocks.map((block) => `${JSON.stringify(block)}\n`).join('')
}

/** The file has its old or its new content, whatever happens, and the new one is on the disk when this resolves. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  const folder = await open(join(path, '..'), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
