import { afterEach, expect, it, vi } from 'vitest'
import { Anchoring } from '../../src/gateway/anchoring.js'
import { Contracts } from '../../src/ledger/contracts.js'
import type { Receipt } from '../../src/ledger/receipt.js'
import type { SentTransaction } from '../../src/ledger/sender.js'
import type { Anchors, NewAnchor, Unanchored } from '../../src/records/anchors.js'
import type { BlockStore } from '../../src/vault/blocks/block-store.js'
import { id } from './stage.js'

const address = `0x${'11'.repeat(20)}` as const
const contracts = new Contracts(1, {
  IdentityRegistry: address,
  ConsentRegistry: address,
  RecordAnchors: address,
  AuditLog: address,
  ProxyRegistry: address,
})

it('does not wait for a block when it is stopped', async () => {
  const waiting = Promise.withResolvers<void>()
  const problems: unknown[] = []
  const batch = { sequence: 1n, root: id(1), manifest: id(2), count: 1n }
  const anchors = { unconfirmed: async () => [batch], sent: async () => undefined } as unknown as Anchors // what a run sends
  const wait: SentTransaction['wait'] = (_, signal) => {
    waiting.resolve()
    return new Promise<Receipt>((__, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))
  }
  const anchoring = new Anchoring(
    id(3),
    new Uint8Array(33),
    anchors,
    {} as BlockStore,
    contracts,
    { send: async () => ({ hash: id(4), wait }) },
    async () => [],
    (problem) => problems.push(problem),
  )
  anchoring.start()
  await waiting.promise
  await anchoring.stop()
  expect(problems).toEqual([])
})

afterEach(() => void vi.useRealTimers())

it('anchors a single write soon, a stream of writes twice a second, and what fills batches at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  const began = Date.now()
  const batches: { at: number; size: number }[] = []
  let waiting = 0
  let unsent: unknown[] = []
  const leaf = { cid: 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy', leaf: new Uint8Array(32) }
  const anchors = {
    unconfirmed: async () => unsent.splice(0),
    waiting: async (limit: number) => ({
      queued: [],
      leaves: Array.from({ length: Math.min(limit, waiting) }, () => leaf as unknown as Unanchored),
    }),
    prepare: async ({ leaves, root }: NewAnchor) => {
      batches.push({ at: Date.now() - began, size: leaves.length })
      waiting -= leaves.length
      unsent = [{ sequence: batches.length, root, manifest: id(2), count: leaves.length }]
    },
    sent: async () => undefined,
  } as unknown as Anchors // what a run asks
  const problems: unknown[] = []
  const anchoring = new Anchoring(
    id(3),
    new Uint8Array(33),
    anchors,
    { put: async () => undefined } as unknown as BlockStore, // takes manifests
    contracts,
    { send: async () => ({ hash: id(4), wait: async () => ({}) as Receipt }) },
    async (leaves) => leaves.map(() => []),
    (problem) => problems.push(problem),
  )
  const write = (count: number) => {
    waiting += count
    anchoring.poke()
  }
  const sizes = () => batches.splice(0).map(({ size }) => size)

  write(1)
  await vi.advanceTimersByTimeAsync(60)
  expect(batches).toEqual([{ at: 50, size: 1 }])
  await vi.advanceTimersByTimeAsync(1_000)
  sizes()
  for (let i = 0; i < 20; i++) {
    write(10)
    await vi.advanceTimersByTimeAsync(50)
  }
  await vi.advanceTimersByTimeAsync(1_000)
  const stream = sizes()
  expect(stream.reduce((sum, size) => sum + size)).toBe(200)
  expect(stream.length).toBeLessThanOrEqual(4)
  write(3_200)
  await vi.advanceTimersByTimeAsync(60)
  expect(sizes()).toEqual([1_000, 1_000, 1_000, 200])
  await anchoring.stop()
  expect(problems).toEqual([])
})
