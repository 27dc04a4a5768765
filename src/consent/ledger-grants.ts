import { createHash } from 'node:crypto'
import type { Sql } from '../records/database.js'
import type { PartyId, PatientId } from './permit.js'
import { type ConsentWord, FLAG_POLICY, unpackWord } from './word.js'

type Hex = `0x${string}`

/** What is given or asked for, in the ledger's words. */
export interface LedgerTerms {
  readonly patient: PatientId
  readonly grantee: PartyId
  readonly labels: readonly Hex[]
  /** Bit sets, as in the contract. */
  readonly actions: number
  readonly purposes: number
  readonly categories: bigint
  /** Seconds since the epoch. */
  readonly from: number
  readonly to: number
}

/** What a patient gives with one grant; everything but serial and epoch, which the contract sets. */
export interface GrantedTerms extends LedgerTerms {
  readonly packageHash: Hex
  /** Of the policy document that narrows it; absent: none does. */
  readonly policyHash?: Hex
}

/** An event of the consent contract and where it stands. */
export interface LedgerPlace {
  readonly name: string
  readonly blockNumber: number
  readonly blockHash: Hex
  /** Seconds since the epoch. */
  readonly blockTime: number
  readonly transactionHash: Hex
  readonly logIndex: number
}

export interface LedgerConsentEvent extends LedgerPlace {
  readonly args: Readonly<Record<string, unknown>>
}

/** One grant as the history of its patient leaves it. */
export interface LedgerGrant {
  readonly key: Hex
  readonly terms: GrantedTerms
  /** Label → bit set of the actions that are still this grant's; empty: all of it was revoked or replaced. */
  readonly held: ReadonlyMap<Hex, number>
  readonly grantedAt: LedgerPlace
  /** The event that last gave or took any of it. */
  readonly decidedAt: LedgerPlace
}

/** Names a grant by its terms: the same before it is sent and when its events come back. SHA-256. */
export function grantKey(terms: GrantedTerms): Hex {
  const { patient, grantee, labels, actions, purposes, categories, from, to, packageHash } = terms
  const policy = policyIn(terms)
  const words = [patient, grantee, ...labels.toSorted(), actions, purposes, categories, from, to, packageHash]
  if (policy !== undefined) words.push(policy)
  return `0x${createHash('sha256').update(words.join('|').toLowerCase()).digest('hex')}`
}

const NONE: Hex = `0x${'00'.repeat(32)}`

/** What the ledger writes as zero is no document. */
export function policyIn({ policyHash }: Pick<GrantedTerms, 'policyHash'>): Hex | undefined {
  return policyHash === undefined || policyHash === NONE ? undefined : policyHash
}

/**
 * The grants of one patient, folded from its events in the order of the chain. The events of one transaction with the same
 * word, grantee, actions, package and policy document are one grant of several labels. A later word of the same key takes over
 * what it names.
 */
export function ledgerGrants(patient: PatientId, events: readonly LedgerConsentEvent[]): LedgerGrant[] {
  const grants = new Map<Hex, Folding>()
  const owner = new Map<string, Folding>()
  const take = (grantee: string, label: Hex, actions: number, place: LedgerPlace): void => {
    for (const action of bitsOf(actions)) {
      const key = `${grantee}|${label}|${action}`
      const former = owner.get(key)
      if (former === undefined) continue
      former.held.set(label, (former.held.get(label) ?? 0) & ~(1 << action))
      former.decidedAt = place
      owner.delete(key)
    }
  }
  for (const given of inGrants(patient, events)) {
    if ('revoked' in given) {
      const { grantee, label, actions } = given.revoked
      if (label === null) {
        for (const grant of new Set(owner.values())) {
          grant.held.clear()
          grant.decidedAt = given.place
        }
        owner.clear()
      } else take(grantee, label, actions, given.place)
      continue
    }
    const { terms, place } = given
    for (const label of terms.labels) take(terms.grantee, label, terms.actions, place)
    const key = grantKey(terms)
    const grant = grants.get(key) ?? { key, terms, held: new Map<Hex, number>(), grantedAt: place, decidedAt: place }
    grants.set(key, grant)
    grant.grantedAt = grant.decidedAt = place
    for (const label of terms.labels) {
      grant.held.set(label, terms.actions)
      for (const action of bitsOf(terms.actions)) owner.set(`${terms.grantee}|${label}|${action}`, grant)
    }
  }
  return [...grants.values()].map((grant) => ({
    ...grant,
    held: new Map([...grant.held].filter(([, actions]) => actions !== 0)),
  }))
}

