import { keccak256 } from 'ethers'
import type { GrantWord } from '../consent/decide.js'
import { ALL_LABELS, labelId } from '../consent/labels.js'
import { ANY_ENTITY } from '../consent/parties.js'
import { type Action, NOBODY, type PartyId, type PatientId } from '../consent/permit.js'
import { ACTIONS, actionMask, ALL_CATEGORIES, OPEN_END, purposeMask, PURPOSES } from '../consent/terms.js'
import type { Contracts } from '../ledger/contracts.js'
import type { ChainFollower } from '../ledger/follower.js'
import type { Hex } from '../ledger/hex.js'
import type { TransactionSender } from '../ledger/sender.js'
import type { PatientAdmission } from './patients.js'

/**
 * Patients of one transaction, 0.19 million gas each: with the sender's reserve they stay below the 16.7 million that a transaction
 * may ask for (EIP-7825, https://eips.ethereum.org/EIPS/eip-7825), and below what common blocks hold.
 */
const BATCH = 60

const NO_POLICY: Hex = `0x${'00'.repeat(32)}`

/** The care grant that the entity is given when it admits a patient: everything but breaking the glass. */
const CARE_TERMS = {
  actions: actionMask(ACTIONS),
  purposes: purposeMask(PURPOSES.filter((purpose) => purpose !== 'BTG')),
  categories: ALL_CATEGORIES,
  from: 0,
  to: OPEN_END,
  policyHash: NO_POLICY,
}

/** What the mirror will say of a patient who is registered now. */
export function careWord(entity: PartyId, action: Action): GrantWord {
  const { from, to, purposes, categories } = CARE_TERMS
  return { patient: NOBODY, grantee: entity, labels: ALL_LABELS, action, from, to, purposes, categories }
}

/** What PCF calls the policy that holds where a patient has said nothing (https://profiles.ihe.net/ITI/PCF/volume-1.html). */
export type ImplicitPolicy = 'opt-in' | 'opt-out'

/** What the implicit policy `opt-out` gives to every active entity: to read what is not sensitive, for care and what goes with it. */
const IMPLICIT_TERMS = {
  grantee: ANY_ENTITY,
  labels: [labelId('general')],
  actions: actionMask(['read']),
  purposes: purposeMask(['TREAT', 'HPAYMT', 'HOPERAT']),
  categories: ALL_CATEGORIES,
  from: 0,
  to: OPEN_END,
  packageHash: NO_POLICY,
  policyHash: NO_POLICY,
  // Not looked at in what the custodian sends itself.
  nonce: 0n,
  deadline: 0,
}

interface Waiting {
  readonly id: PatientId
  readonly verifyingKey: Uint8Array
  resolve(): void
  reject(error: unknown): void
}

/**
 * Registers new patients on the ledger, those of concurrent requests in one transaction, and resolves when the
 * mirror shows their registration and care grant. `ConsentRegistry.admit` skips whoever is admitted already, so a
 * repetition is harmless.
 */
export class Admission implements PatientAdmission {
  #waiting: Waiting[] = []
  #running = false

  constructor(
    private readonly entity: PartyId,
    private readonly contracts: Contracts,
    private readonly sender: TransactionSender,
    private readonly follower: Pick<ChainFollower, 'reached'>,
    private readonly implicit: ImplicitPolicy = 'opt-in',
  ) {}

  async admit(patients: readonly { id: PatientId; verifyingKey: Uint8Array }[]): Promise<void> {
    const admitted = patients.map(
      (patient) => new Promise<void>((resolve, reject) => this.#waiting.push({ ...patient, resolve, reject })),
    )
    void this.#run()
    await Promise.all(admitted)
  }

  async #run(): Promise<void> {
    if (this.#running) return
    this.#running = true
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.splice(0, BATCH)
        await this.#send(batch).then(
          () => batch.forEach((waiting) => waiting.resolve()),
          (error: unknown) => batch.forEach((waiting) => waiting.reject(error)),
        )
      }
    } finally {
      this.#running = false
    }
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    const call = this.contracts.write(
      'ConsentRegistry',
      'admit',
      this.entity,
      batch.map(({ id }) => id),
      batch.map(({ verifyingKey }) => keccak256(verifyingKey) as Hex),
      CARE_TERMS,
    )
    const receipt = await (await this.sender.send(call)).wait(30_000)
    const given = this.implicit === 'opt-out' ? await this.#giveImplicitly(batch) : []
    await this.follower.reached(Math.max(receipt.blockNumber, ...given))
  }

  /** Who has been admitted before this and was not given it has nothing of it: of two failures the one that denies. */
  async #giveImplicitly(batch: readonly Waiting[]): Promise<number[]> {
    const sent = await Promise.all(
      batch.map(({ id }) => {
        const consent = { patient: id, ...IMPLICIT_TERMS }
        return this.sender.send(this.contracts.write('ConsentRegistry', 'grant', consent))
      }),
    )
    const receipts = await Promise.all(sent.map((transaction) => transaction.wait(30_000)))
    return receipts.map(({ blockNumber }) => blockNumber)
  }
}
