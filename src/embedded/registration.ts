import { parseEther, Wallet } from 'ethers'
import { ConsentryError } from '../errors.js'
import { bigQuantity, type Hex } from '../ledger/hex.js'
import type { LedgerReader } from '../ledger/reads.js'
import type { Rpc } from '../ledger/rpc.js'
import { TransactionSender } from '../ledger/sender.js'
import { FAUCET_KEY } from './anvil.js'

/** What an administrator registers of an entity or a proxy; every part of it becomes public. */
export interface RegistrationRequest {
  readonly id: Hex
  readonly controller: Hex
  /** 33 bytes. */
  readonly encryptionKey: Hex
  readonly endpoint: string
}

const NONE: Hex = `0x${'00'.repeat(32)}`
const OPEN_END = 2 ** 40 - 1

/** Registers an entity or a proxy unless it is registered. The sender is the administrator's. */
export async function register(
  reader: LedgerReader,
  administrator: TransactionSender,
  kind: 'entity' | 'proxy',
  { id, controller, encryptionKey, endpoint }: RegistrationRequest,
  owner: Hex = NONE,
): Promise<void> {
  if (await isRegistered(reader, id)) return
  const registration = {
    id,
    controller,
    validFrom: 0,
    validTo: OPEN_END,
    credential: NONE,
    encryptionKey,
    endpoint,
  }
  const call =
    kind === 'entity'
      ? reader.contracts.write('IdentityRegistry', 'registerEntity', registration)
      : reader.contracts.write('IdentityRegistry', 'registerProxy', registration, owner)
  await (await administrator.send(call)).wait()
}

export async function isRegistered(reader: LedgerReader, id: Hex): Promise<boolean> {
  const { kind } = await reader.read('IdentityRegistry', 'party', id)
  return Number(kind) !== 0
}

export async function requireAdministrator(reader: LedgerReader, account: string): Promise<void> {
  const present = await reader.read('IdentityRegistry', 'administrator')
  if (present.toLowerCase() === account.toLowerCase()) return
  throw new ConsentryError('forbidden', 'This data directory does not hold the administrator’s key of these contracts.')
}

/** Ether for gas, from the account that every development chain of this kind has; it is worth nothing there. */
export async function fund(rpc: Rpc, chainId: number, addresses: readonly Hex[]): Promise<void> {
  const balances = await rpc.all(
    addresses.map((address) => ({ method: 'eth_getBalance', params: [address, 'latest'] })),
  )
  const poor = addresses.filter((_, i) => bigQuantity(balances[i]) < parseEther('10'))
  if (poor.length === 0) return
  const faucet = new TransactionSender({ rpc, chainId, signer: new Wallet(FAUCET_KEY) })
  try {
    const value = parseEther('100')
    const sent = await Promise.all(poor.map((to) => faucet.send({ to, data: '0x', value, gasLimit: 21_000n })))
    await Promise.all(sent.map((transaction) => transaction.wait()))
  } finally {
    await faucet.close()
  }
}
