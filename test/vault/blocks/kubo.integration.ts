import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create } from 'kubo-rpc-client'
import { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { KuboBlockStore } from '../../../src/vault/blocks/kubo.js'
import type { Block } from '../../../src/vault/cid.js'
import { LocalBlockStore } from '../../../src/vault/blocks/local.js'
import { open } from '../../../src/vault/open.js'
import { hasKubo, type KuboNode, NO_KUBO, startKubo } from '../support/kubo.js'
import { permitFor } from '../support/permits.js'
import { fetched, openingKeys, sealOne, subject } from '../support/records.js'
import { behavesAsBlockStore, cidsOf, expectHolds, listed, someBlocks } from './contract.js'

describe.skipIf(!hasKubo)(`the Kubo store${hasKubo ? '' : ` (${NO_KUBO})`}`, () => {
  let node: KuboNode
  let store: KuboBlockStore
  beforeAll(async () => {
    node = await startKubo()
    store = new KuboBlockStore(node.url, { searchTimeout: 2_000 })
  })
  afterAll(() => node.stop())

  behavesAsBlockStore(() => store)

  it('pins what it is given, with what that links, so the garbage collection of the node leaves it', async () => {
    const client = create({ url: node.url })
    const [alone, together] = [sealOne(randomBytes(600_000)), sealOne(randomBytes(600_000))]
    const others = someBlocks(3)
    await store.put(alone.blocks)
    await store.put([...others, ...together.blocks])
    const pins = async (cid: string) => {
      for await (const { type } of client.pin.ls({ paths: [CID.parse(cid)] })) return type
      return null
    }
    expect(await pins(alone.cid)).toBe('recursive')
    for (const cid of cidsOf([...alone.blocks.slice(1), ...together.blocks]))
      expect(await pins(cid)).toContain('indirect')
    const collect = async () => {
      for await (const gone of client.repo.gc()) expect(gone.err).toBeUndefined()
    }
    await collect()
    await expectHolds(store, [...alone.blocks, ...together.blocks, ...others])
    // And what stays of a batch when a part of it goes.
    await store.delete([others[0]!.cid, ...cidsOf(together.blocks)])
    await collect()
    await expectHolds(store, [...alone.blocks, ...others.slice(1)])
    expect(await pins(others[1]!.cid)).toContain('indirect')
    await store.delete([others[1]!.cid])
    expect(await pins(others[2]!.cid)).toBe('recursive')
    await store.delete([others[2]!.cid])
    await store.delete(cidsOf(alone.blocks))
    expect((await store.has(cidsOf([...alone.blocks, ...together.blocks, ...others]))).size).toBe(0)
  })

  it('has the CIDs of the local store, and opens what that one sealed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'consentry-both-'))
    const local = await LocalBlockStore.open(directory)
    const body = Buffer.from(JSON.stringify({ image: randomBytes(500_000).toString('base64') }))
    const sealed = sealOne(body)
    const blocks = [...sealed.blocks, ...someBlocks(3)]
    await Promise.all([local.put(blocks), store.put(blocks)])
    const [here, there] = [await listed(local), await listed(store)]
    expect(here).toEqual(new Set(cidsOf(blocks)))
    for (const cid of here) expect(there).toContain(cid)
    const bytes = await store.get(cidsOf(sealed.blocks))
    const again = { ...sealed, blocks: sealed.blocks.map(({ cid }) => ({ cid, bytes: bytes.get(cid)! })) }
    expect(Buffer.from(open(permitFor(subject), fetched(again), openingKeys).body).equals(body)).toBe(true)
    await local.close()
    await rm(directory, { recursive: true })
  })

  it('takes many blocks in one import', async () => {
    const blocks = someBlocks(400)
    await store.put(blocks)
    await expectHolds(store, blocks)
    await store.delete(cidsOf(blocks))
    expect((await store.has(cidsOf(blocks))).size).toBe(0)
  })
})

describe('a node that does not serve', () => {
  const [block] = someBlocks(1) as [Block]
  const calls: ((store: KuboBlockStore) => Promise<unknown>)[] = [
    (store) => store.put([block]),
    (store) => store.get([block.cid]),
    (store) => store.has([block.cid]),
    (store) => store.delete([block.cid]),
    (store) => listed(store),
    (store) => store.requireReady(),
  ]

  it('is unavailable when it is down', async () => {
    const store = new KuboBlockStore('http://127.0.0.1:9')
    for (const call of calls) {
      await expect(call(store)).rejects.toMatchObject({ kind: 'unavailable', retryAfterSeconds: 10 })
    }
  })

  it('is unavailable when it answers with an error, and when it does not answer', async () => {
    const server = createServer((request, response) => {
      if (!request.url?.startsWith('/silent')) response.writeHead(500).end('disk on fire')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const limits = { searchTimeout: 50, answerTimeout: 50 }
    for (const path of ['', '/silent']) {
      const store = new KuboBlockStore(`http://127.0.0.1:${port}${path}`, limits)
      for (const call of calls) await expect(call(store)).rejects.toMatchObject({ kind: 'unavailable' })
    }
    server.closeAllConnections()
    server.close()
  })

  it('gives nobody bytes that are not those of the CID', async () => {
    const server = createServer((_, response) => response.end('something else'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const store = new KuboBlockStore(`http://127.0.0.1:${port}`)
    await expect(store.get([block.cid])).rejects.toMatchObject({ kind: 'integrity' })
    server.closeAllConnections()
    server.close()
  })
})
