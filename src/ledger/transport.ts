import { Agent, type Dispatcher, Pool, WebSocket } from 'undici'
import { ConsentryError } from '../errors.js'

export interface RpcRequest {
  readonly jsonrpc: '2.0'
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}

/** Carries one JSON-RPC request or batch to the node and brings back the parsed answer. */
export interface Transport {
  post(body: RpcRequest | RpcRequest[]): Promise<unknown>
  close(): Promise<void>
}

/** What a caller is told to wait before it asks a silent node again, in seconds. */
const RETRY_AFTER = 2

/** The message names the node, for the operator; what a client is told does not: where our parts are is nobody's business. */
export function silent(host: string, what: string, cause?: unknown): ConsentryError {
  const diagnostics = 'The Ethereum node of this server does not answer as it should; try again later.'
  return new ConsentryError('unavailable', `The Ethereum node at ${host} ${what}.`, {
    issues: [{ severity: 'error', code: 'transient', diagnostics }],
    retryAfterSeconds: RETRY_AFTER,
    cause,
  })
}

/** True when the request certainly never reached the node, so that repeating it cannot double anything. */
export function neverSent(error: unknown): boolean {
  const cause = error instanceof ConsentryError ? (error.cause as { code?: string } | undefined) : undefined
  return ['ECONNREFUSED', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT', 'ERR_SOCKET_NOT_OPEN'].includes(cause?.code ?? '')
}

/** Connections are kept alive and reused; one request each at a time. */
export class HttpTransport implements Transport {
  readonly #pool: Pool
  readonly #headers: Record<string, string> = { 'content-type': 'application/json' }

  constructor(
    readonly url: URL,
    readonly timeoutMs: number,
    connections: number,
    readonly mostBytes: number,
  ) {
    if (url.username !== '') {
      const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
      this.#headers['authorization'] = `Basic ${Buffer.from(user).toString('base64')}`
    }
    this.#pool = new Pool(url.origin, { connections, pipelining: 1 })
  }

  async post(body: RpcRequest | RpcRequest[]): Promise<unknown> {
    let response: Dispatcher.ResponseData
    let text: string | null
    try {
      response = await this.#pool.request({
        method: 'POST',
        path: this.url.pathname + this.url.search,
        headers: this.#headers,
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(this.timeoutMs),
      })
      text = await boundedText(response.body, this.mostBytes)
    } catch (cause) {
      throw silent(this.url.host, 'does not answer', cause)
    }
    if (text === null) throw silent(this.url.host, `answered with more than ${this.mostBytes} bytes`)
    if (response.statusCode === 429 || response.statusCode >= 500) {
      throw silent(this.url.host, `answered HTTP ${response.statusCode}`)
    }
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw silent(this.url.host, `answered HTTP ${response.statusCode} without JSON`, cause)
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }
}

/** `null`, with the connection cut, as soon as it is longer. */
async function boundedText(body: AsyncIterable<Uint8Array>, limit: number): Promise<string | null> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of body) {
    length += part.length
    if (length > limit) return null
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

interface Waiting {
  resolve(answer: unknown): void
  reject(error: ConsentryError): void
}

/** One socket, opened at the first request and again after a loss; what was in flight then fails as `unavailable`. */
export class SocketTransport implements Transport {
  readonly #waiting = new Map<number, Waiting>()
  #socket: Promise<WebSocket> | undefined
  readonly #dispatcher: Agent

  /** @param mostBytes an answer that is longer costs the connection */
  constructor(
    readonly url: URL,
    readonly timeoutMs: number,
    mostBytes: number,
  ) {
    this.#dispatcher = new Agent({ webSocket: { maxPayloadSize: mostBytes } })
  }

  async post(body: RpcRequest | RpcRequest[]): Promise<unknown> {
    const key = Array.isArray(body) ? (body[0]?.id ?? 0) : body.id
    const socket = await (this.#socket ??= this.#open())
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#settle(key)?.reject(silent(this.url.host, 'does not answer')),
        this.timeoutMs,
      )
      const settled = (): void => clearTimeout(timer)
      this.#waiting.set(key, {
        resolve: (answer) => (settled(), resolve(answer)),
        reject: (error) => (settled(), reject(error)),
      })
      socket.send(JSON.stringify(body))
    })
  }

  async close(): Promise<void> {
    const socket = await this.#socket?.catch(() => undefined)
    socket?.close()
    await this.#dispatcher.destroy()
  }

  #open(): Promise<WebSocket> {
    const opening = new Promise<WebSocket>((resolve, reject) => {
      const socket = new WebSocket(this.url, { dispatcher: this.#dispatcher })
      const timer = setTimeout(() => socket.close(), this.timeoutMs)
      socket.addEventListener('open', () => (clearTimeout(timer), resolve(socket)))
      socket.addEventListener('message', (message: MessageEvent) => this.#receive(message.data))
      socket.addEventListener('error', () => socket.close())
      socket.addEventListener('close', () => {
        clearTimeout(timer)
        if (this.#socket === opening) this.#socket = undefined
        reject(silent(this.url.host, 'does not answer', { code: 'ERR_SOCKET_NOT_OPEN' }))
        for (const key of [...this.#waiting.keys()]) {
          this.#settle(key)?.reject(silent(this.url.host, 'closed the connection'))
        }
      })
    })
    return opening
  }

  #receive(data: unknown): void {
    let answer: unknown
    try {
      answer = JSON.parse(String(data))
    } catch {
      return
    }
    const ids = (Array.isArray(answer) ? answer : [answer]).map((entry: { id?: unknown } | null) => entry?.id)
    // A batch is known by its first id; nodes may answer its calls in any order.
    const key = ids.filter((id) => typeof id === 'number').reduce<number>((least, id) => Math.min(least, id), Infinity)
    this.#settle(key)?.resolve(answer)
  }

  #settle(key: number): Waiting | undefined {
    const waiting = this.#waiting.get(key)
    this.#waiting.delete(key)
    return waiting
  }
}
