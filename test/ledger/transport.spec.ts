import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { ConsentryError } from '../../src/errors.js'
import { Rpc } from '../../src/ledger/rpc.js'

const MOST = 100_000
let server: Server | undefined
let rpc: Rpc | undefined
afterEach(async () => {
  await rpc?.close()
  server?.closeAllConnections()
  server?.close()
})

/** A node that answers with so many bytes, over HTTP and over a WebSocket. */
async function node(bytes: number): Promise<string> {
  const answer = (id: unknown) => JSON.stringify({ jsonrpc: '2.0', id, result: 'x'.repeat(bytes) })
  server = createServer((request, response) => {
    request.resume().once('end', () => response.end(answer(1)))
  })
  // RFC 6455: handshake, and one unmasked text frame with a length of 64 bits
  server.on('upgrade', (request, socket) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    const accept = createHash('sha1').update(key).digest('base64')
    const head = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
    socket.write(`${head.join('\r\n')}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
    socket.on('error', () => undefined)
    socket.once('data', () => {
      const payload = Buffer.from(answer(1))
      const frame = Buffer.alloc(10)
      frame.set([0x81, 127])
      frame.writeBigUInt64BE(BigInt(payload.length), 2)
      socket.write(Buffer.concat([frame, payload]))
    })
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

it.each(['http', 'ws'])('a node that is down over %s is named to the operator, and to no client', async (scheme) => {
  rpc = new Rpc(`${scheme}://127.0.0.1:9`, { timeoutMs: 5_000 })
  const refused = await rpc.send('eth_anything').catch((error: unknown) => error)
  expect(refused).toMatchObject({ kind: 'unavailable', message: expect.stringContaining('127.0.0.1:9') as string })
  expect(JSON.stringify((refused as ConsentryError).issues)).not.toContain('127.0.0.1')
})

describe.each(['http', 'ws'])('an answer of a node over %s', (scheme) => {
  const ask = async (bytes: number) => {
    rpc = new Rpc(`${scheme}://${await node(bytes)}`, { mostBytes: MOST, timeoutMs: 5_000 })
    return rpc.send('eth_anything')
  }

  it('is read up to the limit', async () => {
    expect(await ask(MOST - 100)).toHaveLength(MOST - 100)
  })

  it('is not read beyond it: the node counts as silent', async () => {
    await expect(ask(MOST * 20)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/answered with more than 100000 bytes|closed the connection/) as string,
    })
  })
})
