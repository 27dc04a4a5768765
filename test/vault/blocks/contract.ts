import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import type { BlockStore } from '../../../src/vault/blocks/block-store.js'
import { type Block, blockOf, DAG_CBOR, rawBlock } from '../../../src/vault/cid.js'
import { sealOne } from '../support/records.js'

export function someBlocks(count: number, size = 700): Block[] {
  return Array.from({ length: count }, () => rawBlock(new Uint8Array(randomBytes(size))))
}

export const cidsOf = (blocks: readonly Block[]): string[] => blocks.map(({ cid }) => cid)

export async function listed(store: BlockStore): Promise<Set<string>> {
  const cids = new Set<string>()
  for await (const cid of store.list()) cids.add(cid)
  return cids
}

export async function expectHolds(store: BlockStore, blocks: readonly Block[]): Promise<void> {
  const found = await store.get(cidsOf(blocks))
  for (const { cid, bytes } of blocks) expect(Buffer.from(found.get(cid) ?? []).equals(bytes), cid).toBe(true)
}

/** What both stores promise. */
export function behavesAsBlockStore(store: () => BlockStore): void {
  it('gives back what was put, each block under its CID', async () => {
    const blocks = [...someBlocks(5), ...sealOne(Buffer.from('{}')).blocks, ...sealOne(randomBytes(600_000)).blocks]
    await store().put(blocks)
    await expectHolds(store(), blocks)
    expect(await store().has(cidsOf(blocks))).toEqual(new Set(cidsOf(blocks)))
  })

  it('is ready while it can be asked', async () => {
    await expect(store().requireReady()).resolves.toBeUndefined()
  })

  it('takes a block again, twice in one call, and none at all', async () => {
    const [block] = someBlocks(1) as [Block]
    await store().put([block, block])
    await store().put([block])
    await store().put([])
    await expectHolds(store(), [block])
    expect((await store().get([])).size).toBe(0)
    expect((await store().get([block.cid, block.cid])).size).toBe(1)
  })

  it('leaves out what is not there', async () => {
    const [there, absent] = someBlocks(2) as [Block, Block]
    await store().put([there])
    expect([...(await store().get(cidsOf([there, absent]))).keys()]).toEqual([there.cid])
    expect(await store().has(cidsOf([there, absent]))).toEqual(new Set([there.cid]))
  })

  it('forgets what is deleted, and keeps the rest', async () => {
    const sealed = sealOne(randomBytes(600_000))
    const blocks = [...someBlocks(4), ...sealed.blocks]
    await store().put(blocks)
    const doomed = [blocks[1]!, ...sealed.blocks]
    await store().delete([...cidsOf(doomed), blocks[1]!.cid, someBlocks(1)[0]!.cid])
    const kept = blocks.filter((block) => !doomed.includes(block))
    expect(new Set((await store().get(cidsOf(blocks))).keys())).toEqual(new Set(cidsOf(kept)))
    expect(await store().has(cidsOf(blocks))).toEqual(new Set(cidsOf(kept)))
    await store().put(doomed)
    await expectHolds(store(), blocks)
  })

  it('lists its blocks with the codecs that they were put with', async () => {
    const sealed = sealOne(randomBytes(600_000))
    const blocks = [...someBlocks(3), ...sealed.blocks]
    await store().put(blocks)
    const all = await listed(store())
    for (const cid of cidsOf(blocks)) expect(all).toContain(cid)
    await store().delete(cidsOf(sealed.blocks))
    const rest = await listed(store())
    for (const cid of cidsOf(sealed.blocks)) expect(rest).not.toContain(cid)
  })

  it('refuses bytes that are not those of the CID, blocks that nobody exchanges, and what is no CID', async () => {
    const [one, other] = someBlocks(2) as [Block, Block]
    await expect(store().put([other, { cid: one.cid, bytes: other.bytes }])).rejects.toMatchObject({
      kind: 'integrity',
    })
    const large = blockOf(new Uint8Array(1024 * 1024 + 1), DAG_CBOR)
    await expect(store().put([other, large])).rejects.toMatchObject({ kind: 'too-large' })
    expect((await store().get(cidsOf([one, other, large]))).size).toBe(0)
    await expect(store().get(['not-a-cid'])).rejects.toMatchObject({ kind: 'malformed' })
  })
}
