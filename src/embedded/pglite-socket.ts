import { Duplex } from 'node:stream'

export interface PgliteSession {
  /** Resolves when the engine runs. */
  start(): Promise<void>
  /** Sends frontend messages to the one session and gives back what it answers. */
  exchange(message: Uint8Array): Promise<Uint8Array>
}

const simpleQuery = (text: string): Uint8Array => {
  const body = Buffer.from(`${text}\0`)
  const head = Buffer.from([0x51, 0, 0, 0, 0])
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** A new client finds the session as new: nothing half done, no prepared statement of the client before. */
const RESET = [simpleQuery('ROLLBACK'), simpleQuery('DISCARD ALL')]

/**
 * What `pg` takes for a socket to a server: it writes protocol messages and reads replies, here from the engine.
 * Startup messages are the only ones that do not begin with a letter.
 */
export class PgliteSocket extends Duplex {
  constructor(private readonly session: PgliteSession) {
    super()
  }

  /** Called by pg.Connection instead of net.Socket#connect. */
  connect(): this {
    this.session.start().then(
      () => this.emit('connect'),
      (error: Error) => this.destroy(error),
    )
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  override _read(): void {
    // replies are pushed when they come
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#send(chunk).then(() => done(), done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error) => void): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk))).then(() => done(), done)
  }

  /** A server closes its side too: without that `close` never comes, and a pool that ends waits for it. */
  override _final(done: () => void): void {
    this.push(null)
    done()
  }

  async #send(message: Buffer): Promise<void> {
    if (message[0] === 0) for (const reset of RESET) await this.session.exchange(reset)
    const reply = await this.session.exchange(message)
    if (reply.length > 0 && !this.destroyed) this.push(Buffer.from(reply.buffer, reply.byteOffset, reply.length))
  }
}
