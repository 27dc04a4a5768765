import { AbiCoder, Interface } from 'ethers'
import { ConsentryError } from '../errors.js'
import { artifact, CONTRACT_NAMES, Contracts, type Addresses, type ContractName } from './contracts.js'
import { fromQuantity, type Hex } from './hex.js'
import { LedgerReader } from './reads.js'
import type { Receipt } from './receipt.js'
import type { Rpc } from './rpc.js'
import type { TransactionSender } from './sender.js'

/** What a data directory or a configuration keeps of the contracts. */
export interface Deployment {
  readonly chainId: number
  /** First block that can hold one of their events. */
  readonly block: number
  readonly addresses: Addresses
}

/** The transaction data that creates a contract. */
export function creationCode(name: ContractName, inputs: readonly unknown[]): Hex {
  const { abi, bytecode } = artifact(name)
  if (bytecode.length <= 2) {
    throw new ConsentryError('internal', `The contract ${name} has no code yet: run npm run generate:contracts.`)
  }
  const { inputs: types } = Interface.from(abi).deploy
  return `${bytecode}${AbiCoder.defaultAbiCoder().encode(types, inputs).slice(2)}`
}

/**
 * Deploys the five contracts and connects them, in three rounds of blocks. The sender's account becomes administrator. When
 * it fails half way, what was deployed is of no consequence: nobody knows its address.
 */
export async function deploy(
  sender: TransactionSender,
  chainId: number,
  recoveryDelaySeconds: number,
): Promise<Deployment> {
  const create = async (name: ContractName, inputs: readonly unknown[]): Promise<Receipt> =>
    (await sender.send({ to: null, data: creationCode(name, inputs) })).wait()
  const first = await create('IdentityRegistry', [sender.address, recoveryDelaySeconds])
  const identity = addressIn(first)
  const others = ['ConsentRegistry', 'RecordAnchors', 'AuditLog', 'ProxyRegistry'] as const
  const [consent, anchors, audit, proxies] = await Promise.all(others.map((name) => create(name, [identity])))
  const addresses: Addresses = {
    IdentityRegistry: identity,
    ConsentRegistry: addressIn(consent),
    RecordAnchors: addressIn(anchors),
    AuditLog: addressIn(audit),
    ProxyRegistry: addressIn(proxies),
  }
  const contracts = new Contracts(chainId, addresses)
  const connect = contracts.write('IdentityRegistry', 'connectConsentRegistry', addresses.ConsentRegistry)
  await (await sender.send(connect)).wait()
  return { chainId, block: first.blockNumber, addresses }
}

/**
 * Makes sure that the chain holds the contracts of a deployment and that they belong together. A chain without them is an
 * error and no reason to deploy: it is another chain, or one that has lost its history.
 */
export async function verifyDeployment(rpc: Rpc, deployment: Deployment): Promise<Contracts> {
  const { chainId, addresses } = deployment
  const contracts = new Contracts(chainId, addresses)
  const [id, ...codes] = await rpc.all([
    { method: 'eth_chainId' },
    ...CONTRACT_NAMES.map((name) => ({ method: 'eth_getCode', params: [addresses[name], 'latest'] })),
  ])
  if (fromQuantity(id) !== chainId) {
    throw wrongChain(`The node at ${rpc.host} is of chain ${fromQuantity(id)}, our contracts are on chain ${chainId}.`)
  }
  const missing = CONTRACT_NAMES.filter((_, i) => codes[i] === '0x')
  if (missing.length > 0)
    throw wrongChain(`The chain holds no ${missing.join(', no ')} at the address that is configured.`)
  const connected = await new LedgerReader(rpc, contracts).read('IdentityRegistry', 'consentRegistry')
  if (connected !== addresses.ConsentRegistry.toLowerCase()) {
    throw wrongChain('The identity registry is connected to another consent registry than the one that is configured.')
  }
  return contracts
}

/** Verifies the deployment that is known, or deploys and tells `keep`, which has to be durable when it resolves. */
export async function ensureDeployed(options: {
  readonly rpc: Rpc
  readonly known: Deployment | null
  readonly sender: TransactionSender
  readonly chainId: number
  readonly recoveryDelaySeconds: number
  readonly keep: (deployment: Deployment) => Promise<void>
}): Promise<{ deployment: Deployment; contracts: Contracts }> {
  const { rpc, known, sender, chainId, recoveryDelaySeconds, keep } = options
  const deployment = known ?? (await deploy(sender, chainId, recoveryDelaySeconds))
  const contracts = await verifyDeployment(rpc, deployment)
  if (!known) await keep(deployment)
  return { deployment, contracts }
}

function addressIn(receipt: Receipt | undefined): Hex {
  if (!receipt?.contractAddress) throw new ConsentryError('internal', 'A creation has no contract address.')
  return receipt.contractAddress
}

function wrongChain(text: string): ConsentryError {
  return new ConsentryError('internal', text)
}
