import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readProxyConfig } from '../config.js'
import { Contracts } from '../ledger/contracts.js'
import { ChainFollower } from '../ledger/follower.js'
import type { Hex } from '../ledger/hex.js'
import { LedgerReader } from '../ledger/reads.js'
import { Rpc } from '../ledger/rpc.js'
import { TransactionSender } from '../ledger/sender.js'
import { walletOf } from '../ledger/wallet.js'
import { Keystore } from '../vault/keystore.js'
import { SecretKey } from '../vault/pre/index.js'
import type { ProxyIdentity } from './protocol.js'
import { RevocationSink } from './revocations.js'
import { proxyServer } from './server.js'
import { ProxyStore } from './store.js'
import { Ursula } from './ursula.js'

/** One re-encryption proxy: its own process, keys, data and chain node. Prints its identity as one line of JSON when ready. */
async function start(): Promise<void> {
  const config = readProxyConfig()
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 })
  const keystore = await Keystore.open(join(config.dataDirectory, 'keystore.json'), config.passphrase)
  const scalar = (): Uint8Array => SecretKey.random().expose().slice()
  const controller = walletOf(SecretKey.fromScalar(await keystore.getOrCreate('controller', scalar)))
  const keys = {
    id: hex(await keystore.getOrCreate('proxy', () => new Uint8Array(randomBytes(32)))),
    encryption: SecretKey.fromScalar(await keystore.getOrCreate('encryption', scalar)),
    receipt: SecretKey.fromScalar(await keystore.getOrCreate('receipt', scalar)),
    master: await keystore.getOrCreate('master'),
  }
  const rpc = new Rpc(config.ethRpcUrl)
  const contracts = new Contracts(config.deployment.chainId, config.deployment.addresses)
  const reader = new LedgerReader(rpc, contracts)
  const store = new ProxyStore(join(config.dataDirectory, 'proxy.sqlite'))
  const ursula = new Ursula(keys, store, reader, () => Math.floor(Date.now() / 1000))

  let endpoint = ''
  const identity = (): ProxyIdentity => ({
    id: keys.id,
    controller: controller.address.toLowerCase() as Hex,
    encryptionKey: hex(keys.encryption.publicKey.toBytes()),
    receiptKey: hex(keys.receipt.publicKey.toBytes()),
    endpoint,
  })
  const server = proxyServer(ursula, identity)
  const address = await server.listen({ port: config.port, host: config.host })
  endpoint = config.publicUrl ?? address
  const follower = new ChainFollower({
    rpc,
    ...(config.ethRpcUrl.startsWith('ws') ? { socketUrl: config.ethRpcUrl } : {}),
    addresses: [contracts.addresses.ConsentRegistry],
    decode: (log) => contracts.decode(log),
    sink: new RevocationSink(ursula),
    startBlock: config.deployment.block,
    grantTag: 'latest',
  })
  follower.start()
  const expiry = setInterval(() => void ursula.forgetExpired().catch(() => undefined), 60_000)
  process.stdout.write(`${JSON.stringify(identity())}\n`)

  const stop = async (): Promise<void> => {
    clearInterval(expiry)
    await server.close()
    await follower.stop()
    await rpc.close()
    store.close()
    process.exit(0)
  }
  process.once('SIGINT', () => void stop())
  process.once('SIGTERM', () => void stop())
  if (process.argv.includes('--with-parent')) process.stdin.resume().once('close', () => void stop())
  await announce()

  /** Waits until the administrator has registered the proxy, and announces it. */
  async function announce(): Promise<void> {
    for (;;) {
      const [active, serving] = await Promise.all([
        reader.read('IdentityRegistry', 'isActive', keys.id),
        reader.read('ProxyRegistry', 'isServing', keys.id),
      ]).catch(() => [false, false])
      const known = serving ? await reader.read('ProxyRegistry', 'proxyNode', keys.id) : null
      if (known?.endpoint === endpoint) return
      if (active) {
        const sender = new TransactionSender({ rpc, chainId: contracts.chainId, signer: controller })
        const call = contracts.write('ProxyRegistry', 'announce', keys.id, identity().receiptKey, endpoint)
        await (await sender.send(call)).wait().finally(() => sender.close())
        return
      }
      await sleep(250)
    }
  }
}

function hex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes).toString('hex')}`
}

start().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
