import { isDeepStrictEqual } from 'node:util'
import { ConsentryError } from '../errors.js'
import type { BlockRef } from '../ledger/chain.js'
import type { Hex } from '../ledger/hex.js'
import { type ProvenState, verifyState } from '../ledger/proof.js'
import { accountSlot, type ConsentKey, consentSlot, policySlot, standingSlot } from '../ledger/slots.js'
import { policyHash } from './policy-document.js'
import { consentRecord, type ConsentReceipt, RECORD_SCHEMA, type ReceiptGrant, wordsOf } from './receipt.js'
import { type ConsentWord, FLAG_POLICY, unpackWord } from './word.js'

/** What the ledger had of one label and action at the block of the proof. */
export type WordState = 'in force' | 'not yet in force' | 'expired' | 'withdrawn' | 'replaced' | 'grantee not active'

export interface ReceiptVerdict {
  /** Whoever trusts this block's hash trusts the rest. */
  readonly block: BlockRef
  readonly words: readonly { readonly label: Hex; readonly action: number; readonly state: WordState }[]
}

/**
 * Whether a receipt says what the ledger said at its block, without asking anybody. That the block is the chain's, and that
 * the contracts are the consortium's, it cannot say.
 * @throws ConsentryError `integrity` for a proof that does not hold or a record that says something else, `malformed` for what
 * is no receipt
 */
export function verifyReceipt(value: unknown): ReceiptVerdict {
  const receipt = receiptIn(value)
  const { record, ledger } = receipt
  const { grant, events, contracts, proof } = ledger
  const state = verifyState(proof)
  const names = { record_id: String(record['record_id']), controller: controllerOf(record) }
  if (!isDeepStrictEqual(record, consentRecord(names, grant, events))) {
    throw new ConsentryError('integrity', 'The consent record does not say what was granted.')
  }
  const document = ledger.policy === undefined ? undefined : policyHash(Buffer.from(ledger.policy))
  if (document !== grant.policyHash) {
    throw new ConsentryError('integrity', 'The policy document is not the one that was granted.')
  }
  const epoch = Number((state.word(contracts.ConsentRegistry, accountSlot(grant.patient)) >> 160n) & 0xffff_ffffn)
  const active = isActive(state.word(contracts.IdentityRegistry, standingSlot(grant.grantee)), state.block.timestamp)
  const policyBeside = (key: ConsentKey): Hex | undefined =>
    grant.policyHash === undefined ? undefined : hexWord(state.word(contracts.ConsentRegistry, policySlot(key)))
  const words = wordsOf(grant).map((key) => ({
    label: key.label,
    action: key.action,
    state: stateOf(
      grant,
      wordIn(state, contracts.ConsentRegistry, consentSlot(key)),
      policyBeside(key),
      epoch,
      active,
      state.block,
    ),
  }))
  return { block: state.block, words }
}

function hexWord(word: bigint): Hex {
  return `0x${word.toString(16).padStart(64, '0')}`
}

function wordIn(state: ProvenState, address: Hex, slot: Hex): ConsentWord | null {
  const word = state.word(address, slot)
  return word === 0n ? null : unpackWord(word)
}

function stateOf(
  grant: ReceiptGrant,
  word: ConsentWord | null,
  policy: Hex | undefined,
  epoch: number,
  active: boolean,
  { timestamp }: BlockRef,
): WordState {
  if (word === null || word.epoch !== epoch) return 'withdrawn'
  const same =
    word.from === grant.from &&
    word.to === grant.to &&
    word.purposes === grant.purposes &&
    word.categories === BigInt(grant.categories) &&
    ((word.flags & FLAG_POLICY) === 0 ? undefined : policy) === grant.policyHash
  if (!same) return 'replaced'
  if (timestamp < word.from) return 'not yet in force'
  if (timestamp >= word.to) return 'expired'
  return active ? 'in force' : 'grantee not active'
}

/** Standing of IIdentityRegistry: status 1 is active, valid from (40 bits) and to (40). */
function isActive(standing: bigint, at: number): boolean {
  const field = (position: bigint, width: bigint): number => Number((standing >> position) & ((1n << width) - 1n))
  return field(168n, 8n) === 1 && field(176n, 40n) <= at && at < field(216n, 40n)
}

function controllerOf(record: Readonly<Record<string, unknown>>): Hex {
  const parties = record['party_identification']
  const list: unknown[] = Array.isArray(parties) ? parties : []
  const found = list.map(object).find(({ party_role }) => party_role === 'pii_controller')
  return String(found?.['party_id']) as Hex
}

/** Longest list in a receipt: 64 labels with 8 actions. */
const MOST = 520
/** Nodes of a path: 64 nibbles of a hashed key. */
const DEEPEST = 65

/** Everything that the check goes by is looked at; the rest is compared with what it makes. */
function receiptIn(value: unknown): ConsentReceipt {
  const receipt = object(value)
  const ledger = object(receipt['ledger'])
  const grant = object(ledger['grant'])
  const contracts = object(ledger['contracts'])
  const proof = object(ledger['proof'])
  const good =
    receipt['schema_version'] === RECORD_SCHEMA &&
    /^urn:uuid:[0-9a-f-]{36}$/.test(String(receipt['receipt_id'])) &&
    isNumber(ledger['chain_id']) &&
    [contracts['ConsentRegistry'], contracts['IdentityRegistry']].every((address) => isHex(address, 20)) &&
    ['patient', 'grantee', 'packageHash'].every((name) => isHex(grant[name], 32)) &&
    isList(grant['labels'], (label) => isHex(label, 32)) &&
    ['actions', 'purposes', 'from', 'to'].every((name) => isNumber(grant[name])) &&
    /^\d{1,20}$/.test(String(grant['categories'])) &&
    isList(ledger['events'], isEvent) &&
    (ledger['policy'] === undefined || typeof ledger['policy'] === 'string') &&
    (grant['policyHash'] === undefined || isHex(grant['policyHash'], 32)) &&
    isHex(proof['header']) &&
    isList(proof['accounts'], isAccount)
  // The shape was looked at above, element by element.
  if (good) return value as ConsentReceipt
  throw new ConsentryError('malformed', 'This is no consent receipt, or one with parts missing.')
}

function isEvent(value: unknown): boolean {
  const { event, transaction, block_number, block_hash, block_time, log_index } = object(value)
  const numbers = [block_number, block_time, log_index]
  return typeof event === 'string' && isHex(transaction, 32) && isHex(block_hash, 32) && numbers.every(isNumber)
}

function isAccount(value: unknown): boolean {
  const { address, nodes, words } = object(value)
  return isHex(address, 20) && isPath(nodes) && isList(words, isWord)
}

function isWord(value: unknown): boolean {
  const { slot, nodes } = object(value)
  return isHex(slot, 32) && isPath(nodes)
}

function isPath(value: unknown): boolean {
  return isList(value, (node) => isHex(node)) && (value as unknown[]).length <= DEEPEST
}

function isList(value: unknown, is: (element: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length <= MOST && value.every(is)
}

function isNumber(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isHex(value: unknown, bytes?: number): value is Hex {
  return (
    typeof value === 'string' &&
    /^0x(?:[0-9a-f]{2})*$/.test(value) &&
    (bytes === undefined || value.length === 2 + 2 * bytes)
  )
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {}
}