/** What a patient has given, in the order of the chain, whatever became of it. */
export function grantsGiven(
  patient: PatientId,
  events: readonly LedgerConsentEvent[],
): { readonly terms: GrantedTerms; readonly place: LedgerPlace }[] {
  return inGrants(patient, events).flatMap((given) => ('terms' in given ? [given] : []))
}

interface Folding {
  readonly key: Hex
  readonly terms: GrantedTerms
  readonly held: Map<Hex, number>
  grantedAt: LedgerPlace
  decidedAt: LedgerPlace
}

type Given =
  | { readonly terms: GrantedTerms; readonly place: LedgerPlace }
  | {
      readonly revoked: { readonly grantee: string; readonly label: Hex | null; readonly actions: number }
      readonly place: LedgerPlace
    }

/** Revocations, and grants whose labels stand together again. */
function inGrants(patient: PatientId, events: readonly LedgerConsentEvent[]): Given[] {
  const given: Given[] = []
  let open: { key: string; labels: Hex[] } | null = null
  for (const [i, { args, ...place }] of events.entries()) {
    if (place.name === 'ConsentGranted') {
      const word = unpackWord(BigInt(String(args['consent'])))
      const label = String(args['label']) as Hex
      const policy = (word.flags & FLAG_POLICY) === 0 ? undefined : pinnedAfter(events, i, label)
      const key = [...['grantee', 'actions', 'consent', 'packageHash'].map((name) => String(args[name])), policy].join(
        '|',
      )
      if (open?.key === `${place.transactionHash}|${key}` && !open.labels.includes(label)) {
        open.labels.push(label)
        continue
      }
      open = { key: `${place.transactionHash}|${key}`, labels: [label] }
      given.push({
        terms: termsOf(patient, args, word, open.labels, policy),
        place,
      })
    } else if (place.name === 'ConsentRevoked') {
      const { grantee, label, actions } = args
      given.push({
        revoked: { grantee: String(grantee), label: String(label) as Hex, actions: Number(actions) },
        place,
      })
    } else if (place.name === 'AllConsentsRevoked') {
      given.push({ revoked: { grantee: '', label: null, actions: 0 }, place })
    }
    if (place.name !== 'PolicyPinned') open = place.name === 'ConsentGranted' ? open : null
  }
  return given
}

/** The contract names the document of a label's words right after them. */
function pinnedAfter(events: readonly LedgerConsentEvent[], i: number, label: Hex): Hex | undefined {
  const next = events[i + 1]
  return next?.name === 'PolicyPinned' && next.args['label'] === label
    ? (String(next.args['policyHash']) as Hex)
    : undefined
}

function termsOf(
  patient: PatientId,
  args: Readonly<Record<string, unknown>>,
  { purposes, categories, from, to }: ConsentWord,
  labels: readonly Hex[],
  policyHash: Hex | undefined,
): GrantedTerms {
  const grantee = String(args['grantee']) as PartyId
  const packageHash = String(args['packageHash']) as Hex
  const terms = {
    patient,
    grantee,
    labels,
    actions: Number(args['actions']),
    purposes,
    categories,
    from,
    to,
    packageHash,
  }
  return policyHash === undefined ? terms : { ...terms, policyHash }
}

/** The places of the bits of a set of actions. */
export function bitsOf(mask: number): number[] {
  return Array.from({ length: 8 }, (_, bit) => bit).filter((bit) => (mask & (1 << bit)) !== 0)
}

/** The consent events of these patients, each in the order of the chain. */
export async function consentHistory(
  sql: Sql,
  patients: readonly PatientId[],
): Promise<Map<PatientId, LedgerConsentEvent[]>> {
  const { rows } = await sql.query<{
    subject: Buffer
    name: string
    args: Record<string, unknown>
    block_number: bigint
    block_hash: Buffer
    block_time: bigint
    transaction_hash: Buffer
    log_index: number
  }>(
    `SELECT subject, name, args, block_number, block_hash, block_time, transaction_hash, log_index FROM ledger_event
     WHERE contract = 'ConsentRegistry' AND subject = ANY($1::bytea[]) ORDER BY block_number, log_index`,
    [patients.map((patient) => Buffer.from(patient.slice(2), 'hex'))],
  )
  const histories = new Map<PatientId, LedgerConsentEvent[]>(patients.map((patient) => [patient, []]))
  for (const row of rows) {
    histories.get(hex(row.subject))?.push({
      name: row.name,
      args: row.args,
      blockNumber: Number(row.block_number),
      blockHash: hex(row.block_hash),
      blockTime: Number(row.block_time),
      transactionHash: hex(row.transaction_hash),
      logIndex: row.log_index,
    })
  }
  return histories
}

function hex(value: Buffer): Hex {
  return `0x${value.toString('hex')}`
}
