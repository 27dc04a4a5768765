import { create, type KuboRPCClient } from 'kubo-rpc-client'
import { ConsentryError } from '../../errors.js'

export interface KuboLimits {
  /** How long the node may look for a block at other nodes; milliseconds. */
  readonly searchTimeout: number
  /** How long it may be silent besides; milliseconds. */
  readonly answerTimeout: number
}

/** Requests at a time. */
const PARALLEL = 16

/** The RPC API of a Kubo node with time limits, and with one kind of error when it does not answer. */
export class KuboRpc {
  readonly client: KuboRPCClient

  constructor(
    url: string,
    readonly limits: KuboLimits,
  ) {
    this.client = create({ url })
  }

  /** @throws ConsentryError `unavailable` */
  async ask<T>(request: (client: KuboRPCClient, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { searchTimeout, answerTimeout } = this.limits
    try {
      return await request(this.client, AbortSignal.timeout(searchTimeout + answerTimeout))
    } catch (cause) {
      throw unavailable(cause)
    }
  }

  /** `null` when the node does not have the block and did not find it in time. */
  async find<T>(request: (client: KuboRPCClient, signal: AbortSignal) => Promise<T>): Promise<T | null> {
    return this.ask((client, signal) =>
      request(client, signal).catch((error: unknown) => {
        if (isMissing(error)) return null
        throw error
      }),
    )
  }

  /** An answer that may take as long as it likes, if only the node goes on sending. */
  async *streamed<T>(request: (client: KuboRPCClient, signal: AbortSignal) => AsyncIterable<T>): AsyncIterable<T> {
    const silence = new AbortController()
    const patience = () => setTimeout(() => silence.abort(), this.limits.answerTimeout)
    let timer = patience()
    try {
      for await (const item of request(this.client, silence.signal)) {
        clearTimeout(timer)
        yield item
        timer = patience()
      }
    } catch (cause) {
      throw unavailable(cause)
    } finally {
      clearTimeout(timer)
    }
  }
}

export async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const next = async (): Promise<void> => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(PARALLEL, queue.length) }, next))
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}

/** What Kubo 0.43 says of a block that it does not have: offline, and after looking for it. Our own limit is another thing. */
function isMissing(error: unknown): boolean {
  const ours = error instanceof DOMException || (error instanceof Error && error.name === 'AbortError')
  return !ours && /could not find|not found|context deadline exceeded|timed out/.test(messageOf(error))
}

export function unavailable(cause: unknown): ConsentryError {
  if (cause instanceof ConsentryError) return cause
  const text = 'The IPFS node does not answer as it should.'
  return new ConsentryError('unavailable', text, { cause, retryAfterSeconds: 10 })
}
