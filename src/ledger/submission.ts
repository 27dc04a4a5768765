import { ConsentryError } from '../errors.js'
import type { Hex } from './hex.js'
import { RpcError, type Rpc } from './rpc.js'
import { neverSent } from './transport.js'

/**
 * What a node says of a signed transaction. `unknown`: the answer was lost, so it may or may not have it.
 * `taken`: the nonce belongs to another transaction, mined or waiting. `cheap`: the price is too low now.
 */
export type Submission = 'accepted' | 'unknown' | 'taken' | 'cheap'

const WORDS: readonly [RegExp, Submission][] = [
  [/already known|already imported|known transaction|alreadyknown|same hash was already/i, 'accepted'],
  [/nonce too low|nonce is too low|nonce has already been used|old nonce|invalid nonce/i, 'taken'],
  [/replacement transaction underpriced|gas price too low to replace|replacementnotallowed/i, 'taken'],
  [
    /less than block base fee|transaction underpriced|fee cap less than|gas price below|feetoolow|tip .*too low/i,
    'cheap',
  ],
]

/** JSON-RPC names no code for these, so the words of geth, Besu, Nethermind, Erigon, reth and anvil are matched. */
export async function submit(rpc: Rpc, raw: Hex, account: Hex): Promise<Submission> {
  try {
    await rpc.send('eth_sendRawTransaction', [raw])
    return 'accepted'
  } catch (error) {
    if (error instanceof RpcError) return refused(error, account)
    if (neverSent(error)) throw error
    return 'unknown'
  }
}

function refused(error: RpcError, account: Hex): Submission {
  const known = WORDS.find(([words]) => words.test(error.message))
  if (known) return known[1]
  if (/insufficient funds|upfront cost|exceeds.*balance/i.test(error.message)) {
    const text = `The account ${account} cannot pay for gas on the ledger: fund it.`
    throw new ConsentryError('unavailable', text, { retryAfterSeconds: 60, cause: error })
  }
  throw new ConsentryError('unavailable', `The Ethereum node refuses the transaction: ${error.message.slice(0, 200)}`, {
    retryAfterSeconds: 10,
    cause: error,
  })
}
