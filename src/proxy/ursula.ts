import { keccak256, verifyMessage } from 'ethers'
import { ConsentryError } from '../errors.js'
import { fromQuantity, type Hex } from '../ledger/hex.js'
import type { ConsentQuestion, LedgerReader } from '../ledger/reads.js'
import { openSealed, unwrap, wrap } from '../vault/keys.js'
import { Capsule, KeyFrag, PublicKey, reencrypt, type SecretKey } from '../vault/pre/index.js'
import {
  CLOCK_SKEW,
  DELIVERY_LIFE,
  digestOf,
  type KeyFragDelivery,
  keyFragPurpose,
  type Receipt,
  receiptHash,
  type ReceiptsResponse,
  type ReencryptionRequest,
  type ReencryptionResponse,
  type SignedRequest,
} from './protocol.js'
import { type Deed, ReceiptChain } from './receipt-chain.js'
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
/** Of one answer; the capsules that they name bound its size. */
const RECEIPTS = 1_000
const CAPSULES_NAMED = 10_000
const AT_REST = 'consentry key fragment at rest'

/**
 * A re-encryption proxy. It believes nobody: patients by their signature on the fragment and the commitment to their
 * verifying key on the ledger, grantees by their signature and the ledger's word for it, both asked through its own node
 * at `latest`, at every request. It sees neither plaintext nor a key of it.
 */
export class Ursula {
  readonly #receipts: ReceiptChain

  constructor(
    private readonly keys: UrsulaKeys,
    private readonly store: ProxyStore,
    private readonly reader: LedgerReader,
    /** Seconds since the epoch. */
    private readonly now: () => number,
  ) {
    this.#receipts = new ReceiptChain(keys.id, keys.receipt, store, now)
  }

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
    const request = digestOf(keyFragPurpose(delivery))
    const [receipt] = this.#receipts.add([
      { kind: 'stored', patient, grantee, label, request, event: '', capsules: [] },
    ])
    return receipt as Receipt
  }

  /** @throws ConsentryError `malformed`, `forbidden` for a request that is not the grantee's, `conflict` for a repeated one */
  async reencrypt({ request: text, signature }: SignedRequest): Promise<ReencryptionResponse> {
    const request = parseRequest(text)
    await this.#authenticate(request, request.grantee, text, signature)
    const permitted = await this.#check(request)
    const results = request.items.map((item, i): ReencryptionResponse['results'][number] => {
      const stored = this.store.find(item.patient, request.grantee, item.label, item.epoch)
      if (permitted[i] && stored !== undefined) return { capsuleFrags: this.#work(stored, item.capsules) }
      return { denied: permitted[i] ? 'no key fragment' : 'no consent' }
    })
    // Before the answer, so that nobody has a fragment of which no receipt says so.
    return { results, receipts: this.#receipts.add(deedsOf(request, digestOf(text), results)) }
  }

  /** @throws ConsentryError `malformed`, `forbidden` for a request that is not the party's, `conflict` for a repeated one */
  async receipts({ request: text, signature }: SignedRequest): Promise<ReceiptsResponse> {
    const request = parseReceiptsRequest(text)
    const { party, since } = request
    await this.#authenticate(request, party, text, signature)
    let named = 0
    return this.store
      .receipts(since, RECEIPTS)
      .filter((receipt, i) => (named += receipt.capsules.length) <= CAPSULES_NAMED || i === 0)
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
    const deeds = this.store.delete(patient, grantee, label, block).map((gone): Deed => {
      const about = { patient, grantee: gone.grantee as Hex, label: gone.label as Hex }
      return { kind: 'deleted', ...about, request: '', event: '', capsules: [] }
    })
    if (deeds.length > 0) this.#receipts.add(deeds)
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
}

/** One for each patient, label and outcome of a request, with its capsules. */
function deedsOf(
  { grantee, event, items }: ReencryptionRequest,
  request: string,
  results: ReencryptionResponse['results'],
): Deed[] {
  const deeds = new Map<string, { readonly deed: Omit<Deed, 'capsules'>; readonly capsules: Set<string> }>()
  for (const [i, { patient, label, capsules }] of items.entries()) {
    const kind = 'denied' in (results[i] as object) ? 'denied' : 'reencrypted'
    const name = `${kind}|${patient}|${label}`
    const known = deeds.get(name) ?? { deed: { kind, patient, grantee, label, request, event }, capsules: new Set() }
    deeds.set(name, known)
    for (const capsule of capsules) known.capsules.add(digestOf(base64(capsule)))
  }
  return Array.from(deeds.values(), ({ deed, capsules }) => ({ ...deed, capsules: [...capsules] }))
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
