import { parseEther, Wallet } from 'ethers'
import type { Config } from '../config.js'
import { ConsentryError } from '../errors.js'
import { type Deployment, ensureDeployed } from '../ledger/deploy.js'
import type { Contracts } from '../ledger/contracts.js'
import { bigQuantity, fromQuantity, type Hex } from '../ledger/hex.js'
import { LedgerReader } from '../ledger/reads.js'
import { Rpc } from '../ledger/rpc.js'
import { TransactionSender } from '../ledger/sender.js'
import type { Keystore } from '../vault/keystore.js'
import { EmbeddedChain, FAUCET_KEY } from './anvil.js'
import type { DataDirectory } from './data-directory.js'
import { administratorKey, type EntityKeys } from './entity-keys.js'

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

/** Seconds between the proposal and the completion of a recovery, on contracts that we deploy ourselves. */
const RECOVERY_DELAY = 7 * 86_400
const DEPLOYMENT_FILE = 'deployment.json'

/**
 * The chain, the contracts and our entity on them. With nothing configured: an anvil of our own, contracts deployed and the
 * entity registered at the first start. With ETH_RPC_URL the same on that node, unless LEDGER_DEPLOYMENT names contracts of
 * a consortium, whose administrator then registers us.
 */
export async function openLedger(
  config: Config,
  directory: DataDirectory,
  keystore: Keystore,
  keys: EntityKeys,
  publicUrl: string,
  onProblem: (error: unknown) => void,
): Promise<Ledger> {
  const embedded =
    config.ethRpcUrl === null ? await EmbeddedChain.start({ directory: directory.file('chain'), onProblem }) : null
  const rpcUrl = embedded?.url ?? (config.ethRpcUrl as string)
  const socketUrl = embedded?.socketUrl ?? (/^wss?:/.test(rpcUrl) ? rpcUrl : undefined)
  const rpc = new Rpc(rpcUrl)
  const chainId = fromQuantity(await rpc.send('eth_chainId'))
  const kept = embedded ? { kept: (receipt: { blockNumber: number }) => embedded.kept(receipt.blockNumber) } : {}
  const senderOf = (signer: Wallet): TransactionSender =>
    new TransactionSender({ rpc, chainId, signer, onProblem, ...kept })

  const sender = senderOf(keys.operator)
  const administrator = senderOf(await administratorKey(keystore))
  if (embedded) await fund(rpc, senderOf(new Wallet(FAUCET_KEY)), [sender.address, administrator.address])
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
      await sender.close()
      await rpc.close()
      await embedded?.stop()
    },
  }
}

async function knownDeployment(directory: DataDirectory): Promise<Deployment | null> {
  const file = await directory.read(DEPLOYMENT_FILE)
  return file === undefined ? null : (JSON.parse(file.toString()) as Deployment)
}

/** Registers the entity if we are the administrator; otherwise says what the administrator has to register. */
async function ensureRegistered(
  reader: LedgerReader,
  administrator: TransactionSender,
  keys: EntityKeys,
  endpoint: string,
): Promise<void> {
  const party = await reader.read('IdentityRegistry', 'party', keys.id)
  if (Number(party.kind) !== 0) return
  const registration = {
    id: keys.id,
    controller: keys.operator.address.toLowerCase() as Hex,
    validFrom: 0,
    validTo: 2 ** 40 - 1,
    credential: `0x${'00'.repeat(32)}`,
    encryptionKey: `0x${Buffer.from(keys.encryption.publicKey.toBytes()).toString('hex')}`,
    endpoint,
  }
  const present = await reader.read('IdentityRegistry', 'administrator')
  if (String(present).toLowerCase() !== administrator.address) {
    throw new ConsentryError(
      'unavailable',
      `This entity is not registered on the ledger. Its administrator has to register: ${JSON.stringify(registration)}`,
      { retryAfterSeconds: 60 },
    )
  }
  const call = reader.contracts.write('IdentityRegistry', 'registerEntity', registration)
  await (await administrator.send(call)).wait()
}

/** Ether for gas on our own chain, where it is worth nothing. */
async function fund(rpc: Rpc, faucet: TransactionSender, addresses: readonly Hex[]): Promise<void> {
  const balances = await rpc.all(
    addresses.map((address) => ({ method: 'eth_getBalance', params: [address, 'latest'] })),
  )
  const poor = addresses.filter((_, i) => bigQuantity(balances[i]) < parseEther('10'))
  const sent = await Promise.all(
    poor.map((to) => faucet.send({ to, data: '0x', value: parseEther('1000'), gasLimit: 21_000n })),
  )
  await Promise.all(sent.map((transaction) => transaction.wait()))
  await faucet.close()
}
