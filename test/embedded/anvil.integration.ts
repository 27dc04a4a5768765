import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Wallet } from 'ethers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmbeddedChain, FAUCET_KEY } from '../../src/embedded/anvil.js'
import { endProcess, isOurs } from '../../src/embedded/anvil-process.js'
import { header } from '../../src/ledger/chain.js'
import type { Hex } from '../../src/ledger/hex.js'
import { Rpc } from '../../src/ledger/rpc.js'
import { TransactionSender } from '../../src/ledger/sender.js'
import { eventually } from '../ledger/support/eventually.js'

let directory: string
const opened: EmbeddedChain[] = []
const problems: string[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'consentry-anvil-'))
  problems.length = 0
})

afterEach(async () => {
  for (const chain of opened.splice(0)) {
    await chain.stop()
    if (isOurs(chain.pid, directory)) await endProcess(chain.pid, 'SIGKILL')
  }
  rmSync(directory, { recursive: true, force: true })
})

async function start(options: { blockTime?: number } = {}): Promise<EmbeddedChain> {
  const chain = await EmbeddedChain.start({ directory, ...options, onProblem: (problem) => problems.push(problem) })
  opened.push(chain)
  return chain
}

/** What a killed gateway leaves: nobody who stops anything, and the next start finds only the disk. */
async function abandon(chain: EmbeddedChain): Promise<void> {
  opened.splice(opened.indexOf(chain), 1)
  await chain.detach()
}

async function pay(chain: EmbeddedChain, times: number, kept = chain.kept.bind(chain)): Promise<Hex[]> {
  const rpc = new Rpc(chain.url)
  const signer = new Wallet(FAUCET_KEY)
  const sender = new TransactionSender({ rpc, chainId: chain.chainId, signer, kept: (r) => kept(r.blockNumber) })
  try {
    const to = Wallet.createRandom().address.toLowerCase() as Hex
    const sent = []
    for (let i = 0; i < times; i++) sent.push(await sender.send({ to, data: '0x', value: 1n }))
    return (await Promise.all(sent.map((transaction) => transaction.wait()))).map((receipt) => receipt.hash)
  } finally {
    await sender.close()
    await rpc.close()
  }
}

const lines = (): number => readFileSync(join(directory, 'journal.jsonl'), 'utf8').split('\n').length - 1

async function headOf(chain: EmbeddedChain): Promise<{ number: number; hash: Hex }> {
  const rpc = new Rpc(chain.url)
  try {
    const { number, hash } = await header(rpc, 'latest')
    return { number, hash }
  } finally {
    await rpc.close()
  }
}

