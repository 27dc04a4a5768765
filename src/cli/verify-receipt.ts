/**
 * npm run --silent verify-receipt -- <file> [--code <what the QR code says>] [--rpc <URL>] [--json]
 * Checks a consent receipt (the answer of `Consent/[id]/$receipt`, or the receipt in it) without the gateway that gave it. Exit code
 * 0: it is genuine, whether or not the consent is still in force; 1: it is not; 2: it could not be checked.
 */
import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { canonicalJson } from '../audit/canonical-json.js'
import { labelCodeOf } from '../consent/labels.js'
import type { ConsentReceipt } from '../consent/receipt.js'
import { type ReceiptVerdict, verifyReceipt } from '../consent/receipt-verdict.js'
import { ACTIONS } from '../consent/terms.js'
import { ConsentryError } from '../errors.js'
import { receiptCode } from '../gateway/consent/receipt-code.js'
import { requireSaysNoMore } from '../gateway/consent/receipt-consent.js'
import { commandLine, UsageError } from './arguments.js'
import { askChain } from './receipt/ask-chain.js'
import { receiptFrom } from './receipt/receipt-from.js'

const USAGE =
  'usage: npm run --silent verify-receipt -- <file> [--code <what the QR code says>] [--rpc <URL of a node>] [--json]'

async function main(): Promise<number> {
  const { values, positionals } = commandLine(USAGE, {
    allowPositionals: true,
    options: { code: { type: 'string' }, rpc: { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const [file] = positionals
  if (file === undefined || positionals.length > 1) throw new UsageError(USAGE)
  const text = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch((cause: unknown) => {
    throw new UsageError(`${file} cannot be read.`, { cause })
  })
  const value = receiptFrom(text)
  const verdict = verifyReceipt(value)
  const receipt = value as ConsentReceipt // verified
  requireSaysNoMore(receipt, verdict)
  const code = receiptCode(receipt, hash('sha256', canonicalJson(receipt), 'hex'))
  if (values.code !== undefined && values.code !== code) {
    throw new ConsentryError('integrity', 'The QR code is that of another receipt.')
  }
  const now = values.rpc === undefined ? null : await askChain(values.rpc, receipt)
  if (values.json) console.log(JSON.stringify({ genuine: true, code, then: verdict, now }, null, 2))
  else print(receipt, verdict, now, values.code !== undefined)
  return 0
}

function print(
  { record, ledger }: ConsentReceipt,
  then: ReceiptVerdict,
  now: ReceiptVerdict | null,
  onPaper: boolean,
): void {
  const { grant, chain_id, contracts } = ledger
  console.log(`Genuine: ${String(record['record_id'])}`)
  console.log(`  patient ${grant.patient}\n  grantee ${grant.grantee}`)
  if (onPaper) console.log('  the QR code is that of this receipt')
  tell(then, 'As of')
  if (now === null) {
    console.log(
      `To trust this, trust that chain ${chain_id} has that block, and the consent registry ${contracts.ConsentRegistry}`,
    )
    console.log('and the identity registry that it names: ask any node of the chain, or give its URL as --rpc.')
  } else {
    console.log('The node has that block and the transaction of the grant.')
    tell(now, 'Now, at')
  }
}

function tell({ block, words }: ReceiptVerdict, when: string): void {
  console.log(`${when} block ${block.number} (${block.hash}), ${new Date(block.timestamp * 1000).toISOString()}:`)
  for (const { label, action, state } of words) {
    const code = labelCodeOf(label) ?? label
    console.log(`  ${code.padEnd(10)} ${(ACTIONS[action] ?? String(action)).padEnd(10)} ${state}`)
  }
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const told = error instanceof ConsentryError || error instanceof UsageError || (error as { code?: string }).code
    console.error(told ? (error as Error).message : error)
    const refuted = error instanceof ConsentryError && error.kind === 'integrity'
    process.exitCode = refuted ? 1 : 2
  },
)
