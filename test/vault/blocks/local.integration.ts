import { randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LocalBlockStore } from '../../../src/vault/blocks/local.js'
import { type Block, rawBlock } from '../../../src/vault/cid.js'
import { behavesAsBlockStore, cidsOf, expectHolds, listed, someBlocks } from './contract.js'

let directory: string
let store: LocalBlockStore
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'consentry-blocks-'))
  store = await LocalBlockStore.open(directory)
})
afterEach(async () => {
  for (const opened of [store, ...others.splice(0)]) await opened.close()
  await rm(directory, { recursive: true })
})

const files = async () => (await readdir(directory)).sort().map((name) => join(directory, name))
const lastFile = async () => (await files()).at(-1) as string
/** Replaces a method of all open files. @returns what restores it */
async function doing(
  name: 'datasync' | 'read',
  instead: (original: () => Promise<unknown>) => Promise<unknown>,
): Promise<() => unknown> {
  const handle = await open(directory, 'r')
  const prototype = Object.getPrototypeOf(handle) as object
  await handle.close()
  const original = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor
  const method = original.value as (this: unknown, ...args: unknown[]) => Promise<unknown>
  const value = function (this: unknown, ...args: unknown[]) {
    return instead(() => method.apply(this, args))
  }
  Object.defineProperty(prototype, name, { ...original, value })
  return () => Object.defineProperty(prototype, name, original)
}

/** As after a crash: nothing is closed, another process opens the directory. */
const others: LocalBlockStore[] = []
const crashed = async () => {
  const other = await LocalBlockStore.open(directory)
  others.push(other)
  return other
}

describe('the local store', () => {
  behavesAsBlockStore(() => store)

  it('has everything after a restart, and after a crash', async () => {
    const blocks = [...someBlocks(10), ...someBlocks(2, 200_000)]
    await Promise.all(blocks.map((block) => store.put([block])))
    const other = await crashed()
    await expectHolds(other, blocks)
    await store.close()
    store = await LocalBlockStore.open(directory)
    await expectHolds(store, blocks)
    expect(await listed(store)).toEqual(new Set(cidsOf(blocks)))
  })

  it('makes the blocks of a call, and of all calls that wait, durable by one sync', async () => {
    await store.put(someBlocks(1))
    const frames = async () => (await readFile(await lastFile())).toString('latin1').split('CsB1').length - 1
    await store.put(someBlocks(50))
    expect(await frames()).toBe(2)
    await Promise.all(Array.from({ length: 40 }, () => store.put(someBlocks(2))))
    expect(await frames()).toBe(3)
  })

  it('begins a new segment when one is full', async () => {
    await store.close()
    store = await LocalBlockStore.open(directory, { segmentBytes: 10_000 })
    const blocks = someBlocks(60)
    for (const block of blocks) await store.put([block])
    expect((await files()).length).toBeGreaterThan(3)
    await expectHolds(await crashed(), blocks)
  })

  it('is closed when it is closed', async () => {
    const block = someBlocks(1)
    const put = store.put(block)
    await store.close()
    await put
    await expect(store.put(someBlocks(1))).rejects.toMatchObject({ kind: 'unavailable' })
    store = await LocalBlockStore.open(directory)
    await expectHolds(store, block)
  })
})

describe('what a crash leaves at the end', () => {
  it('is cut off wherever the write stopped, and all that was acknowledged before it stays', async () => {
    const kept = someBlocks(3)
    await store.put(kept)
    const path = await lastFile()
    const whole = (await stat(path)).size
    await store.put(someBlocks(4, 300))
    const full = await readFile(path)
    await store.close()
    const cuts = fc.integer({ min: whole, max: full.length - 1 })
    await fc.assert(
      fc.asyncProperty(cuts, fc.uint8Array({ maxLength: 40 }), async (cut, garbage) => {
        await writeFile(path, Buffer.concat([full.subarray(0, cut), garbage]))
        const again = await LocalBlockStore.open(directory)
        expect(await listed(again)).toEqual(new Set(cidsOf(kept)))
        const next = someBlocks(2)
        await again.put(next)
        await again.close()
        const third = await LocalBlockStore.open(directory)
        expect(await listed(third)).toEqual(new Set([...cidsOf(kept), ...cidsOf(next)]))
        expect(third.figures.damaged).toBe(0)
        await third.close()
      }),
      { numRuns: 25 },
    )
    store = await LocalBlockStore.open(directory)
  })

  it('is all of a call or nothing: a hole in the middle of the last write takes the whole call with it', async () => {
    const [kept, torn] = [someBlocks(3), someBlocks(5)]
    await store.put(kept)
    await store.put(torn)
    const path = await lastFile()
    const bytes = await readFile(path)
    bytes.fill(0, bytes.indexOf(Buffer.from(torn[2]!.bytes)), bytes.indexOf(Buffer.from(torn[2]!.bytes)) + 100)
    await writeFile(path, bytes)
    const again = await crashed()
    expect(await listed(again)).toEqual(new Set(cidsOf(kept)))
    // Not taken for durable although part of it was there.
    await again.put(torn)
    await expectHolds(again, [...kept, ...torn])
  })
})

