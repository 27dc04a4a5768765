/** Milliseconds until a lost socket is opened again: doubles from the first to the last. */
const RECONNECT = { first: 100, last: 5_000 }

/**
 * Says that the node has a new head, and nothing more: what the head is, the caller asks over HTTP, so a
 * notification that is lost, doubled, late or about another fork costs time and never correctness.
 * `eth_subscribe` newHeads, https://geth.ethereum.org/docs/interacting-with-geth/rpc/pubsub.
 */
export class HeadSignal {
  #socket: WebSocket | undefined
  #timer: NodeJS.Timeout | undefined
  #delay = RECONNECT.first
  #closed = false
  #subscribed = false

  constructor(
    readonly url: string,
    readonly onHead: () => void,
  ) {
    this.#open()
  }

  /** True while the node has confirmed the subscription; when false, polling has to do. */
  get live(): boolean {
    return this.#subscribed
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#socket?.close()
  }

  #open(): void {
    const socket = new WebSocket(this.url)
    this.#socket = socket
    socket.addEventListener('open', () => {
      if (this.#closed) return socket.close()
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] }))
    })
    socket.addEventListener('message', (message: MessageEvent) => {
      if (this.#closed) return
      if (!this.#subscribed && isConfirmation(message.data)) {
        this.#subscribed = true
        this.#delay = RECONNECT.first
      }
      // The confirmation counts as a signal too: heads may have passed while the socket was down.
      this.onHead()
    })
    socket.addEventListener('error', () => socket.close())
    socket.addEventListener('close', () => this.#reopen(socket))
  }

  #reopen(socket: WebSocket): void {
    if (this.#closed || socket !== this.#socket) return
    this.#subscribed = false
    this.#socket = undefined
    this.#timer = setTimeout(() => this.#open(), this.#delay)
    this.#timer.unref()
    this.#delay = Math.min(this.#delay * 2, RECONNECT.last)
  }
}

function isConfirmation(data: unknown): boolean {
  if (typeof data !== 'string') return false
  try {
    const { id, result } = JSON.parse(data) as { id?: unknown; result?: unknown }
    return id === 1 && typeof result === 'string'
  } catch {
    return false
  }
}
