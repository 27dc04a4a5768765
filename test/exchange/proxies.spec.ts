import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { Wallet } from 'ethers'
import { afterEach, expect, it } from 'vitest'
import { type ProxyAddress, requestReencryption } from '../../src/exchange/proxies.js'
import { digestOf } from '../../src/proxy/protocol.js'
import { ReceiptChain } from '../../src/proxy/receipt-chain.js'
import { ProxyStore } from '../../src/proxy/store.js'
import { SecretKey } from '../../src/vault/pre/index.js'

const ID = `0x${'11'.repeat(32)}` as const
const operator = new Wallet(`0x${'22'.repeat(32)}`)
const items = [{ patient: ID, label: ID, epoch: 0, capsules: ['AAAA'] }]
let server: Server

async function answering(
  respond: (asked: IncomingMessage, response: ServerResponse) => unknown,
): Promise<ProxyAddress> {
  server = createServer(respond as never)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { id: ID, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const key = SecretKey.random()
const asking = { grantee: ID, purpose: 1, categories: '1', event: 'told', items }
const ask = (proxy: ProxyAddress) => requestReencryption(proxy, key.publicKey.toBytes(), asking, operator)

afterEach(() => {
  server.close()
  server.closeAllConnections()
})

it('takes an answer of the protocol’s form, with its receipt', async () => {
  const chain = new ReceiptChain(ID, key, new ProxyStore(':memory:'), () => Math.floor(Date.now() / 1000))
  const proxy = await answering(async (asked, response) => {
    const { request } = JSON.parse(await text(asked)) as { request: string }
    const receipts = chain.add([
      {
        kind: 'denied',
        patient: ID,
        grantee: ID,
        label: ID,
        request: digestOf(request),
        event: 'told',
        capsules: [digestOf(Buffer.from('AAAA', 'base64'))],
      },
    ])
    response.end(JSON.stringify({ results: [{ denied: 'no consent' }], receipts }))
  })
  const { results, receipts } = await ask(proxy)
  expect(results).toEqual([{ denied: 'no consent' }])
  expect(receipts.map(({ receipt }) => receipt.kind)).toEqual(['denied'])
})

it('cuts off a proxy that answers without end', async () => {
  let sent = 0
  const proxy = await answering((_, response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, 'x'))) sent += 65_536
    }
    response.on('drain', more)
    more()
  })
  await expect(ask(proxy)).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/too much/) })
  expect(sent).toBeLessThan(64 * 1024 * 1024)
})

it('does not unpack a bomb', async () => {
  const bomb = gzipSync(Buffer.alloc(128 * 1024 * 1024, 'x'))
  const proxy = await answering((_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
  })
  const before = process.memoryUsage().arrayBuffers
  await expect(ask(proxy)).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/too much/) })
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
})

it.each(['<html>', 'null', '{"results":7}', '{"results":[]}', '{"results":[7]}', '{"results":[{}]}'])(
  'takes the answer %s for a failure of the proxy, not for one of its own',
  async (text) => {
    const proxy = await answering((_, response) => response.end(text))
    await expect(ask(proxy)).rejects.toMatchObject({ kind: 'unavailable' })
  },
)

it('is not sent on by a proxy to somewhere else, with all that it asked', async () => {
  const called: (string | undefined)[] = []
  const proxy = await answering((asked, response) => {
    called.push(asked.url)
    response.writeHead(307, { location: '/inside' }).end()
  })
  await expect(ask(proxy)).rejects.toMatchObject({ kind: 'unavailable' })
  await expect(ask({ ...proxy, endpoint: `${proxy.endpoint}/inside?as=` })).rejects.toMatchObject({
    kind: 'unavailable',
  })
  expect(called).toEqual(['/reencrypt'])
})