describe('damage', () => {
  const flip = async (path: string, at: number) => {
    const handle = await open(path, 'r+')
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at)
    await handle.write(Uint8Array.of(buffer[0]! ^ 1), 0, 1, at)
    await handle.close()
  }

  it('of a block is told when it is read, before and after a restart, and takes nothing else with it', async () => {
    const [first, second, third] = [someBlocks(2), someBlocks(2), someBlocks(2)]
    for (const blocks of [first, second, third]) await store.put(blocks)
    const altered = second[1] as Block
    await flip(await lastFile(), (await readFile(await lastFile())).indexOf(Buffer.from(altered.bytes)) + 5)
    for (const look of [store, await crashed()]) {
      await expect(look.get([altered.cid])).rejects.toMatchObject({ kind: 'integrity' })
      await expectHolds(look, [...first, second[0]!, ...third])
    }
    await store.delete([altered.cid])
    await store.put([altered])
    await expectHolds(store, [...first, ...second, ...third])
  })

  it('of the last block is told, too, after an orderly end', async () => {
    const blocks = someBlocks(2)
    await store.put(blocks)
    await store.close()
    await flip(await lastFile(), (await readFile(await lastFile())).indexOf(Buffer.from(blocks[1]!.bytes)))
    store = await LocalBlockStore.open(directory)
    await expectHolds(store, [blocks[0]!])
    await expect(store.get(cidsOf(blocks))).rejects.toMatchObject({ kind: 'integrity' })
  })

  it('of a table loses the blocks of that write alone, and is counted', async () => {
    const groups = [someBlocks(2), someBlocks(2), someBlocks(2)]
    const starts: number[] = []
    for (const blocks of groups) {
      starts.push((await readdir(directory)).length === 0 ? 0 : (await stat(await lastFile())).size)
      await store.put(blocks)
    }
    await flip(await lastFile(), starts[1]! + 20)
    const again = await crashed()
    expect(await listed(again)).toEqual(new Set(cidsOf([...groups[0]!, ...groups[2]!])))
    expect(again.figures.damaged).toBe(starts[2]! - starts[1]!)
    await again.put(groups[1]!)
    await expectHolds(again, groups.flat())
  })
})

