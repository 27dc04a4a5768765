import type { Hex } from '../ledger/hex.js'
import type { SecretKey } from '../vault/pre/index.js'
import { type Receipt, receiptHash, receiptText } from './protocol.js'
import type { ProxyStore } from './store.js'

/** What a receipt says besides its place in the chain. */
export type Deed = Pick<Receipt, 'kind' | 'patient' | 'grantee' | 'label' | 'request' | 'event' | 'capsules'>

/** Signs what the proxy did and chains it to what it did before. Synchronous, so that no two receipts follow the same one. */
export class ReceiptChain {
  constructor(
    private readonly proxy: Hex,
    private readonly key: SecretKey,
    private readonly store: ProxyStore,
    /** Seconds since the epoch. */
    private readonly now: () => number,
  ) {}

  /** One receipt for each deed, one after the other, durable when it returns: all of them or none. */
  add(deeds: readonly Deed[]): Receipt[] {
    const last = this.store.lastReceipt()
    let [sequence, previous] = last === undefined ? [0, ''] : [last.sequence + 1, receiptHash(last)]
    const receipts = deeds.map(({ kind, ...deed }): Receipt => {
      const unsigned = { sequence, kind, proxy: this.proxy, ...deed, at: this.now(), previous }
      const signature = Buffer.from(this.key.sign(Buffer.from(receiptText(unsigned)))).toString('base64')
      const receipt = { ...unsigned, signature }
      ;[sequence, previous] = [sequence + 1, receiptHash(receipt)]
      return receipt
    })
    this.store.addReceipts(receipts)
    return receipts
  }
}
