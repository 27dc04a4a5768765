import { describe, expect, it } from 'vitest'
import type { BlockStore } from '../../../src/vault/blocks/block-store.js'
import { CachedBlockStore } from '../../../src/vault/blocks/cached.js'
import type { Block } from '../../../src/vault/cid.js'
import { behavesAsBlockStore, cidsOf, someBlocks } from './contract.js'
import { LocalBlockStore } from '../../../src/vault/blocks/local.js'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'

let directory: string
let local: LocalBlockStore
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'consentry-cached-'))
  local = await LocalBlockStore.open(directory)
})
afterAll(async () => {
  await local.close()
  await rm(directory, { recursive: true })
})

/** The real store, with what was asked of it, and a gate in front of its reads. */
function watched(): { store: BlockStore; asked: string[][]; gate: { wait: Promise<void> } } {
  const asked: string[][] = []
  const gate = { wait: Promise.resolve() }
  const store: BlockStore = {
    put: (blocks) => local.put(blocks),
    get: async (cids) => {
      asked.push([...cids])
      const found = await local.get(cids)
      await gate.wait
      return found
    },
    has: (cids) => local.has(cids),
    delete: (cids) => local.delete(cids),
    requireReady: () => local.requireReady(),
    list: () => local.list(),
    close: async () => undefined,
  }
  return { store, asked, gate }
}

describe('the cached store', () => {
  let cached: CachedBlockStore
  beforeAll(() => {
    cached = new CachedBlockStore(watched().store, 100_000)
  })
  behavesAsBlockStore(() => cached)

  it('asks for a block once, and for the least recently used one again', async () => {
    const { store, asked } = watched()
    const cached = new CachedBlockStore(store, 2_000)
    const blocks = someBlocks(3, 900) as [Block, Block, Block]
    const [a, b, c] = cidsOf(blocks) as [string, string, string]
    await local.put(blocks)
    for (const cid of [a, b, a, b, a]) await cached.get([cid])
    expect(asked).toEqual([[a], [b]])
    await cached.get([a, c])
    await cached.get([a, c])
    expect(asked).toEqual([[a], [b], [c]])
    await cached.get([b])
    expect(asked).toEqual([[a], [b], [c], [b]])
  })

  it('does not keep a block above its bound', async () => {
    const { store, asked } = watched()
    const cached = new CachedBlockStore(store, 500)
    const blocks = someBlocks(1, 600)
    await cached.put(blocks)
    await cached.get(cidsOf(blocks))
    await cached.get(cidsOf(blocks))
    expect(asked).toHaveLength(2)
  })

  it('does not bring back what was deleted while it was read', async () => {
    const { store, gate } = watched()
    const cached = new CachedBlockStore(store, 10_000)
    const blocks = someBlocks(1)
    await local.put(blocks)
    let release: () => void = () => undefined
    gate.wait = new Promise((resolve) => (release = resolve))
    const reading = cached.get(cidsOf(blocks))
    await new Promise((resolve) => setTimeout(resolve, 20))
    await cached.delete(cidsOf(blocks))
    release()
    await reading
    expect((await cached.get(cidsOf(blocks))).size).toBe(0)
  })
})
