interface Waiting<W> {
  readonly work: W
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A call to a block store, as it waits for its turn. */
export type Work<P, D> = { readonly put: P; readonly bytes: number } | { readonly delete: D }

/** Bytes that one group makes durable; a single call may have more. */
const GROUP_BYTES = 32 * 1024 * 1024

/**
 * One writer. Calls that come while it works form the next group: successive calls of one kind, in the order in which they
 * came, so a put after a delete of the same block is never done before it. A group succeeds or fails as one.
 */
export class GroupCommit<P, D> {
  readonly #waiting: Waiting<Work<P, D>>[] = []
  #running: Promise<void> | null = null

  constructor(
    private readonly put: (group: P[]) => Promise<void>,
    private readonly remove: (group: D[]) => Promise<void>,
  ) {}

  /** Resolves when the group is done that the work became part of. */
  do(work: Work<P, D>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ work, resolve, reject })
      this.#running ??= this.#run().finally(() => (this.#running = null))
    })
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running
  }

  async #run(): Promise<void> {
    // Let everyone who is ready now take part in the same write.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#next()
      try {
        const puts = group.flatMap(({ work }) => ('put' in work ? [work.put] : []))
        const deletes = group.flatMap(({ work }) => ('delete' in work ? [work.delete] : []))
        await (puts.length > 0 ? this.put(puts) : this.remove(deletes))
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
  }

  #next(): Waiting<Work<P, D>>[] {
    const puts = 'put' in (this.#waiting[0] as Waiting<Work<P, D>>).work
    let [count, bytes] = [0, 0]
    for (const { work } of this.#waiting) {
      if ('put' in work !== puts || bytes > GROUP_BYTES) break
      if ('put' in work) bytes += work.bytes
      count++
    }
    return this.#waiting.splice(0, count)
  }
}
