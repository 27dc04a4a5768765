import type { ChainFollower } from '../../ledger/follower.js'
import type { Call } from '../../ledger/contracts.js'
import type { TransactionSender } from '../../ledger/sender.js'

/** What changes the ledger on behalf of a request. */
export interface Carrying {
  readonly sender: Pick<TransactionSender, 'send'>
  readonly follower: Pick<ChainFollower, 'reached'>
}

/** Sends a call and waits until the mirror has its block, so that the answer tells what it has made. @throws ContractRefusal */
export async function carryOut({ sender, follower }: Carrying, call: Call): Promise<void> {
  const receipt = await (await sender.send(call)).wait()
  await follower.reached(receipt.blockNumber)
}
