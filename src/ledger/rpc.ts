import { ConsentryError } from '../errors.js'
import { HttpTransport, silent, SocketTransport, type Transport } from './transport.js'

/** The node understood the request and refused it, https://www.jsonrpc.org/specification#error_object. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  constructor(
    readonly method: string,
    readonly code: number,
    message: string,
    readonly data: unknown,
  ) {
    super(message)
  }
}

export interface RpcCall {
  readonly method: string
  readonly params?: readonly unknown[]
}

export interface RpcOptions {
  /** Milliseconds until a request counts as failed. Default 10,000. */
  readonly timeoutMs?: number
  /** HTTP connections kept to the node. Default 8. */
  readonly connections?: number
  /** Calls put into one JSON-RPC batch; geth refuses more than 1,000. Default 100. */
  readonly batchSize?: number
  /** Longest answer in bytes; a longer one is not read. Default 64 MiB. */
  readonly mostBytes?: number
}

const MOST_BYTES = 64 * 1024 * 1024

/**
 * JSON-RPC with explicit batches, over HTTP or one WebSocket. ethers' providers are not used for transport: they
 * batch by timer (ten times slower here), cache heads for 250 ms, and retry a dead node for ever in the background.
 * A failed transport is `unavailable`; a refusal by the node is an RpcError. Messages name the host only,
 * because hosted nodes carry their secret in the path.
 */
export class Rpc {
  readonly host: string
  readonly #transport: Transport
  readonly #batchSize: number
  #id = 0

  constructor(url: string, options: RpcOptions = {}) {
    const parsed = URL.parse(url)
    if (!parsed || !/^(https?|wss?):$/.test(parsed.protocol)) {
      throw new ConsentryError('internal', 'The Ethereum node must be given as an http(s):// or ws(s):// URL.')
    }
    this.host = parsed.host
    this.#batchSize = options.batchSize ?? 100
    const timeout = options.timeoutMs ?? 10_000
    const mostBytes = options.mostBytes ?? MOST_BYTES
    this.#transport = parsed.protocol.startsWith('ws')
      ? new SocketTransport(parsed, timeout, mostBytes)
      : new HttpTransport(parsed, timeout, options.connections ?? 8, mostBytes)
  }

  async send(method: string, params: readonly unknown[] = []): Promise<unknown> {
    const id = ++this.#id
    const answer = await this.#transport.post({ jsonrpc: '2.0', id, method, params })
    return unwrap(method, answer)
  }

  /** Answers in the order of the calls, an RpcError where the node refused; nodes may execute the calls of one batch in any order (anvil does). */
  async batch(calls: readonly RpcCall[]): Promise<unknown[]> {
    const results: unknown[] = []
    for (let start = 0; start < calls.length; start += this.#batchSize) {
      results.push(...(await this.#batchOnce(calls.slice(start, start + this.#batchSize))))
    }
    return results
  }

  /** Like batch, and the first refusal is thrown. */
  async all(calls: readonly RpcCall[]): Promise<unknown[]> {
    const results = await this.batch(calls)
    for (const result of results) if (result instanceof RpcError) throw result
    return results
  }

  async close(): Promise<void> {
    await this.#transport.close()
  }

  async #batchOnce(calls: readonly RpcCall[]): Promise<unknown[]> {
    const [only] = calls
    if (only && calls.length === 1) {
      return [
        await this.send(only.method, only.params).catch((error: unknown) => {
          if (error instanceof RpcError) return error
          throw error
        }),
      ]
    }
    const first = this.#id + 1
    this.#id += calls.length
    const answers = await this.#transport.post(
      calls.map((call, i) => ({ jsonrpc: '2.0', id: first + i, method: call.method, params: call.params ?? [] })),
    )
    if (!Array.isArray(answers)) {
      unwrap('batch', answers)
      throw silent(this.host, 'answered a batch with a single value')
    }
    const byId = new Map<unknown, unknown>(answers.map((answer: { id?: unknown }) => [answer?.id, answer]))
    return calls.map((call, i) => {
      const answer = byId.get(first + i)
      if (answer === undefined) throw silent(this.host, 'left calls of a batch unanswered')
      try {
        return unwrap(call.method, answer)
      } catch (error) {
        if (error instanceof RpcError) return error
        throw error
      }
    })
  }
}

function unwrap(method: string, answer: unknown): unknown {
  const { result, error } = (answer ?? {}) as {
    result?: unknown
    error?: { code?: number; message?: string; data?: unknown }
  }
  if (error) throw new RpcError(method, error.code ?? 0, error.message ?? 'unknown error', error.data)
  return result ?? null
}
