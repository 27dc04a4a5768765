import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { LocalBlockStore } from '../../../src/vault/blocks/local.js'
import { built } from '../../support/built.js'
import { listed } from './contract.js'

const ROUNDS = 8
const PARALLEL = 6

/**
 * Puts calls of 1 to 6 blocks without end, from several callers at once, and deletes every seventh call again; says
 * `put|done|deleting|deleted <call> <cids>` before and after each. Small segments, so that some are moved and freed.
 */
const SCRIPT = `
  const { LocalBlockStore } = await import(process.argv[1])
  const { rawBlock } = await import(process.argv[1].replace('blocks/local.js', 'cid.js'))
  const { randomBytes } = await import('node:crypto')
  const store = await LocalBlockStore.open(process.argv[2], { segmentBytes: 300_000 })
  const say = (...words) => process.stdout.write(words.join(' ') + '\\n')
  const lane = async (lane) => {
    for (let n = 0; ; n++) {
      const call = process.argv[3] + '-' + lane + '-' + n
      const blocks = Array.from({ length: 1 + n % 6 }, () => rawBlock(new Uint8Array(randomBytes(200 + (n * 977) % 9000))))
      const cids = blocks.map(({ cid }) => cid)
      say('put', call, ...cids)
      await store.put(blocks)
      say('done', call, ...cids)
      if (n % 7 === 3) {
        say('deleting', call, ...cids)
        await store.delete(cids)
        say('deleted', call, ...cids)
      }
    }
  }
  for (let i = 0; i < ${PARALLEL}; i++) lane(i)
`

interface Call {
  word: string
  readonly cids: string[]
}

async function putUntilKilled(
  directory: string,
  round: number,
  after: number,
  calls: Map<string, Call>,
): Promise<void> {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--input-type=module', '-e', SCRIPT, built('vault/blocks/local.js'), directory, String(round)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let acknowledged = 0
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const [word, call, ...cids] = line.split(' ') as [string, string, ...string[]]
    if (!calls.has(call)) calls.set(call, { word, cids })
    else (calls.get(call) as Call).word = word
    // Some microseconds later than the line, at another place in the work each time.
    if (word === 'done' && ++acknowledged === after) setTimeout(() => child.kill('SIGKILL'), Math.random() * 3)
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

it('keeps every acknowledged call whole, and every deletion, through kill -9 at random moments', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'consentry-crash-'))
  const calls = new Map<string, Call>()
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await putUntilKilled(directory, round, 20 + Math.floor(Math.random() * 250), calls)
      const store = await LocalBlockStore.open(directory, { segmentBytes: 300_000 })
      const all = await listed(store)
      const readable = new Set((await store.get([...all])).keys())
      expect(readable).toEqual(all)
      expect(store.figures.damaged).toBe(0)
      for (const [call, { word, cids }] of calls) {
        const there = cids.filter((cid) => all.has(cid)).length
        if (word === 'done') expect(there, `${call} was acknowledged`).toBe(cids.length)
        if (word === 'deleted') expect(there, `${call} was deleted`).toBe(0)
        if (word === 'put') expect([0, cids.length], `${call} is whole or not there`).toContain(there)
      }
      await store.close()
    }
    expect(calls.size).toBeGreaterThan(ROUNDS * 20)
    expect([...calls.values()].some(({ word }) => word === 'deleted')).toBe(true)
  } finally {
    await rm(directory, { recursive: true })
  }
})
