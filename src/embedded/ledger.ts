import { setTimeout as sleep } from 'node:timers/promises'
import type { Wallet } from 'ethers'
import type { Config } from '../config.js'
import { ANY_ENTITY, ANY_ENTITY_CONTROLLER } from '../consent/parties.js'
import { ConsentryError } from '../errors.js'
import { type Deployment, ensureDeployed } from '../ledger/deploy.js'
import type { Contracts } from '../ledger/contracts.js'
import { fromQuantity, type Hex } from '../ledger/hex.js'
import { LedgerReader } from '../ledger/reads.js'
import { Rpc } from '../ledger/rpc.js'
import { TransactionSender } from '../ledger/sender.js'
import type { Keystore } from '../vault/keystore.js'
import { EmbeddedChain } from './anvil.js'
import type { DataDirectory } from './data-directory.js'
import { administratorKey, type EntityKeys } from './entity-keys.js'
import { startProxy } from './proxies.js'
import { fund, isRegistered, register, type RegistrationRequest } from './registration.js'

export interface Ledger {
  readonly rpc: Rpc
  readonly rpcUrl: string
  readonly socketUrl: string | undefined
  readonly deployment: Deployment
  readonly contracts: Contracts
  readonly reader: LedgerReader
  /** Of the entity's operator. */
  readonly sender: TransactionSender
  /** Our own chain; `null`: a node that is configured. */
  readonly embedded: EmbeddedChain | null
  close(): Promise<void>
}

export interface LedgerParts {
  readonly config: Config
  readonly directory: DataDirectory
  readonly keystore: Keystore
  readonly keys: EntityKeys
  readonly publicUrl: string
  readonly onProblem: (error: unknown) => void
}

/** Seconds between the proposal and the completion of a recovery, on contracts that we deploy ourselves. */
const RECOVERY_DELAY = 7 * 86_400
const DEPLOYMENT_FILE = 'deployment.json'

/**
 * The chain, the contracts and our entity on them. With nothing configured: an anvil of our own, contracts deployed and the
 * entity registered at the first start. With ETH_RPC_URL the same on that node, unless LEDGER_DEPLOYMENT names contracts of
 * a consortium, whose administrator then registers us.
 */
export async function openLedger(parts: LedgerParts): Promise<Ledger> {
  const { config, directory, onProblem } = parts
  const onChain = (problem: string): void => onProblem(new ConsentryError('unavailable', problem))
  const embedded =
    config.ethRpcUrl === null
      ? await EmbeddedChain.start({ directory: directory.file('chain'), onProblem: onChain })
      : null
  try {
    return await ledgerOn(embedded, parts)
  } catch (error) {
    // It is a process of its own: it would outlive a start that failed.
    await embedded?.stop()
    throw error
  }
}

async function ledgerOn(
  embedded: EmbeddedChain | null,
  { config, directory, keystore, keys, publicUrl, onProblem }: LedgerParts,
): Promise<Ledger> {
  const rpcUrl = embedded?.url ?? (config.ethRpcUrl as string)
  const socketUrl = embedded?.socketUrl ?? (/^wss?:/.test(rpcUrl) ? rpcUrl : undefined)
  const rpc = new Rpc(rpcUrl)
  const chainId = await chainIdOf(rpc, config)
  const kept = embedded ? { kept: (receipt: { blockNumber: number }) => embedded.kept(receipt.blockNumber) } : {}
  const senderOf = (signer: Wallet): TransactionSender =>
    new TransactionSender({ rpc, chainId, signer, onProblem, ...kept })

  const sender = senderOf(keys.operator)
  const administrator = senderOf(await administratorKey(keystore))
  if (embedded) await fund(rpc, chainId, [sender.address, administrator.address])
  const known = config.deployment ?? (await knownDeployment(directory))
  const { deployment, contracts } = await ensureDeployed({
    rpc,
    known,
    sender: administrator,
    chainId,
    recoveryDelaySeconds: RECOVERY_DELAY,
    keep: (made) => directory.write(DEPLOYMENT_FILE, JSON.stringify(made, null, 2)),
  })
  const reader = new LedgerReader(rpc, contracts)
  await ensureRegistered(reader, administrator, keys, publicUrl)
  await ensureAnyEntity(reader, administrator)
  const proxies = await Promise.all(
    Array.from({ length: embedded ? config.embeddedProxies : 0 }, (_, i) =>
      startProxy({ directory: directory.file('proxies', String(i + 1)), rpcUrl, deployment }),
    ),
  )
  for (const { identity } of proxies) {
    await fund(rpc, chainId, [identity.controller])
    await register(reader, administrator, 'proxy', identity)
  }
  await administrator.close()
  return {
    rpc,
    rpcUrl,
    socketUrl,
    deployment,
    contracts,
    reader,
    sender,
    embedded,
    close: async () => {
      await Promise.all(proxies.map((proxy) => proxy.stop()))
      await sender.close()
      await rpc.close()
      await embedded?.stop()
    },
  }
}

/** The first question to the node, so that a URL which leads nowhere is told by the name of its variable. */
async function chainIdOf(rpc: Rpc, { ethRpcUrl }: Config): Promise<number> {
  try {
    return fromQuantity(await rpc.send('eth_chainId'))
  } catch (error) {
    await rpc.close()
    if (ethRpcUrl === null || !(error instanceof ConsentryError)) throw error
    const text = `ETH_RPC_URL is not usable: ${error.message} Expected the RPC URL of an Ethereum node that is running.`
    throw new ConsentryError('unavailable', text, { cause: error })
  }
}

async function knownDeployment(directory: DataDirectory): Promise<Deployment | null> {
  const file = await directory.read(DEPLOYMENT_FILE)
  return file === undefined ? null : (JSON.parse(file.toString()) as Deployment)
}

/**
 * Where we are the administrator: a patient can grant to every active entity only while the party that stands for them is registered. It has no
 * key that anybody holds, neither to act nor to decrypt.
 */
async function ensureAnyEntity(reader: LedgerReader, administrator: TransactionSender): Promise<void> {
  if (await isRegistered(reader, ANY_ENTITY)) return
  const present = await reader.read('IdentityRegistry', 'administrator')
  if (present.toLowerCase() !== administrator.address) return
  const encryptionKey: Hex = `0x02${ANY_ENTITY.slice(2)}`
  const request = { id: ANY_ENTITY, controller: ANY_ENTITY_CONTROLLER, encryptionKey, endpoint: '' }
  await register(reader, administrator, 'entity', request)
}

/** Registers the entity if we are the administrator; otherwise tells what is to be registered, and waits for it. */
async function ensureRegistered(
  reader: LedgerReader,
  administrator: TransactionSender,
  keys: EntityKeys,
  endpoint: string,
): Promise<void> {
  if (await isRegistered(reader, keys.id)) return
  const request: RegistrationRequest = {
    id: keys.id,
    controller: keys.operator.address.toLowerCase() as Hex,
    encryptionKey: `0x${Buffer.from(keys.encryption.publicKey.toBytes()).toString('hex')}`,
    endpoint,
  }
  const present = await reader.read('IdentityRegistry', 'administrator')
  if (present.toLowerCase() === administrator.address) return register(reader, administrator, 'entity', request)
  process.stdout.write(`Waiting to be registered by the administrator: ${JSON.stringify(request)}\n`)
  while (!(await isRegistered(reader, keys.id))) await sleep(WAIT_MS)
}

const WAIT_MS = 500
