import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { it } from 'vitest'
import { EmbeddedChain } from '../../src/embedded/anvil.js'
import { endProcess } from '../../src/embedded/anvil-process.js'
import { ChainFollower } from '../../src/ledger/follower.js'
import type { Hex } from '../../src/ledger/hex.js'
import { Rpc } from '../../src/ledger/rpc.js'
import { TransactionSender } from '../../src/ledger/sender.js'
import { consortium, randomId, ZERO } from '../ledger/support/consortium.js'
import { decodeSpoken, deployEmitter, type Spoken } from '../ledger/support/emitter.js'
import { MemorySink } from '../ledger/support/memory-sink.js'
import { gethBinary, startAnvilNode, startGethNode, type TestNode } from '../ledger/support/nodes.js'

/** `npx vitest bench test/bench/ledger.bench.ts`: the figures of src/ledger/README.md, medians of a few rounds. */
const ROUNDS = 5

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

async function median(work: () => Promise<number>, rounds = ROUNDS): Promise<number> {
  const times = []
  for (let i = 0; i < rounds; i++) times.push(await work())
  return times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN
}

function print(what: string, value: number, unit: string): void {
  console.log(`${what.padEnd(68)} ${value.toFixed(value < 10 ? 2 : 0).padStart(8)} ${unit}`)
}

const word = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`

async function embedded(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'consentry-bench-'))
  let chain!: EmbeddedChain
  const start = async (): Promise<void> => void (chain = await EmbeddedChain.start({ directory }))
  const fill = async (blocks: number): Promise<void> => {
    const rpc = new Rpc(chain.url)
    const signer = new Wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
    const kept = async ({ blockNumber }: { blockNumber: number }): Promise<void> => chain.kept(blockNumber)
    const sender = new TransactionSender({ rpc, chainId: chain.chainId, signer, kept })
    for (let done = 0; done < blocks; done += 50) {
      const sent = []
      for (let i = 0; i < 50; i++) sent.push(await sender.send({ to: sender.address, data: '0x', gasLimit: 21_000n }))
      await Promise.all(sent.map((transaction) => transaction.wait()))
    }
    await sender.close()
    await rpc.close()
  }
  print('embedded chain: first start', await timed(start), 'ms')
  for (const blocks of [250, 2_000]) {
    await fill(blocks)
    await chain.detach()
    print(`embedded chain, +${blocks} blocks: gateway killed, attach`, await timed(start), 'ms')
    await chain.detach()
    await endProcess(chain.pid, 'SIGKILL')
    print(`embedded chain, +${blocks} blocks: both killed, replay`, await timed(start), 'ms')
    print(`embedded chain, +${blocks} blocks: orderly stop`, await timed(() => chain.stop()), 'ms')
    print(`embedded chain, +${blocks} blocks: orderly start`, await timed(start), 'ms')
  }
  const rpc = new Rpc(chain.url)
  const signer = new Wallet('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
  for (const [name, kept] of [
    ['', undefined],
    [' and durable', async ({ blockNumber }: { blockNumber: number }) => chain.kept(blockNumber)],
  ] as const) {
    const sender = new TransactionSender({ rpc, chainId: chain.chainId, signer, ...(kept ? { kept } : {}) })
    const request = { to: sender.address, data: '0x', gasLimit: 21_000n } as const
    const one = await median(async () => timed(async () => (await sender.send(request)).wait()), 21)
    print(`embedded chain: one transaction mined${name}`, one, 'ms')
    await sender.close()
  }
  await rpc.close()
  await chain.stop()
  rmSync(directory, { recursive: true })
}

async function transport(node: TestNode): Promise<void> {
  const { rpc, chainId, kind } = node
  const sender = new TransactionSender({ rpc, chainId, signer: new Wallet(node.key) })
  const { address, block } = await deployEmitter(sender)
  const burst = async (count: number): Promise<void> => {
    const sent = await Promise.all(
      Array.from({ length: count }, (_, i) => sender.send({ to: address, data: word(i), gasLimit: 60_000n })),
    )
    await Promise.all(sent.map((transaction) => transaction.wait()))
  }
  const count = 300
  print(
    `${kind}: transactions of one key, 300 at once`,
    count / ((await median(() => timed(() => burst(count)), 3)) / 1000),
    '/s',
  )

  const follow = (sink: MemorySink<Spoken>, socketUrl?: string): ChainFollower<Spoken> => {
    const options = {
      rpc,
      addresses: [address],
      decode: decodeSpoken,
      sink,
      startBlock: block,
      grantTag: 'latest' as const,
    }
    const follower = new ChainFollower<Spoken>({ ...options, ...(socketUrl ? { socketUrl } : {}) })
    follower.start()
    return follower
  }
  const head = Number(await rpc.send('eth_blockNumber'))
  const sink = new MemorySink<Spoken>()
  const caughtUp = await timed(async () => {
    const follower = follow(sink)
    await follower.reached(head)
    await follower.stop()
  })
  print(
    `${kind}: follower catching up, ${sink.events.length} events in ${head} blocks`,
    head / (caughtUp / 1000),
    'blocks/s',
  )
  for (const socketUrl of [undefined, node.socketUrl]) {
    const live = new MemorySink<Spoken>()
    const follower = follow(live, socketUrl)
    await follower.reached(head)
    const latency = await median(async () => {
      const before = live.events.length
      const receipt = await (await sender.send({ to: address, data: word(1), gasLimit: 60_000n })).wait()
      return timed(async () => {
        // Without a poke: how long until the follower finds it by itself.
        while (live.events.length === before) await new Promise((resolve) => setTimeout(resolve, 1))
        void receipt
      })
    }, 11)
    print(`${kind}: from receipt to applied event, ${socketUrl ? 'WebSocket' : 'polling'}`, latency, 'ms')
    await follower.stop()
  }
  await sender.close()
}

async function reads(node: TestNode): Promise<void> {
  const at = await consortium(node)
  const patients = [at.custodial, randomId()]
  const question = { grantee: at.entity, label: ZERO, action: 0, purpose: 1, categories: 1n }
  const questions = Array.from({ length: 200 }, (_, i) => ({ ...question, patient: patients[i % 2] ?? ZERO }))
  const calls = questions.map((q) =>
    at.contracts.read('ConsentRegistry', 'check', q.patient, q.grantee, q.label, 0n, 1n, 1n),
  )
  const one = await median(() => timed(() => at.reader.check(questions.slice(0, 1))), 21)
  const batch = await median(() => timed(() => at.reader.callMany(calls)), 11)
  const code = await median(() => timed(() => at.reader.check(questions)), 11)
  print(`${node.kind}: check of one question`, one, 'ms')
  print(`${node.kind}: check of 200 questions, JSON-RPC batches`, batch, 'ms')
  print(`${node.kind}: check of 200 questions, one piece of code`, code, 'ms')
  print(`${node.kind}: batches / code`, batch / code, 'times')
  await at.close()
}

it('the ledger', { timeout: 600_000 }, async () => {
  await embedded()
  for (const start of gethBinary ? [startAnvilNode, startGethNode] : [startAnvilNode]) {
    const node = await start()
    await transport(node)
    await reads(node)
    await node.stop()
  }
})
