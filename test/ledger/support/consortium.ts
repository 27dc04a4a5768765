import { randomBytes } from 'node:crypto'
import { Wallet, type HDNodeWallet } from 'ethers'
import { Contracts, type Call } from '../../../src/ledger/contracts.js'
import { deploy, type Deployment } from '../../../src/ledger/deploy.js'
import type { Hex } from '../../../src/ledger/hex.js'
import { LedgerReader } from '../../../src/ledger/reads.js'
import type { Receipt } from '../../../src/ledger/receipt.js'
import { TransactionSender } from '../../../src/ledger/sender.js'
import type { TestNode } from './nodes.js'

export const OPEN_END = 2 ** 40 - 1
export const ALL_CATEGORIES = 2n ** 64n - 1n
export const ALL_LABELS: Hex = `0x${'0'.repeat(64)}`
export const ZERO: Hex = ALL_LABELS

export const randomId = (): Hex => `0x${randomBytes(32).toString('hex')}`

/** What a hospital is given of a patient whom it registers. */
export const CARE_TERMS = {
  actions: 0b111111,
  purposes: 0x7f,
  categories: ALL_CATEGORIES,
  from: 0,
  to: OPEN_END,
  policyHash: ZERO,
}

/** What the administrator registers of an entity; whose encryption key it is nobody knows. */
export const entityRegistration = (id: Hex, controller: Hex, endpoint: string) => ({
  id,
  controller,
  validFrom: 0,
  validTo: OPEN_END,
  credential: ZERO,
  encryptionKey: `0x02${randomBytes(32).toString('hex')}` as Hex,
  endpoint,
})

/** Five contracts, their administrator, one entity with its operator, and two patients, one of them in custody. */
export interface Consortium {
  readonly deployment: Deployment
  readonly contracts: Contracts
  readonly reader: LedgerReader
  readonly administrator: TransactionSender
  readonly operator: TransactionSender
  readonly entity: Hex
  /** Spoken for by `wallet`. */
  readonly patient: Hex
  readonly wallet: HDNodeWallet
  readonly custodial: Hex
  run(sender: TransactionSender, call: Call): Promise<Receipt>
  close(): Promise<void>
}

export async function consortium(node: TestNode): Promise<Consortium> {
  const { rpc, chainId } = node
  const options = { rpc, chainId }
  const administrator = new TransactionSender({ ...options, signer: new Wallet(node.key) })
  const operatorWallet = Wallet.createRandom()
  const operator = new TransactionSender({ ...options, signer: operatorWallet })
  const wallet = Wallet.createRandom()
  const deployment = await deploy(administrator, chainId, 3_600)
  const contracts = new Contracts(chainId, deployment.addresses)
  const reader = new LedgerReader(rpc, contracts)
  const run = async (sender: TransactionSender, call: Call): Promise<Receipt> => (await sender.send(call)).wait()
  await run(administrator, { to: operator.address, data: '0x', value: 10n ** 18n } as Call)
  const entity = randomId()
  const registration = entityRegistration(entity, operator.address, 'https://hospital.example')
  await run(administrator, contracts.write('IdentityRegistry', 'registerEntity', registration))
  const patient = randomId()
  const custodial = randomId()
  const own = [wallet.address.toLowerCase() as Hex]
  await run(operator, contracts.write('IdentityRegistry', 'registerPatients', entity, [patient], own, [ZERO]))
  await run(operator, contracts.write('ConsentRegistry', 'admit', entity, [custodial], [ZERO], CARE_TERMS))
  const close = async (): Promise<void> => {
    await administrator.close()
    await operator.close()
  }
  return { deployment, contracts, reader, administrator, operator, entity, patient, wallet, custodial, run, close }
}
