import { keccak256, verifyMessage } from 'ethers'
import { ConsentryError } from '../errors.js'
import { fromQuantity, type Hex } from '../ledger/hex.js'
import type { ConsentQuestion, LedgerReader } from '../ledger/reads.js'
import { openSealed, unwrap, wrap } from '../vault/keys.js'
import { Capsule, KeyFrag, PublicKey, reencrypt, type SecretKey } from '../vault/pre/index.js'
import {
  CLOCK_SKEW,
  DELIVERY_LIFE,
  type KeyFragDelivery,
  keyFragPurpose,
  type Receipt,
  receiptHash,
  receiptText,
  type ReceiptsResponse,
  type ReencryptionRequest,
  type ReencryptionResponse,
  type SignedRequest,
} from './protocol.js'
import { parseReceiptsRequest, parseRequest } from './request.js'
import type { ProxyStore, StoredKeyFrag } from './store.js'

export interface UrsulaKeys {
  readonly id: Hex
  readonly encryption: SecretKey
  /** Signs receipts. */
  readonly receipt: SecretKey
  /** 32 bytes, seals fragments at rest. */
  readonly master: Uint8Array
}

const ALL_LABELS: Hex = `0x${'00'.repeat(32)}`
const READ = 0
/** Of one answer. */
const RECEIPTS = 1_000
const AT_REST = 'consentry key fragment at rest'

/**
 * A re-encryption proxy. It believes nobody: patients by their signature on the fragment and the commitment to their
 * verifying key on the ledger, grantees by their signature and the ledger's word for it, both asked through its own node
 * at `latest`, at every request. It sees neither plaintext nor a key of it.
 */
export class Ursula {
  constructor(
    private readonly keys: UrsulaKeys,
    private readonly store: ProxyStore,
    private readonly reader: LedgerReader,
    /** Seconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /**
   * @throws ConsentryError `invalid` unless the fragment is the patient's, for this grantee's key; `forbidden` past its
   *   deadline; `conflict` for a repeated delivery
   */
  async accept(delivery: KeyFragDelivery): Promise<Receipt> {
    this.#requireInTime(delivery.deadline)
    const { patient, grantee, label, epoch, policyKey, verifyingKey, receivingKey } = delivery
    const block = fromQuantity(await this.reader.rpc.send('eth_blockNumber'))
    const [owner, receiver] = await this.reader.readMany('IdentityRegistry', 'party', [[patient], [grantee]])
    requireCommitment(owner?.keyCommitment, verifyingKey, 'verifying key of the patient')
    requireCommitment(receiver?.keyCommitment, receivingKey, 'encryption key of the grantee')
    const bytes = this.#opened(delivery)
    const frag = KeyFrag.fromBytes(bytes).verify(publicKey(verifyingKey), publicKey(policyKey), publicKey(receivingKey))
    const sealed = wrap(this.keys.master, frag.toBytes(), AT_REST)
    // Last, so that nobody uses a nonce up who cannot make the delivery.
    if (!this.store.useNonce(`kfrag|${delivery.nonce}`, delivery.deadline, this.now() - 4 * CLOCK_SKEW)) {
      throw new ConsentryError('conflict', 'This delivery has been taken before.', { code: 'duplicate' })
    }
    this.store.put({ patient, grantee, label, epoch, policyKey, verifyingKey, receivingKey, sealed, block })
    return this.#receipt('stored', { patient, grantee, label }, 0)
  }

  /** @throws ConsentryError `malformed`, `forbidden` for a request that is not the grantee's, `conflict` for a repeated one */
  async reencrypt({ request: text, signature }: SignedRequest): Promise<ReencryptionResponse> {
    const request = parseRequest(text)
    await this.#authenticate(request, request.grantee, text, signature)
    const permitted = await this.#check(request)
    let receipt: Receipt | undefined
    const results = request.items.map((item, i): ReencryptionResponse['results'][number] => {
      const about = { patient: item.patient, grantee: request.grantee, label: item.label }
      const stored = this.store.find(item.patient, request.grantee, item.label, item.epoch)
      if (!permitted[i] || stored === undefined) {
        receipt = this.#receipt('denied', about, 0)
        return { denied: permitted[i] ? 'no key fragment' : 'no consent' }
      }
      const capsuleFrags = this.#work(stored, item.capsules)
      receipt = this.#receipt('reencrypted', about, capsuleFrags.length)
      return { capsuleFrags }
    })
    if (receipt === undefined) throw new ConsentryError('malformed', 'A re-encryption request needs at least one item.')
    return { results, receipt }
  }

  /** @throws ConsentryError `malformed`, `forbidden` for a request that is not the party's, `conflict` for a repeated one */
  async receipts({ request: text, signature }: SignedRequest): Promise<ReceiptsResponse> {
    const request = parseReceiptsRequest(text)
    const { party, since } = request
    await this.#authenticate(request, party, text, signature)
    return this.store
      .receipts(since, RECEIPTS)
      .map((receipt) =>
        receipt.patient === party || receipt.grantee === party
          ? receipt
          : { sequence: receipt.sequence, hash: receiptHash(receipt) },
      )
  }

  /**
   * A revocation, an end, or a new epoch: the fragments are gone, with a receipt for each. `undefined` means any.
   * @param block the revocation's: a fragment that came when the chain had that block already is of a later grant
   */
  forget(patient: Hex, grantee?: Hex, label?: Hex, block?: number): void {
    for (const gone of this.store.delete(patient, grantee, label, block)) {
      this.#receipt('deleted', { patient, grantee: gone.grantee as Hex, label: gone.label as Hex }, 0)
    }
  }

  /** Fragments whose consent has ended without an event (its period is over) are forgotten too. */
  async forgetExpired(): Promise<void> {
    const held = this.store.list() as { patient: Hex; grantee: Hex; label: Hex }[]
    const consents = await this.reader.readMany(
      'ConsentRegistry',
      'consentOf',
      held.map(({ patient, grantee, label }) => [patient, grantee, label, READ] as const),
    )
    held.forEach((frag, i) => {
      const to = Number(consents[i]?.to ?? 0)
      if (to > 0 && to <= this.now()) this.forget(frag.patient, frag.grantee, frag.label)
    })
  }

  #requireInTime(deadline: number): void {
    const left = deadline - this.now()
    if (left > 0 && left <= DELIVERY_LIFE + CLOCK_SKEW) return
    throw new ConsentryError('forbidden', `A delivery has a deadline within ${DELIVERY_LIFE} seconds from now.`)
  }

