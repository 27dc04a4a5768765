import type { DecodedEvent, RawLog } from '../../../src/ledger/chain.js'
import type { Hex } from '../../../src/ledger/hex.js'
import type { TransactionSender } from '../../../src/ledger/sender.js'

const TOPIC = '11'.repeat(32)

/** The smallest contract that speaks: it logs its calldata under one topic, and reverts when there is none. */
const code = ((): Hex => {
  // 0: CALLDATASIZE, PUSH1 0x07, JUMPI, PUSH0, PUSH0, REVERT, 7: JUMPDEST
  const guard = `36` + `6007` + `57` + `5f5ffd` + `5b`
  // CALLDATASIZE PUSH0 PUSH0 CALLDATACOPY, PUSH32 topic, CALLDATASIZE PUSH0 LOG1, STOP
  const speak = `365f5f37` + `7f${TOPIC}` + `365fa1` + `00`
  const runtime = guard + speak
  const length = (runtime.length / 2).toString(16).padStart(2, '0')
  // PUSH1 length, DUP1, PUSH1 09, PUSH0, CODECOPY, PUSH0, RETURN
  return `0x60${length}8060095f395ff3${runtime}`
})()

export async function deployEmitter(sender: TransactionSender): Promise<{ address: Hex; block: number }> {
  const receipt = await (await sender.send({ to: null, data: code })).wait()
  if (!receipt.contractAddress) throw new Error('no contract')
  return { address: receipt.contractAddress, block: receipt.blockNumber }
}

export interface Spoken extends DecodedEvent {
  readonly contract: 'Emitter'
  readonly name: 'Spoken'
  readonly args: { readonly data: Hex }
}

export function decodeSpoken(log: RawLog): Spoken {
  return { contract: 'Emitter', name: 'Spoken', args: { data: log.data } }
}
