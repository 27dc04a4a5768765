import { Wallet } from 'ethers'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ConsentryError } from '../../src/errors.js'
import type { Hex } from '../../src/ledger/hex.js'
import { Rpc } from '../../src/ledger/rpc.js'
import { TransactionSender, type SenderOptions } from '../../src/ledger/sender.js'
import { deployEmitter } from './support/emitter.js'
import { gethBinary, gethMissing, startAnvilNode, startGethNode, type TestNode } from './support/nodes.js'
import { eventually } from './support/eventually.js'

const senders: TransactionSender[] = []

afterEach(async () => {
  for (const sender of senders.splice(0)) await sender.close()
})

function senderOf(node: TestNode, options: Partial<SenderOptions> = {}): TransactionSender {
  const sender = new TransactionSender({
    rpc: node.rpc,
    chainId: node.chainId,
    signer: new Wallet(node.key),
    resendAfterMs: 50,
    raiseAfterMs: 150,
    pollMs: 50,
    ...options,
  })
  senders.push(sender)
  return sender
}

const word = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`

function suite(start: () => Promise<TestNode>): void {
  let node: TestNode
  beforeAll(async () => {
    node = await start()
  })
  afterAll(async () => {
    await node.stop()
  })

  it('gives concurrent transactions one nonce each and all their receipts', async () => {
    const sender = senderOf(node)
    const { address } = await deployEmitter(sender)
    const sent = await Promise.all(Array.from({ length: 40 }, (_, i) => sender.send({ to: address, data: word(i) })))
    const receipts = await Promise.all(sent.map((transaction) => transaction.wait()))
    expect(new Set(receipts.map((receipt) => receipt.hash)).size).toBe(40)
    expect(receipts.map((receipt) => Number(receipt.logs[0]?.data)).sort((a, b) => a - b)).toEqual([
      ...Array(40).keys(),
    ])
    expect(sender.pending).toBe(0)
  })

  it('refuses what would revert before it is sent, and rejects what reverts in its block', async () => {
    const sender = senderOf(node)
    const { address } = await deployEmitter(sender)
    await expect(sender.send({ to: address, data: '0x' })).rejects.toMatchObject({ reason: null, kind: 'internal' })
    const sent = await sender.send({ to: address, data: '0x', gasLimit: 100_000n })
    await expect(sent.wait()).rejects.toMatchObject({ name: 'ConsentryError', reason: null })
  })

  it('shares its key with a second sender', async () => {
    const one = senderOf(node)
    const other = senderOf(node)
    const { address } = await deployEmitter(one)
    const sent = await Promise.all(
      Array.from({ length: 30 }, (_, i) => (i % 2 ? one : other).send({ to: address, data: word(i) })),
    )
    const receipts = await Promise.all(sent.map((transaction) => transaction.wait()))
    const spoken = receipts.map((receipt) => Number(receipt.logs[0]?.data)).sort((a, b) => a - b)
    expect(spoken).toEqual([...Array(30).keys()])
  })

  it('says which account cannot pay', async () => {
    const poor = Wallet.createRandom()
    const sender = senderOf(node, { signer: poor })
    const failure = sender.send({ to: poor.address.toLowerCase() as Hex, data: '0x', gasLimit: 21_000n })
    await expect(failure).rejects.toMatchObject({ kind: 'unavailable', retryAfterSeconds: 60 })
    await expect(failure).rejects.toThrow(poor.address.toLowerCase())
  })
}

describe('TransactionSender on anvil', () => {
  suite(() => startAnvilNode())
})

describe.skipIf(!gethBinary)(`TransactionSender on geth (${gethBinary ? 'found' : gethMissing})`, () => {
  suite(() => startGethNode())
})

describe('TransactionSender in trouble', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await startAnvilNode()
  })
  afterAll(async () => {
    await node.stop()
  })
  afterEach(async () => {
    await node.rpc.send('evm_setAutomine', [true])
    await node.rpc.send('evm_mine')
  })

  const self = (sender: TransactionSender) => ({ to: sender.address, data: '0x', gasLimit: 21_000n }) as const
  const poolSize = async (): Promise<number> => {
    const { pending, queued } = (await node.rpc.send('txpool_status')) as { pending: string; queued: string }
    return Number(pending) + Number(queued)
  }

  it('is unavailable at once when the chain is down, and sends nothing', async () => {
    const rpc = new Rpc('http://127.0.0.1:9')
    const sender = senderOf(node, { rpc })
    const failure = sender.send(self(sender))
    await expect(failure).rejects.toBeInstanceOf(ConsentryError)
    await expect(failure).rejects.toMatchObject({ kind: 'unavailable', retryAfterSeconds: 2 })
    expect(sender.pending).toBe(0)
    await rpc.close()
  })

  it('sends again what the node has dropped', async () => {
    await node.rpc.send('evm_setAutomine', [false])
    const sender = senderOf(node, { raiseAfterMs: 600_000 })
    const sent = await sender.send(self(sender))
    await node.rpc.send('anvil_dropTransaction', [sent.hash])
    expect(await poolSize()).toBe(0)
    await eventually(poolSize).toBe(1)
    await node.rpc.send('evm_mine')
    expect((await sent.wait()).hash).toBe(sent.hash)
  })

  it('offers more for what waits too long, and takes whichever version is mined', async () => {
    await node.rpc.send('evm_setAutomine', [false])
    const sender = senderOf(node)
    const sent = await sender.send(self(sender))
    const inPool = async (): Promise<unknown> =>
      ((await node.rpc.send('eth_getBlockByNumber', ['pending', false])) as { transactions: Hex[] }).transactions[0]
    await eventually(inPool).not.toBe(sent.hash)
    await node.rpc.send('evm_mine')
    const receipt = await sent.wait()
    expect(receipt.hash).not.toBe(sent.hash)
    expect(receipt.succeeded).toBe(true)
  })

  it('raises the price at once when the base fee has overtaken it', async () => {
    const sender = senderOf(node)
    await (await sender.send(self(sender))).wait()
    // Within the second for which the sender believes the last price.
    await node.rpc.send('anvil_setNextBlockBaseFeePerGas', ['0x174876e800'])
    await node.rpc.send('evm_mine')
    await (await sender.send(self(sender))).wait()
  })

  it('goes on after a restart while the transactions of the process before it still wait', async () => {
    await node.rpc.send('evm_setAutomine', [false])
    const before = senderOf(node)
    for (let i = 0; i < 3; i++) await before.send(self(before))
    await before.close()
    const after = senderOf(node, { raiseAfterMs: 60_000 })
    const sent = await after.send(self(after))
    expect(await poolSize()).toBe(4)
    await node.rpc.send('evm_mine')
    await sent.wait()
  })

  it('frees itself from a stuck transaction of the process before it', async () => {
    await node.rpc.send('evm_setAutomine', [false])
    const before = senderOf(node)
    const stuck = await before.send(self(before))
    await before.close()
    const after = senderOf(node)
    const sent = await after.send({ ...self(after), value: 1n })
    // The node forgets the earlier one, so that nothing can be mined until the nonce is filled.
    await node.rpc.send('anvil_dropTransaction', [stuck.hash])
    await eventually(async () => ((await node.rpc.send('txpool_status')) as { pending: string }).pending).toBe('0x2')
    await node.rpc.send('evm_mine')
    await sent.wait()
  })

  it('replaces what the process before it offered too cheaply', async () => {
    await node.rpc.send('evm_setAutomine', [false])
    const before = senderOf(node)
    const stuck = await before.send(self(before))
    await before.close()
    await node.rpc.send('anvil_setNextBlockBaseFeePerGas', ['0xe8d4a51000'])
    await node.rpc.send('evm_mine')
    const after = senderOf(node)
    const sent = await after.send({ ...self(after), value: 1n })
    await eventually(async () => {
      await node.rpc.send('evm_mine')
      return await node.rpc.send('eth_getTransactionReceipt', [sent.hash])
    }).not.toBeNull()
    await sent.wait()
    expect(await node.rpc.send('eth_getTransactionReceipt', [stuck.hash])).toBeNull()
  })

  it('moves on when its nonce went to somebody else', async () => {
    await node.rpc.send('evm_setAutomine', [false])
    const sender = senderOf(node, { raiseAfterMs: 600_000 })
    const sent = await sender.send(self(sender))
    await node.rpc.send('anvil_dropTransaction', [sent.hash])
    const wallet = new Wallet(node.key)
    const nonce = Number(await node.rpc.send('eth_getTransactionCount', [wallet.address, 'latest']))
    const fees = { maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 10n ** 10n }
    const rival = { type: 2, chainId: node.chainId, nonce, to: wallet.address, value: 7n, gasLimit: 21_000n, ...fees }
    await node.rpc.send('eth_sendRawTransaction', [await wallet.signTransaction(rival)])
    await node.rpc.send('evm_mine')
    await node.rpc.send('evm_setAutomine', [true])
    const receipt = await sent.wait()
    expect(receipt.hash).not.toBe(sent.hash)
    expect(Number(await node.rpc.send('eth_getTransactionCount', [wallet.address, 'latest']))).toBe(nonce + 2)
  })

  it('refills the nonces that the chain has lost', async () => {
    const sender = senderOf(node)
    const snapshot = await node.rpc.send('evm_snapshot')
    const lost = await Promise.all(Array.from({ length: 3 }, () => sender.send(self(sender))))
    await Promise.all(lost.map((transaction) => transaction.wait()))
    await node.rpc.send('evm_setAutomine', [false])
    const sent = await sender.send(self(sender))
    await node.rpc.send('evm_revert', [snapshot])
    await eventually(async () => {
      await node.rpc.send('evm_mine')
      return await node.rpc.send('eth_getTransactionReceipt', [sent.hash])
    }).not.toBeNull()
    await sent.wait()
    for (const { hash } of lost) expect(await node.rpc.send('eth_getTransactionReceipt', [hash])).not.toBeNull()
  })

  it('follows up a transaction whose submission was not answered', async () => {
    const { server, rpc } = await deafProxy(node.url)
    const sender = senderOf(node, { rpc })
    const sent = await sender.send(self(sender))
    expect((await sent.wait()).hash).toBe(sent.hash)
    await rpc.close()
    server.close()
  })

  it('tells whoever waits too long, and goes on', async () => {
    await node.rpc.send('evm_setAutomine', [false])
    const sender = senderOf(node, { raiseAfterMs: 60_000 })
    const sent = await sender.send(self(sender))
    await expect(sent.wait(50)).rejects.toMatchObject({ kind: 'unavailable' })
    await node.rpc.send('evm_mine')
    await sent.wait()
  })

  it('lets go whoever shall wait no longer, and goes on', async () => {
    await node.rpc.send('evm_setAutomine', [false])
    const sender = senderOf(node, { raiseAfterMs: 60_000 })
    const sent = await sender.send(self(sender))
    const stopping = new AbortController()
    const waiting = expect(sent.wait(undefined, stopping.signal)).rejects.toThrow('stop')
    stopping.abort(new Error('stop'))
    await waiting
    await expect(sent.wait(undefined, stopping.signal)).rejects.toThrow('stop')
    await node.rpc.send('evm_mine')
    await sent.wait()
  })

  it('rejects whoever waits when it is closed', async () => {
    await node.rpc.send('evm_setAutomine', [false])
    const sender = senderOf(node)
    const waiting = (await sender.send(self(sender))).wait()
    const outcome = expect(waiting).rejects.toMatchObject({ kind: 'unavailable' })
    await sender.close()
    await outcome
    await expect(sender.send(self(sender))).rejects.toThrow('closed')
  })

  it('waits with its answer until the block is kept', async () => {
    const kept: number[] = []
    const sender = senderOf(node, { kept: async (receipt) => void kept.push(receipt.blockNumber) })
    const receipt = await (await sender.send(self(sender))).wait()
    expect(kept).toEqual([receipt.blockNumber])
  })
})

/** Passes everything on, but breaks the connection instead of answering the first eth_sendRawTransaction. */
async function deafProxy(url: string): Promise<{ server: Server; rpc: Rpc }> {
  let deaf = true
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const silent = deaf && body.includes('eth_sendRawTransaction')
      if (silent) deaf = false
      void fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
        .then((answer) => answer.text())
        .then((text) => (silent ? request.socket.destroy() : response.end(text)))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, rpc: new Rpc(`http://127.0.0.1:${(server.address() as AddressInfo).port}`) }
}
