import type { GraphqlResource, GraphqlSource, ResourceRef } from './table.js'

/**
 * Gathers what is asked for while one level of the answer is resolved and fetches it in one call, each resource
 * once a request: a list with a thousand references costs one read, not a thousand.
 */
export class ReferenceLoader<Context> {
  readonly #asked = new Map<string, Promise<GraphqlResource | undefined>>()
  #waiting: {
    ref: ResourceRef
    resolve: (found: GraphqlResource | undefined) => void
    reject: (reason: unknown) => void
  }[] = []

  constructor(
    readonly source: GraphqlSource<Context>,
    readonly context: Context,
  ) {}

  load(ref: ResourceRef): Promise<GraphqlResource | undefined> {
    const key = `${ref.type}/${ref.id}`
    let promise = this.#asked.get(key)
    if (promise === undefined) {
      promise = new Promise((resolve, reject) => {
        this.#waiting.push({ ref, resolve, reject })
        // behind the promise jobs of this tick: by then every sibling has asked
        if (this.#waiting.length === 1) void Promise.resolve().then(() => process.nextTick(() => void this.#fetch()))
      })
      this.#asked.set(key, promise)
    }
    return promise
  }

  async #fetch(): Promise<void> {
    const batch = this.#waiting
    this.#waiting = []
    try {
      const found = await this.source.resolve(
        batch.map(({ ref }) => ref),
        this.context,
      )
      batch.forEach(({ resolve }, at) => resolve(found[at]))
    } catch (reason) {
      for (const { reject } of batch) reject(reason)
    }
  }
}
