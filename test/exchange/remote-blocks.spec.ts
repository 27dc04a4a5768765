import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, it } from 'vitest'
import { RemoteBlocks } from '../../src/exchange/remote-blocks.js'
import type { BlockStore } from '../../src/vault/blocks/block-store.js'
import { rawBlock } from '../../src/vault/envelope.js'

const EMPTY = { get: async () => new Map() } as unknown as BlockStore
const block = rawBlock(Buffer.from('a block'))
let server: Server

async function serving(respond: Parameters<typeof createServer>[1]): Promise<string> {
  server = createServer(respond as never)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

afterEach(() => {
  server.close()
  server.closeAllConnections()
})

it('takes a block that is what its CID says', async () => {
  const endpoint = await serving((_, response) => response.end(block.bytes))
  const found = await new RemoteBlocks(EMPTY).get([block.cid], [endpoint])
  expect(found.get(block.cid)).toEqual(new Uint8Array(block.bytes))
})

it('cuts off who sends without end', async () => {
  let sent = 0
  const endpoint = await serving((_, response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536))) sent += 65_536
    }
    response.on('drain', more)
    more()
  })
  const started = performance.now()
  await expect(new RemoteBlocks(EMPTY).get([block.cid], [endpoint])).rejects.toMatchObject({ kind: 'unavailable' })
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(sent).toBeLessThan(64 * 1024 * 1024)
})

it('does not unpack a bomb', async () => {
  const bomb = gzipSync(Buffer.alloc(128 * 1024 * 1024))
  const endpoint = await serving((_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
  })
  const before = process.memoryUsage().arrayBuffers
  await expect(new RemoteBlocks(EMPTY).get([block.cid], [endpoint])).rejects.toMatchObject({ kind: 'unavailable' })
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
})

it('is not sent on to somewhere else, where it would call what only we can reach', async () => {
  const called: (string | undefined)[] = []
  const endpoint = await serving((request, response) => {
    called.push(request.url)
    if (request.url?.startsWith('/inside')) response.end(block.bytes)
    else response.writeHead(302, { location: '/inside' }).end()
  })
  await expect(new RemoteBlocks(EMPTY).get([block.cid], [endpoint])).rejects.toMatchObject({ kind: 'unavailable' })
  expect(called).toHaveLength(1)
})

it.each(['?path=', '#', '/deeper?'])('calls no endpoint that takes our path for a value (%s)', async (suffix) => {
  const called: (string | undefined)[] = []
  const endpoint = await serving((request, response) => {
    called.push(request.url)
    response.end(block.bytes)
  })
  await expect(new RemoteBlocks(EMPTY).get([block.cid], [endpoint + suffix])).rejects.toMatchObject({
    kind: 'unavailable',
  })
  expect(called).toEqual([])
})
