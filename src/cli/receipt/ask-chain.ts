import { type ConsentReceipt, proveGrant } from '../../consent/receipt.js'
import { type ReceiptVerdict, verifyReceipt } from '../../consent/receipt-verdict.js'
import { ConsentryError } from '../../errors.js'
import { readHeader } from '../../ledger/block-header.js'
import { header, parseLog } from '../../ledger/chain.js'
import { interfaceOf } from '../../ledger/contracts.js'
import { fromQuantity } from '../../ledger/hex.js'
import { Rpc } from '../../ledger/rpc.js'

/**
 * That the node's chain has the block of the proof and the transaction that gave, and what it has of the grant now.
 * @throws ConsentryError `integrity` where it has not, `unavailable` where it does not answer
 */
export async function askChain(url: string, receipt: ConsentReceipt): Promise<ReceiptVerdict> {
  const { chain_id, contracts, grant, events, proof } = receipt.ledger
  const rpc = new Rpc(url)
  try {
    const chain = fromQuantity(await rpc.send('eth_chainId'))
    if (chain !== chain_id) {
      throw new ConsentryError('integrity', `The node is of chain ${chain}, the receipt of chain ${chain_id}.`)
    }
    const proven = readHeader(proof.header)
    const there = await header(rpc, proven.number)
    if (there.hash !== proven.hash) throw new ConsentryError('integrity', 'The chain has another block of that number.')
    const [given] = events
    const mined = given === undefined ? null : await rpc.send('eth_getTransactionReceipt', [given.transaction])
    const logs = ((mined as { logs?: unknown[] } | null)?.logs ?? []).map(parseLog)
    const topic = interfaceOf('ConsentRegistry').getEvent('ConsentGranted')?.topicHash
    const gives = logs.some(
      ({ address, topics: [name, patient, grantee], blockHash }) =>
        address === contracts.ConsentRegistry &&
        name === topic &&
        patient === grant.patient &&
        grantee === grant.grantee &&
        blockHash === given?.block_hash,
    )
    if (!gives) throw new ConsentryError('integrity', 'The chain has no such transaction that gave this.')
    return verifyReceipt({
      ...receipt,
      ledger: { ...receipt.ledger, proof: await proveGrant(rpc, contracts, grant) },
    })
  } finally {
    await rpc.close()
  }
}