describe('deleting', () => {
  const onDisk = async (bytes: Uint8Array) => {
    for (const path of await files()) if ((await readFile(path)).includes(Buffer.from(bytes))) return true
    return false
  }

  it('leaves no byte of the block in any file', async () => {
    const blocks = someBlocks(6)
    await store.put(blocks)
    expect(await onDisk(blocks[2]!.bytes.subarray(100, 132))).toBe(true)
    await store.delete([blocks[2]!.cid])
    for (let at = 0; at + 32 <= 700; at += 32) expect(await onDisk(blocks[2]!.bytes.subarray(at, at + 32))).toBe(false)
    expect((await crashed()).figures.blocks).toBe(5)
  })

  it('is completed after a crash between the first step and the last', async () => {
    const blocks = someBlocks(3)
    await store.put(blocks)
    await store.put(someBlocks(1))
    const path = await lastFile()
    const before = await readFile(path)
    await store.delete([blocks[1]!.cid])
    const after = await readFile(path)
    // The state byte is the only change outside the body; a crash may leave it at `deleting` with the body still there.
    const state = before.findIndex((byte, at) => byte !== after[at])
    expect([before[state], after[state]]).toEqual([0xff, 0x00])
    before[state] = 0x0f
    await store.close()
    await writeFile(path, before)
    store = await LocalBlockStore.open(directory)
    expect((await store.get(cidsOf(blocks))).size).toBe(2)
    expect(await onDisk(blocks[1]!.bytes)).toBe(false)
  })

  it('frees the file when most of it is dead, and keeps what lives', async () => {
    await store.close()
    store = await LocalBlockStore.open(directory, { segmentBytes: 20_000 })
    const blocks = someBlocks(100)
    for (const block of blocks) await store.put([block])
    const { bytes } = store.figures
    const kept = blocks.filter((_, i) => i % 5 === 0)
    const reading = Array.from({ length: 20 }, () => expectHolds(store, kept))
    await store.delete(cidsOf(blocks.filter((block) => !kept.includes(block))))
    await Promise.all(reading)
    expect(store.figures.bytes).toBeLessThan(bytes / 2)
    await expectHolds(store, kept)
    const again = await crashed()
    expect(await listed(again)).toEqual(new Set(cidsOf(kept)))
  })

  it('does not free a file with an altered block in it: fsck must find it', async () => {
    await store.close()
    store = await LocalBlockStore.open(directory, { segmentBytes: 5_000 })
    const blocks = someBlocks(12)
    for (const block of blocks) await store.put([block])
    const [path] = (await files()) as [string]
    const bytes = await readFile(path)
    bytes[bytes.indexOf(Buffer.from(blocks[0]!.bytes))]! ^= 1
    await writeFile(path, bytes)
    await store.delete(cidsOf(blocks.slice(2, 7)))
    for (const look of [store, await crashed()]) {
      await expect(look.get([blocks[0]!.cid])).rejects.toMatchObject({ kind: 'integrity' })
      await expectHolds(look, [blocks[1]!, ...blocks.slice(7)])
    }
    expect(await files()).toContain(path)
  })

  it('is no damage to whoever reads the block at that moment', async () => {
    const blocks = someBlocks(2)
    await store.put(blocks)
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const restore = await doing('read', async (read) => {
      await gate
      return read()
    })
    const reading = store.get(cidsOf(blocks))
    await store.delete([blocks[0]!.cid])
    release()
    expect([...(await reading).keys()]).toEqual([blocks[1]!.cid])
    restore()
  })

  it('removes both copies when a crash came while a segment was moved', async () => {
    const blocks = someBlocks(3)
    await store.put(blocks)
    await store.close()
    const [first] = (await files()) as [string]
    await writeFile(join(directory, '00000002.seg'), await readFile(first))
    store = await LocalBlockStore.open(directory)
    await expectHolds(store, blocks)
    await store.delete([blocks[0]!.cid])
    expect(await onDisk(blocks[0]!.bytes)).toBe(false)
    const again = await crashed()
    expect(await listed(again)).toEqual(new Set(cidsOf(blocks.slice(1))))
  })

  it('agrees with a model under any sequence of puts, deletes, restarts and concurrent calls', async () => {
    const pool = Array.from({ length: 30 }, (_, i) => rawBlock(new Uint8Array(randomBytes(50 + i * 40))))
    const step = fc.record({
      kind: fc.constantFrom('put', 'put', 'delete', 'restart'),
      which: fc.uniqueArray(fc.nat(pool.length - 1), { maxLength: 8 }),
      wait: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
        const path = await mkdtemp(join(directory, 'model-'))
        let tested = await LocalBlockStore.open(path, { segmentBytes: 4_000 })
        const model = new Set<string>()
        const pending: Promise<void>[] = []
        for (const { kind, which, wait } of steps) {
          const blocks = which.map((i) => pool[i]!)
          if (kind === 'put') pending.push(tested.put(blocks))
          if (kind === 'delete') pending.push(tested.delete(cidsOf(blocks)))
          for (const cid of cidsOf(blocks)) {
            if (kind === 'put') model.add(cid)
            if (kind === 'delete') model.delete(cid)
          }
          if (kind === 'restart') {
            await Promise.all(pending)
            await tested.close()
            tested = await LocalBlockStore.open(path, { segmentBytes: 4_000 })
          } else if (wait) await Promise.all(pending)
        }
        await Promise.all(pending)
        expect(await listed(tested)).toEqual(model)
        await expectHolds(
          tested,
          pool.filter(({ cid }) => model.has(cid)),
        )
        await tested.close()
      }),
      { numRuns: 25 },
    )
  })
})

describe('the disk', () => {
  /** What every open file does when it syncs. */
  async function syncing(instead: (sync: () => Promise<unknown>) => Promise<unknown>): Promise<() => unknown> {
    return doing('datasync', instead)
  }

  it('has the blocks before anybody is told so', async () => {
    await store.put(someBlocks(1))
    let [told, synced] = [false, false]
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const restore = await syncing(async (sync) => {
      await gate
      await sync()
      synced = true
    })
    const put = store.put(someBlocks(2)).then(() => (told = true))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(told).toBe(false)
    release()
    await put
    restore()
    expect(synced).toBe(true)
  })

  it('may fail: the call is refused, nothing of it is there, and the next one goes to a new file', async () => {
    const [before, during, after] = [someBlocks(2), someBlocks(2), someBlocks(2)]
    await store.put(before)
    const restore = await syncing(async () => {
      throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
    })
    await expect(store.put(during)).rejects.toMatchObject({ kind: 'unavailable', retryAfterSeconds: 30 })
    restore()
    expect((await store.get(cidsOf(during))).size).toBe(0)
    await store.put(after)
    expect(await files()).toHaveLength(2)
    await store.put(during)
    for (const look of [store, await crashed()]) await expectHolds(look, [...before, ...during, ...after])
  })

  it('may be full: no new file can be made, and later it can', async () => {
    const [before, during, after] = [someBlocks(2), someBlocks(2), someBlocks(2)]
    await store.put(before)
    await store.close()
    store = await LocalBlockStore.open(directory, { segmentBytes: 1 })
    // The name of the next segment is taken.
    const name = join(directory, '00000002.seg')
    await appendFile(name, '')
    await expect(store.put(during)).rejects.toMatchObject({ kind: 'unavailable' })
    await expectHolds(store, before)
    await rm(name)
    await store.put(after)
    await expectHolds(store, [...before, ...after])
    expect((await store.get(cidsOf(during))).size).toBe(0)
  })
})
