import { expect, it } from 'vitest'
import { Anchoring } from '../../src/gateway/anchoring.js'
import { Contracts } from '../../src/ledger/contracts.js'
import type { Receipt } from '../../src/ledger/receipt.js'
import type { SentTransaction } from '../../src/ledger/sender.js'
import type { Anchors } from '../../src/records/anchors.js'
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
