import { Wallet } from 'ethers'
import { createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { BlockRef } from '../../src/ledger/chain.js'
import { ChainFollower, type FollowerOptions } from '../../src/ledger/follower.js'
import { toQuantity, type Hex } from '../../src/ledger/hex.js'
import { Rpc } from '../../src/ledger/rpc.js'
import { TransactionSender } from '../../src/ledger/sender.js'
import { decodeSpoken, deployEmitter, type Spoken } from './support/emitter.js'
import { MemorySink } from './support/memory-sink.js'
import { gethBinary, gethMissing, startAnvilNode, startGethNode, type TestNode } from './support/nodes.js'
import { eventually } from './support/eventually.js'

interface Stage {
  node: TestNode
  sender: TransactionSender
  address: Hex
  block: number
}

const followers: ChainFollower<Spoken>[] = []

afterEach(async () => {
  for (const follower of followers.splice(0)) await follower.stop()
})

async function stageOn(node: TestNode): Promise<Stage> {
  const sender = new TransactionSender({ rpc: node.rpc, chainId: node.chainId, signer: new Wallet(node.key) })
  return { node, sender, ...(await deployEmitter(sender)) }
}

function follow(stage: Stage, sink: MemorySink<Spoken>, options: Partial<FollowerOptions<Spoken>> = {}) {
  const follower = new ChainFollower<Spoken>({
    rpc: stage.node.rpc,
    addresses: [stage.address],
    decode: decodeSpoken,
    sink,
    startBlock: stage.block,
    grantTag: 'latest',
    pollMs: 20,
    heartbeatMs: 200,
    shorterChainMs: 0,
    ...options,
  })
  followers.push(follower)
  follower.start()
  return follower
}

let words = 0
/** One transaction after the other, so that the events come in the order of the words. */
async function speak(stage: Stage, times = 1): Promise<number[]> {
  const said = Array.from({ length: times }, () => ++words)
  const sent = []
  for (const n of said) {
    const data: Hex = `0x${n.toString(16).padStart(64, '0')}`
    sent.push(await stage.sender.send({ to: stage.address, data, gasLimit: 100_000n }))
  }
  await Promise.all(sent.map((transaction) => transaction.wait()))
  return said
}

const heard = (sink: MemorySink<Spoken>): number[] => sink.events.map((event) => Number(event.args.data))

function suite(start: () => Promise<TestNode>): void {
  let stage: Stage
  beforeAll(async () => {
    stage = await stageOn(await start())
  })
  afterAll(async () => {
    await stage.sender.close()
    await stage.node.stop()
  })

  it('brings every event once, in order, from the deployment on and as they come', async () => {
    const sink = new MemorySink<Spoken>()
    const before = await speak(stage, 5)
    const follower = follow(stage, sink, { linkedBlocks: 2 })
    await eventually(() => heard(sink)).toEqual(before)
    const after = await speak(stage, 5)
    await eventually(() => heard(sink)).toEqual([...before, ...after])
    expect(follower.health).toMatchObject({ state: 'following', rollbacks: 0, problem: null })
    expect(Date.now() - (follower.confirmedAt ?? 0)).toBeLessThan(60_000)
    expect(follower.headTimestamp).toBe((await sink.cursor())?.timestamp)
    const [event] = sink.events
    expect(event).toMatchObject({ contract: 'Emitter', name: 'Spoken', logIndex: 0, transactionIndex: 0 })
  })

  it('hears of a new block by WebSocket', async () => {
    const sink = new MemorySink<Spoken>()
    const follower = follow(stage, sink, { socketUrl: stage.node.socketUrl, heartbeatMs: 60_000, pollMs: 60_000 })
    await eventually(() => follower.health.socket).toBe(true)
    const [said] = await speak(stage)
    await eventually(() => heard(sink).at(-1)).toBe(said)
  })

  it('waits for a block that somebody needs', async () => {
    const sink = new MemorySink<Spoken>()
    const follower = follow(stage, sink, { pollMs: 60_000 })
    const sent = await stage.sender.send({ to: stage.address, data: `0x${'f'.repeat(8)}` })
    const { blockNumber } = await sent.wait()
    await follower.reached(blockNumber)
    expect(sink.events.at(-1)?.block.number).toBe(blockNumber)
    await expect(follower.reached(blockNumber + 1_000, 50)).rejects.toMatchObject({ kind: 'unavailable' })
  })

  it('goes on where the sink stands', async () => {
    const sink = new MemorySink<Spoken>()
    const first = follow(stage, sink)
    await speak(stage, 2)
    await eventually(() => heard(sink).length).toBeGreaterThan(0)
    await first.stop()
    await speak(stage, 3)
    const second = follow(stage, sink)
    const head = Number(await stage.node.rpc.send('eth_blockNumber'))
    await second.reached(head)
    expect(new Set(heard(sink)).size).toBe(heard(sink).length)
    expect((await sink.cursor())?.number).toBe(head)
  })

  it('neither loses nor doubles an event when the sink fails before or after its commit', async () => {
    const sink = new MemorySink<Spoken>()
    let calls = 0
    sink.fault = (when) => {
      calls++
      if (calls % 3 === 0) throw new Error(`the database is away ${when} the commit`)
    }
    const follower = follow(stage, sink, { linkedBlocks: 1 })
    const said = await speak(stage, 6)
    await eventually(() => heard(sink)).toEqual(expect.arrayContaining(said))
    expect(new Set(heard(sink)).size).toBe(heard(sink).length)
    sink.fault = () => undefined
    await eventually(() => follower.health.state).toBe('following')
  })
}

describe('ChainFollower on anvil', () => {
  suite(() => startAnvilNode())
})

describe.skipIf(!gethBinary)(`ChainFollower on geth (${gethBinary ? 'found' : gethMissing})`, () => {
  suite(() => startGethNode())
})

describe.skipIf(!gethBinary)(`ChainFollower on a geth that is set back (${gethBinary ? 'found' : gethMissing})`, () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await stageOn(await startGethNode())
  })
  afterAll(async () => {
    await stage.sender.close()
    await stage.node.stop()
  })

  it('rolls back and replays', async () => {
    const sink = new MemorySink<Spoken>()
    const follower = follow(stage, sink)
    const kept = await speak(stage, 2)
    await eventually(() => heard(sink)).toEqual(kept)
    const cursor = await sink.cursor()
    const lost = await speak(stage, 3)
    await eventually(() => heard(sink)).toEqual([...kept, ...lost])
    await stage.node.rpc.send('debug_setHead', [toQuantity(cursor?.number ?? 0)])
    await eventually(() => heard(sink)).toEqual(kept)
    const later = await speak(stage)
    await eventually(() => heard(sink).slice(0, 3)).toEqual([...kept, ...later])
    expect(follower.health.rollbacks).toBeGreaterThan(0)
  })
})