describe('the embedded chain', () => {
  it('keeps its blocks, its port and its id through an orderly stop', async () => {
    const first = await start()
    const { url, chainId } = first
    await pay(first, 5)
    const head = await headOf(first)
    await first.stop()
    opened.length = 0
    expect(isOurs(first.pid, directory)).toBe(false)

    const second = await start()
    expect(second).toMatchObject({ url, chainId, attached: false })
    expect(await headOf(second)).toEqual(head)
    await pay(second, 1)
    expect(problems).toEqual([])
  })

  it('is found alive by the gateway that follows a killed one, with the blocks made meanwhile', async () => {
    const first = await start()
    await pay(first, 3)
    await abandon(first)
    await pay(first, 2, async () => undefined)
    const head = await headOf(first)

    const second = await start()
    expect(second).toMatchObject({ attached: true, pid: first.pid, url: first.url })
    expect(await headOf(second)).toEqual(head)
    await second.kept(head.number)
  })

  it('has every acknowledged block under the same hash after anvil and gateway are killed', async () => {
    const first = await start()
    const hashes = await pay(first, 20)
    const head = await headOf(first)
    await abandon(first)
    await endProcess(first.pid, 'SIGKILL')
    expect(existsSync(join(directory, 'exit.json'))).toBe(false)

    const second = await start()
    expect(second.attached).toBe(false)
    expect(await headOf(second)).toEqual(head)
    const rpc = new Rpc(second.url)
    for (const hash of hashes)
      expect(await rpc.send('eth_getTransactionReceipt', [hash])).toMatchObject({ status: '0x1' })
    await rpc.close()
    await pay(second, 1)
    expect(problems).toEqual([])
  })

  it('keeps what an orphan made when it is asked to end', async () => {
    const first = await start()
    await pay(first, 2)
    await abandon(first)
    const rpc = new Rpc(first.url)
    await rpc.send('evm_mine')
    await rpc.close()
    const head = await headOf(first)
    await endProcess(first.pid, 'SIGTERM')

    const second = await start()
    expect(await headOf(second)).toEqual(head)
  })

  it('comes back on its port when anvil dies under a living gateway', async () => {
    const chain = await start()
    await pay(chain, 4)
    const head = await headOf(chain)
    const { pid, url } = chain
    await endProcess(pid, 'SIGKILL')
    await eventually(() => chain.pid).not.toBe(pid)
    expect(chain.url).toBe(url)
    await eventually(() => headOf(chain).catch(() => null)).toEqual(head)
    await pay(chain, 1)
  })

  it('forgets a torn line and a torn dump, which nobody was told of', async () => {
    const first = await start()
    await pay(first, 3)
    const head = await headOf(first)
    await abandon(first)
    await endProcess(first.pid, 'SIGKILL')
    const { appendFileSync, writeFileSync } = await import('node:fs')
    appendFileSync(join(directory, 'journal.jsonl'), '{"number":4,"hash":"0x')
    writeFileSync(join(directory, 'exit.json'), readFileSync(join(directory, 'checkpoint.json')).subarray(0, 500))

    expect(await headOf(await start())).toEqual(head)
    expect(problems).toEqual([])
  })

  it('keeps a chain that somebody has reorganised as it is now', async () => {
    const first = await start()
    await pay(first, 6)
    const rpc = new Rpc(first.url)
    await rpc.send('anvil_reorg', [3, []])
    await rpc.close()
    const reorganised = await headOf(first)
    await pay(first, 2)
    const head = await headOf(first)
    await abandon(first)
    await endProcess(first.pid, 'SIGKILL')

    // One more when a transaction came while the recorder had mining paused.
    expect(head.number).toBeGreaterThanOrEqual(reorganised.number + 2)
    expect(await headOf(await start())).toEqual(head)
  })

  it('makes blocks at intervals when it is told to', async () => {
    const chain = await start({ blockTime: 1 })
    const before = await headOf(chain)
    await eventually(async () => (await headOf(chain)).number).toBeGreaterThan(before.number)
  })

  it('tells the time of the wall clock after a replay', async () => {
    const first = await start()
    await pay(first, 2)
    await abandon(first)
    await endProcess(first.pid, 'SIGKILL')
    const second = await start()
    await pay(second, 1)
    const rpc = new Rpc(second.url)
    const { timestamp } = await header(rpc, 'latest')
    await rpc.close()
    expect(Math.abs(timestamp - Date.now() / 1000)).toBeLessThan(3)
  })

  it('loses nothing that was acknowledged, whenever it is killed', async () => {
    const seen = new Map<Hex, Hex>()
    for (let life = 0; life < 8; life++) {
      const chain = await start()
      const rpc = new Rpc(chain.url)
      for (const [hash, block] of seen) {
        expect(await rpc.send('eth_getTransactionReceipt', [hash])).toMatchObject({ blockHash: block, status: '0x1' })
      }
      const kept = (receipt: { blockNumber: number }): Promise<void> => chain.kept(receipt.blockNumber)
      const sender = new TransactionSender({ rpc, chainId: chain.chainId, signer: new Wallet(FAUCET_KEY), kept })
      const before = seen.size
      let running = true
      const load = async (): Promise<void> => {
        while (running) {
          const sent = await sender.send({ to: sender.address, data: '0x', gasLimit: 21_000n })
          const receipt = await sent.wait()
          seen.set(receipt.hash, receipt.blockHash)
        }
      }
      const loads = Promise.allSettled([load(), load(), load()])
      // Long enough for a compaction to be under way in some lives.
      await sleep(20 + life * 60)
      await eventually(() => seen.size).toBeGreaterThan(before)
      await abandon(chain)
      running = false
      await sender.close()
      await loads
      await rpc.close()
      if (life % 4 !== 1) await endProcess(chain.pid, 'SIGKILL')
    }
    expect(problems).toEqual([])
  })

  it('compacts its journal beside the running chain', async () => {
    const chain = await start()
    await pay(chain, 160)
    await eventually(() => lines()).toBeLessThan(150)
    const head = await headOf(chain)
    await abandon(chain)
    await endProcess(chain.pid, 'SIGKILL')
    expect(await headOf(await start())).toEqual(head)
    expect(problems).toEqual([])
  })

  it('refuses another chain id than that of its first start', async () => {
    const first = await start()
    await first.stop()
    opened.length = 0
    await expect(EmbeddedChain.start({ directory, chainId: 1 })).rejects.toThrow(/has id 31337, not 1/)
  })

  it('names the binary that cannot be started', async () => {
    await expect(EmbeddedChain.start({ directory, binary: '/nowhere/anvil' })).rejects.toThrow(/does not start/)
  })
})
