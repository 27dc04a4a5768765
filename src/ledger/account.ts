import type { TransactionLike } from 'ethers'
import { ConsentryError } from '../errors.js'
import { currentFees, raised, type Fees } from './fees.js'
import { bigQuantity, fromQuantity, toQuantity, type Hex } from './hex.js'
import { revertIn } from './refusal.js'
import { RpcError, type Rpc } from './rpc.js'
import { submit, type Submission } from './submission.js'

export interface TransactionRequest {
  /** `null` creates a contract. */
  readonly to: Hex | null
  readonly data: Hex
  readonly value?: bigint
  /** Without it the node estimates, and what would revert is refused before it costs anything. */
  readonly gasLimit?: bigint
}

export type MeasuredRequest = TransactionRequest & { readonly gasLimit: bigint }

/** An ethers Wallet, or a signer in a keystore, HSM or KMS of the same form. */
export interface TransactionSigner {
  readonly address: string
  signTransaction(transaction: TransactionLike): Promise<string>
}

export interface AccountOptions {
  readonly rpc: Rpc
  readonly chainId: number
  readonly signer: TransactionSigner
  /** Wei per gas that is never exceeded. */
  readonly feeCeiling?: bigint
}

/** Gas for state that changes between the estimate and the block. */
const MARGIN = { numerator: 5n, denominator: 4n }
/** Milliseconds for which a gas price is believed. */
const PRICE_LIFE = 1_000

/** One key on one chain: what it may send, at which price, and whether the node takes it. Keeps no nonce. */
export class Account {
  readonly address: Hex
  readonly #options: AccountOptions
  #price: { at: number; fees: Fees } | undefined

  constructor(options: AccountOptions) {
    this.#options = options
    this.address = options.signer.address.toLowerCase() as Hex
  }

  /** Number of transactions: mined (`latest`), or with those that wait in the node's pool (`pending`). */
  async count(tag: 'latest' | 'pending'): Promise<number> {
    const params = [this.address, tag]
    return fromQuantity(await this.#options.rpc.send('eth_getTransactionCount', params).catch(rethrow))
  }

  /** Gas for the request with a margin; ContractRefusal when it would revert now. */
  async estimate(request: TransactionRequest): Promise<bigint> {
    const gas = await this.#options.rpc.send('eth_estimateGas', [this.call(request)]).catch(rethrow)
    return (bigQuantity(gas) * MARGIN.numerator) / MARGIN.denominator
  }

  /** The request as `eth_call` and `eth_estimateGas` want it. */
  call({ to, data, value = 0n }: TransactionRequest): Record<string, unknown> {
    return { from: this.address, ...(to === null ? {} : { to }), data, value: toQuantity(value) }
  }

  async fees(): Promise<Fees> {
    const now = Date.now()
    if (!this.#price || now - this.#price.at > PRICE_LIFE) {
      const fees = await currentFees(this.#options.rpc, this.#options.feeCeiling).catch(rethrow)
      this.#price = { at: now, fees }
    }
    return this.#price.fees
  }

  /** More than before and not less than the present price. */
  async raise(offered: Fees): Promise<Fees> {
    this.#price = undefined
    return raised(offered, await this.fees(), this.#options.feeCeiling)
  }

  async sign(request: MeasuredRequest, nonce: number, fees: Fees): Promise<Hex> {
    const { to, data, value = 0n, gasLimit } = request
    const { chainId, signer } = this.#options
    return (await signer.signTransaction({ chainId, nonce, to, data, value, gasLimit, ...fees })) as Hex
  }

  async submit(raw: Hex): Promise<Submission> {
    return await submit(this.#options.rpc, raw, this.address)
  }
}

function rethrow(error: unknown): never {
  const refusal = revertIn(error)
  if (refusal) throw refusal
  if (!(error instanceof RpcError)) throw error
  const text = `The Ethereum node refuses ${error.method}: ${error.message.slice(0, 200)}`
  throw new ConsentryError('unavailable', text, { retryAfterSeconds: 10, cause: error })
}
