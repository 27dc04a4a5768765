import { hash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { it } from 'vitest'
import { LocalBlockStore } from '../../src/vault/blocks/local.js'
import { type Block, rawBlock, requireBlock } from '../../src/vault/cid.js'

/**
 * `npx vitest bench --run test/bench/blocks.bench.ts`: the local block store beside what else was tried, each durable
 * before it answers. Blocks of 1.2 kB; lmdb takes part when it is installed (`npm i --no-save lmdb`).
 */
interface Candidate {
  put(blocks: readonly Block[]): Promise<unknown>
  get(cid: string): Promise<Uint8Array | undefined>
  close(): unknown
}

const candidates: Record<string, (directory: string) => Promise<Candidate | null>> = {
  async 'segments (ours)'(directory) {
    const store = await LocalBlockStore.open(directory)
    return {
      put: (blocks) => store.put(blocks),
      get: async (cid) => (await store.get([cid])).get(cid),
      close: () => store.close(),
    }
  },
  async lmdb(directory) {
    const name = 'lmdb'
    const lmdb = (await import(name).catch(() => null)) as { open(options: object): Lmdb } | null
    const db = lmdb?.open({ path: directory, encoding: 'binary', overlappingSync: false })
    if (db === undefined) return null
    return {
      put: (blocks) => db.batch(() => blocks.forEach(({ cid, bytes }) => db.put(cid, bytes))),
      get: async (cid) => checked(cid, db.getBinary(cid)),
      close: () => db.close(),
    }
  },
  async 'node:sqlite (WAL, synchronous=FULL)'(directory) {
    const db = new DatabaseSync(join(directory, 'blocks.db'))
    db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON')
    db.exec('CREATE TABLE block (cid TEXT PRIMARY KEY, bytes BLOB) WITHOUT ROWID')
    const insert = db.prepare('INSERT OR IGNORE INTO block VALUES (?, ?)')
    const select = db.prepare('SELECT bytes FROM block WHERE cid = ?')
    let waiting: { blocks: readonly Block[]; resolve: () => void }[] = []
    const commit = () => {
      const group = waiting
      waiting = []
      db.exec('BEGIN')
      for (const { blocks } of group) for (const { cid, bytes } of blocks) insert.run(cid, bytes)
      db.exec('COMMIT')
      for (const { resolve } of group) resolve()
    }
    return {
      put: (blocks) =>
        new Promise<void>((resolve) => {
          if (waiting.push({ blocks, resolve }) === 1) setImmediate(commit)
        }),
      get: async (cid) => checked(cid, select.get(cid)?.bytes as Uint8Array | undefined),
      close: () => db.close(),
    }
  },
  async 'a file for each block'(directory) {
    return {
      async put(blocks) {
        for (const { cid, bytes } of blocks) {
          const handle = await open(join(directory, `${cid}.new`), 'w')
          await handle.writeFile(bytes)
          await handle.datasync()
          await handle.close()
          await rename(join(directory, `${cid}.new`), join(directory, cid))
        }
        const handle = await open(directory)
        await handle.sync()
        await handle.close()
      },
      get: async (cid) => checked(cid, await readFile(join(directory, cid))),
      close: () => undefined,
    }
  },
}

interface Lmdb {
  batch(work: () => void): Promise<unknown>
  put(key: string, value: Uint8Array): unknown
  getBinary(key: string): Uint8Array | undefined
  close(): Promise<void>
}

function checked(cid: string, bytes: Uint8Array | undefined): Uint8Array | undefined {
  if (bytes !== undefined) requireBlock(cid, bytes)
  return bytes
}

const make = (count: number): Block[] =>
  Array.from({ length: count }, () => rawBlock(new Uint8Array(randomBytes(1200))))
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** @returns blocks per second, and microseconds of processor time for each */
async function putBy(
  store: Candidate,
  callers: number,
  calls: number,
  size: number,
): Promise<[number, number, string[]]> {
  const all = Array.from({ length: calls }, () => make(size))
  const queue = [...all]
  const [cpu, from] = [process.cpuUsage(), performance.now()]
  const caller = async () => {
    for (let blocks = queue.pop(); blocks !== undefined; blocks = queue.pop()) await store.put(blocks)
  }
  await Promise.all(Array.from({ length: callers }, caller))
  const { user, system } = process.cpuUsage(cpu)
  const count = calls * size
  return [(count * 1000) / (performance.now() - from), (user + system) / count, all.flat().map(({ cid }) => cid)]
}

it.each(Object.keys(candidates))('%s', async (name) => {
  const directory = mkdtempSync(join(tmpdir(), 'consentry-bench-'))
  const store = await candidates[name]?.(directory)
  try {
    if (!store) return console.log(`${name.padEnd(36)} not installed`)
    const latencies: number[] = []
    for (let i = 0; i < 200; i++) {
      const blocks = make(1)
      const from = performance.now()
      await store.put(blocks)
      latencies.push(performance.now() - from)
    }
    const [one, oneCpu] = await putBy(store, 16, 3000, 1)
    const [many, manyCpu, cids] = await putBy(store, 4, 60, 100)
    const reads: number[] = []
    for (let i = 0; i < 2000; i++) {
      const cid = cids[hash('sha256', String(i), 'buffer').readUInt32BE() % cids.length] as string
      const from = performance.now()
      await store.get(cid)
      reads.push((performance.now() - from) * 1000)
    }
    const per = (rate: number, cpu: number) => `${rate.toFixed(0).padStart(7)}/s (${cpu.toFixed(0)} µs of processor)`
    console.log(
      `${name.padEnd(36)} put of 1: ${median(latencies).toFixed(2)} ms; 16 callers of 1: ${per(one, oneCpu)}; ` +
        `4 callers of 100: ${per(many, manyCpu)}; get and check: ${median(reads).toFixed(0)} µs`,
    )
  } finally {
    await store?.close()
    rmSync(directory, { recursive: true })
  }
})