  #opened(delivery: KeyFragDelivery): Uint8Array {
    try {
      return openSealed(this.keys.encryption, base64(delivery.keyFrag), keyFragPurpose(delivery))
    } catch (cause) {
      throw new ConsentryError('invalid', 'The fragment is not sealed to this proxy for this delivery.', { cause })
    }
  }

  #work(stored: StoredKeyFrag, capsules: readonly string[]): string[] {
    const frag = KeyFrag.fromBytes(unwrap(this.keys.master, stored.sealed, AT_REST)).verify(
      publicKey(stored.verifyingKey),
      publicKey(stored.policyKey),
      publicKey(stored.receivingKey),
    )
    const done = capsules.map((capsule) =>
      Buffer.from(reencrypt(Capsule.fromBytes(base64(capsule)), frag).toBytes()).toString('base64'),
    )
    frag.destroy()
    return done
  }

  async #authenticate(request: Asked, party: Hex, text: string, signature: Hex): Promise<void> {
    if (request.proxy !== this.keys.id) throw new ConsentryError('forbidden', 'The request is for another proxy.')
    if (Math.abs(this.now() - request.at) > CLOCK_SKEW) {
      throw new ConsentryError('forbidden', `The request is older than ${CLOCK_SKEW} seconds, or from the future.`)
    }
    const account = recover(text, signature)
    const speaks = account !== null && (await this.reader.read('IdentityRegistry', 'speaksFor', party, account))
    if (!speaks)
      throw new ConsentryError('forbidden', 'The request is not signed by an account of the party that it names.')
    const nonce = `${party}|${request.nonce}`
    if (!this.store.useNonce(nonce, request.at, this.now() - 4 * CLOCK_SKEW)) {
      throw new ConsentryError('conflict', 'This request has been answered before.', { code: 'duplicate' })
    }
  }

  /** Each item under its label, or under the grant for all labels. */
  async #check({ grantee, purpose, categories, items }: ReencryptionRequest): Promise<boolean[]> {
    const question = (patient: Hex, label: Hex): ConsentQuestion => ({
      patient,
      grantee,
      label,
      action: READ,
      purpose,
      categories: BigInt(categories),
    })
    const answers = await this.reader.check(
      items.flatMap(({ patient, label }) => [question(patient, label), question(patient, ALL_LABELS)]),
    )
    return items.map((_, i) => answers[2 * i] === true || answers[2 * i + 1] === true)
  }

  #receipt(kind: Receipt['kind'], about: Pick<Receipt, 'patient' | 'grantee' | 'label'>, capsules: number): Receipt {
    const last = this.store.lastReceipt()
    const unsigned = {
      sequence: (last?.sequence ?? -1) + 1,
      kind,
      proxy: this.keys.id,
      ...about,
      capsules,
      at: this.now(),
      previous: last ? receiptHash(last) : '',
    }
    const signature = Buffer.from(this.keys.receipt.sign(Buffer.from(receiptText(unsigned)))).toString('base64')
    const receipt = { ...unsigned, signature }
    this.store.addReceipt(receipt)
    return receipt
  }
}

/** What every signed request says. */
type Asked = Pick<ReencryptionRequest, 'proxy' | 'nonce' | 'at'>

function requireCommitment(commitment: string | undefined, key: string, what: string): void {
  if (commitment !== undefined && keccak256(base64(key)) === commitment.toLowerCase()) return
  throw new ConsentryError('invalid', `The ledger does not hold this ${what}.`)
}

function recover(text: string, signature: string): Hex | null {
  try {
    return verifyMessage(text, signature).toLowerCase() as Hex
  } catch {
    return null
  }
}

function base64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function publicKey(text: string): PublicKey {
  return PublicKey.fromBytes(base64(text))
}
