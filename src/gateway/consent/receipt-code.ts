import type { ConsentReceipt } from '../../consent/receipt.js'

/**
 * What the QR code on a receipt says: `consentry-receipt:1:<chain id>:<registry>:<transaction>:<block number>:<block hash>:<SHA-256 of
 * the receipt in the form of RFC 8785>`. Paper in the patient's hand fixes the file; whoever has a node of the chain looks the block up.
 * Digests and random ids alone.
 */
export function receiptCode({ ledger }: ConsentReceipt, digest: string): string {
  const { chain_id, contracts, events } = ledger
  const given = events[0]
  const at = [given?.transaction, given?.block_number, given?.block_hash]
  return ['consentry-receipt', 1, chain_id, contracts.ConsentRegistry, ...at, digest].join(':')
}
