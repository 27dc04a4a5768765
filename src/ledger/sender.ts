import { setTimeout as sleep } from 'node:timers/promises'
import { keccak256 } from 'ethers'
import { ConsentryError } from '../errors.js'
import { Account, type AccountOptions, type MeasuredRequest, type TransactionRequest } from './account.js'
import type { Fees } from './fees.js'
import { fromQuantity, toQuantity, type Hex } from './hex.js'
import { parseReceipt, type Receipt } from './receipt.js'
import { ContractRefusal, revertIn } from './refusal.js'

export interface SentTransaction {
  /** Of the first version; the receipt names the version that was mined. */
  readonly hash: Hex
  /**
   * Resolves when it is mined and succeeded (one block; a reorganisation may still undo it: what has to last is completed by
   * the event in the follower). ContractRefusal when it reverted; `unavailable` after the timeout, the signal's reason when
   * it is aborted, and then it is still being followed up and may yet be mined.
   */
  wait(timeoutMs?: number, signal?: AbortSignal): Promise<Receipt>
}

export interface SenderOptions extends AccountOptions {
  /** Milliseconds without a receipt after which a transaction is sent again. Default 10,000. */
  readonly resendAfterMs?: number
  /** Milliseconds after which it is sent with a higher price, and what blocks it is replaced. Default 30,000. */
  readonly raiseAfterMs?: number
  /** Longest pause between two looks for receipts. Default 1,000 ms. */
  readonly pollMs?: number
  /** Awaited before `wait` resolves: the embedded chain makes the block durable here. */
  readonly kept?: (receipt: Receipt) => Promise<void>
  readonly onProblem?: (error: unknown) => void
}

/** A signed transaction that the node has, or may have. */
interface Offer {
  readonly nonce: number
  readonly raw: Hex
  readonly fees: Fees
}

interface InFlight {
  offer: Offer
  readonly request: MeasuredRequest
  /** Hashes of every signed version, oldest first: any of them may be mined. */
  readonly hashes: Hex[]
  readonly since: number
  sentAt: number
  /** Since when the nonce is used up and none of our versions has a receipt. */
  overtakenAt: number | null
  readonly settled: Promise<Receipt>
  resolve(receipt: Receipt): void
  reject(error: unknown): void
}

const FIRST_POLL = 2
/** Signed transactions kept after their receipt, in case the chain loses their blocks. */
const HISTORY = 256
/** Transactions whose receipts are asked for in one round. */
const ROUND = 50
/** Nonces or prices tried for one transaction. */
const ATTEMPTS = 32

/**
 * Sends transactions of one key: one at a time gets the next nonce, everything else runs side by side, and each is followed
 * up until it is mined. One sender per key and process; another process with the same key costs retries, not correctness.
 */
export class TransactionSender {
  readonly #options: SenderOptions
  readonly #account: Account
  readonly #inFlight = new Map<number, InFlight>()
  readonly #history = new Map<number, Hex>()
  #turn: Promise<unknown> = Promise.resolve()
  #next: number | undefined
  #timer: NodeJS.Timeout | undefined
  #delay = FIRST_POLL
  #looking = false
  #closed = false

  constructor(options: SenderOptions) {
    this.#options = options
    this.#account = new Account(options)
  }

  /** Lower case. */
  get address(): Hex {
    return this.#account.address
  }

  /** Transactions without a receipt. */
  get pending(): number {
    return this.#inFlight.size
  }

