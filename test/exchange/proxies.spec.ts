import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { Wallet } from 'ethers'
import { afterEach, expect, it } from 'vitest'
import { type ProxyAddress, requestReencryption } from '../../src/exchange/proxies.js'

const ID = `0x${'11'.repeat(32)}` as const
const operator = new Wallet(`0x${'22'.repeat(32)}`)
const items = [{ patient: ID, label: ID, epoch: 0, capsules: ['AAAA'] }]
let server: Server

async function answering(respond: Parameters<typeof createServer>[1]): Promise<ProxyAddress> {
  server = createServer(respond as never)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { id: ID, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const ask = (proxy: ProxyAddress) => requestReencryption(proxy, ID, { purpose: 1, categories: '1' }, items, operator)

afterEach(() => {
  server.close()
  server.closeAllConnections()
})

it('takes an answer of the protocol’s form', async () => {
  const proxy = await answering((_, response) => response.end(JSON.stringify({ results: [{ denied: 'no consent' }] })))
  expect(await ask(proxy)).toEqual([{ denied: 'no consent' }])
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

it.each(['<html>', 'null', '{"results":7}', '{"results":[]}'])(
  'takes the answer %s for a failure of the proxy, not for one of its own',
  async (text) => {
    const proxy = await answering((_, response) => response.end(text))
    await expect(ask(proxy)).rejects.toMatchObject({ kind: 'unavailable' })
  },
)