describe('ChainFollower in trouble', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await stageOn(await startAnvilNode())
  })
  afterAll(async () => {
    await stage.sender.close()
    await stage.node.stop()
  })

  it('rolls back to the fork point when the chain changes, and replays', async () => {
    const sink = new MemorySink<Spoken>()
    const follower = follow(stage, sink)
    const kept = await speak(stage, 2)
    const lost = await speak(stage, 2)
    await eventually(() => heard(sink)).toEqual([...kept, ...lost])
    await stage.node.rpc.send('anvil_reorg', [2, []])
    await eventually(() => heard(sink)).toEqual(kept)
    expect(sink.rollbacks).toBe(1)
    const later = await speak(stage)
    await eventually(() => heard(sink)).toEqual([...kept, ...later])
    expect(follower.health.rollbacks).toBe(1)
  })

  it('rolls back when the chain has only become shorter', async () => {
    const sink = new MemorySink<Spoken>()
    follow(stage, sink)
    const snapshot = await stage.node.rpc.send('evm_snapshot')
    const before = heard(sink).length
    const said = await speak(stage, 3)
    await eventually(() => heard(sink).slice(-3)).toEqual(said)
    await stage.node.rpc.send('evm_revert', [snapshot])
    const head = Number(await stage.node.rpc.send('eth_blockNumber'))
    await eventually(async () => (await sink.cursor())?.number).toBe(head)
    expect(heard(sink)).not.toEqual(expect.arrayContaining(said))
    expect(heard(sink).length).toBeGreaterThanOrEqual(before)
  })

  it('takes a shorter head for a lagging node while it is patient, and confirms nothing', async () => {
    const sink = new MemorySink<Spoken>()
    const follower = follow(stage, sink, { shorterChainMs: 60_000 })
    const snapshot = await stage.node.rpc.send('evm_snapshot')
    const said = await speak(stage)
    await eventually(() => heard(sink).at(-1)).toBe(said[0])
    await eventually(() => follower.health.nodeHead).toBe((await sink.cursor())?.number)
    await stage.node.rpc.send('evm_revert', [snapshot])
    await eventually(() => follower.health.problem).toMatch(/behind the mirror/)
    const confirmed = follower.confirmedAt
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(follower.confirmedAt).toBe(confirmed)
    expect(heard(sink).at(-1)).toBe(said[0])
  })

  it('replays everything when no block that it remembers is left', async () => {
    const sink = new MemorySink<Spoken>()
    const said = await speak(stage, 2)
    const first = follow(stage, sink)
    await eventually(() => heard(sink).slice(-2)).toEqual(said)
    await first.stop()
    const all = heard(sink)
    const forgetful = Object.assign(sink, { knownHash: async () => null })
    await stage.node.rpc.send('anvil_reorg', [1, []])
    follow(stage, forgetful)
    await eventually(() => heard(sink)).toEqual(all.slice(0, -1))
  })

  it('survives the loss of its node and of its socket', async () => {
    const { server, url, cut } = await cuttable(stage.node.url)
    const sink = new MemorySink<Spoken>()
    const rpc = new Rpc(url, { timeoutMs: 500 })
    const follower = follow(stage, sink, { rpc, socketUrl: url.replace('http', 'ws') })
    await eventually(() => follower.health.socket).toBe(true)
    const problems = (): string | null => follower.health.problem
    cut(true)
    const said = await speak(stage, 3)
    await eventually(problems).toMatch(/does not answer/)
    expect(follower.health).toMatchObject({ state: 'failing', socket: false })
    cut(false)
    await eventually(() => heard(sink).slice(-3)).toEqual(said)
    await eventually(() => follower.health.socket).toBe(true)
    await follower.stop()
    await rpc.close()
    server.close()
  })

  it('tells how far grants are final, and moves that on without new events', async () => {
    const sink = new MemorySink<Spoken>()
    const steps: number[] = []
    const apply = sink.apply.bind(sink)
    sink.apply = async (step) => {
      steps.push(step.finalized)
      await apply(step)
    }
    follow(stage, sink, { grantTag: 'safe' })
    await speak(stage)
    const safe = async (): Promise<number> => {
      const block = (await stage.node.rpc.send('eth_getBlockByNumber', ['safe', false])) as { number: string }
      return Number(block.number)
    }
    await eventually(() => sink.finalized).toBe(await safe())
    await stage.node.rpc.send('anvil_mine', ['0x5'])
    await eventually(() => sink.finalized).toBe(await safe())
    expect(sink.finalized).toBeLessThan((await sink.cursor())?.number ?? 0)
    expect(steps).toEqual([...steps].sort((a, b) => a - b))
  })

  it('reads a long final history in few requests, and no more at once than the node allows', async () => {
    await speak(stage, 30)
    await stage.node.rpc.send('anvil_mine', ['0x96'])
    const said = await speak(stage, 2)
    const sink = new MemorySink<Spoken>()
    const rpc = new Rpc(stage.node.url)
    const asked: number[] = []
    const all = rpc.all.bind(rpc)
    rpc.all = async (calls) => {
      for (const call of calls) {
        const [filter] = (call.params ?? []) as [{ fromBlock?: string; toBlock?: string }?]
        if (call.method !== 'eth_getLogs' || !filter?.fromBlock) continue
        const size = Number(filter.toBlock) - Number(filter.fromBlock) + 1
        asked.push(size)
        if (size > 40) return await all([{ method: 'eth_getLogs', params: ['too many blocks'] }])
      }
      return await all(calls)
    }
    const follower = follow(stage, sink, { rpc, linkedBlocks: 16 })
    await eventually(() => heard(sink).slice(-2)).toEqual(said)
    expect(heard(sink).length).toBe(new Set(heard(sink)).size)
    expect(Math.max(...asked)).toBeGreaterThan(40)
    await follower.stop()
    await rpc.close()
  })

  it('asks again by hash when the node shows no logs of a block that has some', async () => {
    const sink = new MemorySink<Spoken>()
    const rpc = new Rpc(stage.node.url)
    const all = rpc.all.bind(rpc)
    rpc.all = async (calls) => {
      const answers = await all(calls)
      // A node behind a load balancer that has not got the block yet.
      return answers.map((answer, i) => {
        const [filter] = (calls[i]?.params ?? []) as [{ fromBlock?: string }?]
        return calls[i]?.method === 'eth_getLogs' && filter?.fromBlock ? [] : answer
      })
    }
    const follower = follow(stage, sink, { rpc, linkedBlocks: 10_000 })
    const said = await speak(stage, 3)
    await eventually(() => heard(sink).slice(-3)).toEqual(said)
    await follower.stop()
    await rpc.close()
  })

  it('confirms nothing while its node is synchronising', async () => {
    const sink = new MemorySink<Spoken>()
    const rpc = new Rpc(stage.node.url)
    const batch = rpc.batch.bind(rpc)
    let syncing: unknown = { currentBlock: '0x1', highestBlock: '0xffff' }
    rpc.batch = async (calls) =>
      (await batch(calls)).map((answer, i) => (calls[i]?.method === 'eth_syncing' ? syncing : answer))
    const follower = follow(stage, sink, { rpc })
    await follower.reached(stage.block)
    await eventually(() => follower.health.problem).toMatch(/synchronising/)
    expect(follower.confirmedAt).toBeNull()
    syncing = false
    await eventually(() => follower.confirmedAt).not.toBeNull()
    await follower.stop()
    await rpc.close()
  })

  it('ends the step under way when it is stopped, and then says so', async () => {
    const sink = new MemorySink<Spoken>()
    const gate = Promise.withResolvers<undefined>()
    const entered = Promise.withResolvers<BlockRef>()
    const apply = sink.apply.bind(sink)
    sink.apply = async (step) => {
      entered.resolve(step.head)
      await gate.promise
      await apply(step)
    }
    const follower = follow(stage, sink)
    const head = await entered.promise
    const stopping = follower.stop()
    const waiting = expect(follower.reached(10 ** 9)).rejects.toMatchObject({ kind: 'unavailable' })
    gate.resolve(undefined)
    await stopping
    await waiting
    expect(await sink.cursor()).toEqual(head)
    expect(follower.health.state).toBe('stopped')
  })
})

/** A TCP relay whose connections can be cut and refused. */
async function cuttable(target: string): Promise<{ server: Server; url: string; cut: (off: boolean) => void }> {
  const { connect } = await import('node:net')
  const port = Number(new URL(target).port)
  const sockets = new Set<Socket>()
  let off = false
  const server = createServer((socket) => {
    if (off) return socket.destroy()
    const upstream = connect(port, '127.0.0.1')
    for (const end of [socket, upstream]) {
      sockets.add(end)
      end.on('error', () => undefined).on('close', () => (socket.destroy(), upstream.destroy(), sockets.delete(end)))
    }
    return socket.pipe(upstream).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (value: boolean): void => {
    off = value
    if (off) for (const socket of sockets) socket.destroy()
  }
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut }
}
