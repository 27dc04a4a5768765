import { setTimeout as sleep } from 'node:timers/promises'
import { Wallet } from 'ethers'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseLog } from '../../src/ledger/chain.js'
import { ChainFollower } from '../../src/ledger/follower.js'
import type { Hex } from '../../src/ledger/hex.js'
import { TransactionSender } from '../../src/ledger/sender.js'
import { decodeSpoken, deployEmitter, type Spoken } from './support/emitter.js'
import { MemorySink } from './support/memory-sink.js'
import { startAnvilNode, type TestNode } from './support/nodes.js'
import { eventually } from './support/eventually.js'

/** What may happen to a chain, to the follower and to its database, in any order. */
type Turn =
  | { do: 'speak'; times: number }
  | { do: 'mine'; blocks: number }
  | { do: 'reorganise'; depth: number; spoken: number[] }
  | { do: 'snapshot' }
  | { do: 'revert' }
  | { do: 'restart' }
  | { do: 'fault'; calls: number }
  | { do: 'wait'; ms: number }

const turn: fc.Arbitrary<Turn> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('speak' as const), times: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mine' as const), blocks: fc.integer({ min: 1, max: 6 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('reorganise' as const),
      depth: fc.integer({ min: 1, max: 12 }),
      // Block of the new fork, per event.
      spoken: fc.array(fc.integer({ min: 0, max: 11 }), { maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'snapshot' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'revert' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fault' as const), calls: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 25 }) }) },
)

describe('a follower', () => {
  let node: TestNode
  let address: Hex
  let block: number

  beforeAll(async () => {
    node = await startAnvilNode()
    const sender = new TransactionSender({ rpc: node.rpc, chainId: node.chainId, signer: new Wallet(node.key) })
    ;({ address, block } = await deployEmitter(sender))
    await sender.close()
  })
  afterAll(async () => {
    await node.stop()
  })

  function follow(sink: MemorySink<Spoken>, linkedBlocks: number): ChainFollower<Spoken> {
    const follower = new ChainFollower<Spoken>({
      rpc: node.rpc,
      socketUrl: node.socketUrl,
      addresses: [address],
      decode: decodeSpoken,
      sink,
      startBlock: block,
      grantTag: 'latest',
      pollMs: 5,
      heartbeatMs: 10,
      shorterChainMs: 0,
      linkedBlocks,
    })
    follower.start()
    return follower
  }

  let words = 0
  const word = (): Hex => `0x${(++words).toString(16).padStart(64, '0')}`
  const from = new Wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80').address
  const height = async (): Promise<number> => Number(await node.rpc.send('eth_blockNumber'))

  async function play(turn: Turn, snapshots: { id: unknown; height: number }[]): Promise<void> {
    switch (turn.do) {
      case 'speak':
        for (let i = 0; i < turn.times; i++) {
          const hash = await node.rpc.send('eth_sendTransaction', [{ from, to: address, data: word() }])
          // anvil answers before it mines.
          while ((await node.rpc.send('eth_getTransactionReceipt', [hash])) === null) await sleep(1)
        }
        return
      case 'mine':
        await node.rpc.send('anvil_mine', [`0x${turn.blocks.toString(16)}`])
        return
      case 'reorganise': {
        const depth = Math.min(turn.depth, (await height()) - block)
        if (depth < 1) return
        const pairs = turn.spoken.map((at) => [{ from, to: address, data: word(), gas: '0x186a0' }, at % depth])
        const fork = (await height()) - depth
        // anvil cannot go back to a block that a reorganisation has removed, and breaks when it is asked to.
        while ((snapshots.at(-1)?.height ?? 0) > fork) snapshots.pop()
        await node.rpc.send('anvil_reorg', [depth, pairs])
        return
      }
      case 'snapshot':
        snapshots.push({ height: await height(), id: await node.rpc.send('evm_snapshot') })
        return
      case 'revert':
        if (snapshots.length > 0) await node.rpc.send('evm_revert', [snapshots.pop()?.id])
        return
      case 'wait':
        await sleep(turn.ms)
    }
  }

  it('holds what a replay of the final chain gives, whatever happened before', async () => {
    let histories = 0
    let rolledBack = 0
    let compared = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(turn, { minLength: 5, maxLength: 30 }),
        fc.integer({ min: 1, max: 8 }),
        async (turns, size) => {
          const sink = new MemorySink<Spoken>()
          let follower = follow(sink, size)
          const snapshots: { id: unknown; height: number }[] = []
          const settled = async (): Promise<boolean> => {
            const { hash } = (await node.rpc.send('eth_getBlockByNumber', ['latest', false])) as { hash: Hex }
            return (await sink.cursor())?.hash === hash
          }
          // However slow the machine, each history takes back at least one block that the follower has seen.
          await play({ do: 'speak', times: 2 }, snapshots)
          await eventually(settled).toBe(true)
          await play({ do: 'reorganise', depth: 2, spoken: [0] }, snapshots)
          await eventually(settled).toBe(true)
          for (const turn of turns) {
            if (turn.do === 'restart') {
              await follower.stop()
              follower = follow(sink, size)
            } else if (turn.do === 'fault') {
              let left = turn.calls
              sink.fault = (when) => {
                if (left-- > 0 && (left % 2 === 0 || when === 'after')) throw new Error(`the database fails ${when}`)
              }
            } else await play(turn, snapshots)
          }
          sink.fault = () => undefined
          await eventually(settled).toBe(true)
          await follower.stop()

          const logs = (await node.rpc.send('eth_getLogs', [
            { address, fromBlock: '0x0', toBlock: 'latest' },
          ])) as unknown[]
          const final = logs.map(parseLog).map((log) => [log.blockHash, log.logIndex, log.transactionHash, log.data])
          const held = sink.events.map((event) => [
            event.block.hash,
            event.logIndex,
            event.transactionHash,
            event.args.data,
          ])
          expect(held).toEqual(final)
          rolledBack += sink.rollbacks
          compared += final.length
          histories++
        },
      ),
      { numRuns: 20, interruptAfterTimeLimit: 25_000 },
    )
    // The histories must have been worth it.
    expect(histories).toBeGreaterThan(0)
    expect(rolledBack).toBeGreaterThanOrEqual(histories)
    expect(compared).toBeGreaterThanOrEqual(histories)
  })
})