  /**
   * Resolves once the node has the transaction, or may have it. Refused as ContractRefusal when it would revert, as
   * `unavailable` when the node is down or the account cannot pay: then nothing was sent.
   */
  async send(request: TransactionRequest): Promise<SentTransaction> {
    if (this.#closed) throw closed()
    // The price is asked for in the same request, and remembered for the offer.
    const [gasLimit] = await Promise.all([request.gasLimit ?? this.#account.estimate(request), this.#account.fees()])
    const measured = { ...request, gasLimit }
    const entry = await this.#inTurn(async () => this.#track(measured, await this.#offer(measured)))
    this.#soon()
    return { hash: hashOf(entry.offer), wait: (timeoutMs = 120_000, signal) => this.#wait(entry, timeoutMs, signal) }
  }

  /** Looks for receipts now: the follower has seen a block. */
  poke(): void {
    if (this.#inFlight.size > 0) this.#soon()
  }

  /** Ends following up. What is in flight stays with the node and may be mined. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#turn
    for (const entry of this.#inFlight.values()) entry.reject(closed())
    this.#inFlight.clear()
  }

  /** One after the other, whatever becomes of the one before. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(() => {
      if (this.#closed) throw closed()
      return step()
    })
    this.#turn = run.catch(() => undefined)
    return run
  }

  /** Signs with the next nonce and submits; in turn only. */
  async #offer(request: MeasuredRequest): Promise<Offer> {
    let fees = await this.#account.fees()
    // With nothing in flight the chain knows best: another process, or a chain that was put back, may have moved it.
    if (this.#inFlight.size === 0) this.#next = undefined
    let nonce = (this.#next ??= await this.#account.count('pending'))
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const raw = await this.#account.sign(request, nonce, fees)
      const outcome = await this.#account.submit(raw)
      if (outcome === 'cheap') {
        fees = await this.#account.raise(fees)
      } else if (outcome === 'taken') {
        // Another process uses this key, or our count was old. At random intervals one of the two gets through.
        await sleep(Math.random() * attempt * 4)
        nonce = Math.max(nonce + 1, await this.#account.count('pending'))
      } else {
        this.#next = nonce + 1
        return { nonce, raw, fees }
      }
    }
    const text = `The ledger account ${this.address} finds no free nonce or no sufficient gas price.`
    throw new ConsentryError('unavailable', text, { retryAfterSeconds: 10 })
  }

  #track(request: MeasuredRequest, offer: Offer): InFlight {
    const { promise: settled, resolve, reject } = Promise.withResolvers<Receipt>()
    // Whoever does not wait is not told.
    settled.catch(() => undefined)
    const now = Date.now()
    const times = { since: now, sentAt: now, overtakenAt: null }
    const entry = { offer, request, hashes: [hashOf(offer)], ...times, settled, resolve, reject }
    this.#inFlight.set(offer.nonce, entry)
    return entry
  }

  async #wait(entry: InFlight, timeoutMs: number, signal?: AbortSignal): Promise<Receipt> {
    signal?.throwIfAborted()
    const { promise: late, reject } = Promise.withResolvers<never>()
    const aborted = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', aborted)
    const text = `The transaction ${entry.hashes.at(-1)} has not been mined in time; it is still being followed up.`
    const error = new ConsentryError('unavailable', text, { retryAfterSeconds: 15 })
    const timer = setTimeout(() => reject(error), timeoutMs)
    try {
      return await Promise.race([entry.settled, late])
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
    }
  }

  #soon(): void {
    this.#delay = FIRST_POLL
    this.#schedule()
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#closed || this.#inFlight.size === 0) return
    this.#timer = setTimeout(() => void this.#look(), this.#delay)
    this.#delay = Math.min(this.#delay * 2, this.#options.pollMs ?? 1_000)
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      await this.#settle()
    } catch (error) {
      this.#options.onProblem?.(error)
    } finally {
      this.#looking = false
      this.#schedule()
    }
  }

  async #settle(): Promise<void> {
    const entries = [...this.#inFlight.values()].sort((a, b) => a.offer.nonce - b.offer.nonce).slice(0, ROUND)
    const asked = entries.flatMap((entry) => entry.hashes.map((hash) => ({ entry, hash })))
    const [count, ...receipts] = await this.#options.rpc.all([
      { method: 'eth_getTransactionCount', params: [this.address, 'latest'] },
      ...asked.map(({ hash }) => ({ method: 'eth_getTransactionReceipt', params: [hash] })),
    ])
    for (const [i, raw] of receipts.entries()) {
      const receipt = parseReceipt(raw)
      const entry = asked[i]?.entry
      if (receipt && entry && this.#has(entry)) await this.#finish(entry, receipt)
    }
    const left = entries.filter((entry) => this.#has(entry))
    if (left.length > 0) await this.#followUp(left, fromQuantity(count))
  }

  #has(entry: InFlight): boolean {
    return this.#inFlight.get(entry.offer.nonce) === entry
  }

  async #finish(entry: InFlight, receipt: Receipt): Promise<void> {
    await this.#options.kept?.(receipt)
    this.#inFlight.delete(entry.offer.nonce)
    this.#delay = FIRST_POLL
    this.#history.set(entry.offer.nonce, entry.offer.raw)
    for (const nonce of this.#history.keys()) {
      if (this.#history.size <= HISTORY) break
      this.#history.delete(nonce)
    }
    if (receipt.succeeded) entry.resolve(receipt)
    else entry.reject(await this.#whyReverted(entry, receipt))
  }

  /** Asks again what the block has answered; the state at its end is the nearest that every node can give. */
  async #whyReverted({ request }: InFlight, receipt: Receipt): Promise<ConsentryError> {
    const again = this.#options.rpc.send('eth_call', [this.#account.call(request), toQuantity(receipt.blockNumber)])
    const refusal = revertIn(await again.then(null, (error: unknown) => error))
    const text = `The transaction ${receipt.hash} failed in block ${receipt.blockNumber}; the cause has passed.`
    return refusal ?? new ContractRefusal('conflict', text, null, {})
  }

  /** What to do about transactions without receipt, `count` being the number of this account's that the chain holds. */
  async #followUp(entries: readonly InFlight[], count: number): Promise<void> {
    const now = Date.now()
    const resendAfter = this.#options.resendAfterMs ?? 10_000
    const due = entries.filter((entry) => now - entry.sentAt >= resendAfter)
    const overtaken: InFlight[] = []
    for (const entry of entries) {
      entry.overtakenAt = entry.offer.nonce < count ? (entry.overtakenAt ?? now) : null
      if (entry.overtakenAt !== null && now - entry.overtakenAt >= resendAfter) overtaken.push(entry)
    }
    if (due.length === 0 && overtaken.length === 0) return
    await this.#inTurn(async () => {
      const [lowest] = entries
      if (lowest && count < lowest.offer.nonce) await this.#fillGap(count, lowest, now)
      for (const entry of overtaken) await this.#moveOn(entry)
      for (const entry of due) if (!overtaken.includes(entry)) await this.#again(entry, now)
    })
  }

  /** The nonce went to a transaction that is not ours: ours can never be mined, so it is safe under a new nonce. */
  async #moveOn(entry: InFlight): Promise<void> {
    const offer = await this.#offer(entry.request)
    this.#inFlight.delete(entry.offer.nonce)
    this.#replace(entry, offer)
    entry.overtakenAt = null
    this.#inFlight.set(offer.nonce, entry)
  }

  async #again(entry: InFlight, now: number): Promise<void> {
    entry.sentAt = now
    const { nonce, raw, fees } = entry.offer
    const outcome = await this.#account.submit(raw)
    if (outcome !== 'cheap' && now - entry.since < (this.#options.raiseAfterMs ?? 30_000)) return
    const higher = await this.#account.raise(fees)
    const dearer = await this.#account.sign(entry.request, nonce, higher)
    const taken = await this.#account.submit(dearer)
    if (taken === 'accepted' || taken === 'unknown') this.#replace(entry, { nonce, raw: dearer, fees: higher })
  }

  #replace(entry: InFlight, offer: Offer): void {
    entry.offer = offer
    entry.hashes.push(hashOf(offer))
    entry.sentAt = Date.now()
  }

  /**
   * Nonces below ours that the chain is waiting for: its blocks were lost, or an earlier process left something stuck. What
   * we remember is sent again as it was; anything else is replaced by a transfer of nothing to ourselves, so that ours can
   * be mined. Whoever sent it sees that it did not happen: the outbox sends until the follower shows the event.
   */
  async #fillGap(count: number, lowest: InFlight, now: number): Promise<void> {
    const stuck = now - lowest.since >= (this.#options.raiseAfterMs ?? 30_000)
    const from = stuck ? count : Math.max(count, await this.#account.count('pending'))
    for (let nonce = from; nonce < Math.min(lowest.offer.nonce, from + HISTORY); nonce++) {
      const nothing = { to: this.address, data: '0x', gasLimit: 21_000n } as const
      const raise = async (): Promise<Fees> => this.#account.raise(await this.#account.fees())
      await this.#account.submit(this.#history.get(nonce) ?? (await this.#account.sign(nothing, nonce, await raise())))
    }
  }
}

function hashOf(offer: Offer): Hex {
  return keccak256(offer.raw) as Hex
}

function closed(): ConsentryError {
  return new ConsentryError('unavailable', 'The transaction sender has been closed.', { retryAfterSeconds: 5 })
}
