import type { Hex } from '../ledger/hex.js'
import type { Addresses } from '../ledger/contracts.js'
import { stateProof, type StateProof } from '../ledger/proof.js'
import type { Rpc } from '../ledger/rpc.js'
import { accountSlot, consentSlot, policySlot, standingSlot } from '../ledger/slots.js'
import { instant } from './instant.js'
import { ALL_LABELS_ID, labelCodeOf } from './labels.js'
import { bitsOf, type GrantedTerms, type LedgerPlace } from './ledger-grants.js'
import type { PartyId } from './permit.js'
import { actionsOf, ALL_CATEGORIES, CATEGORIES, OPEN_END, purposesOf } from './terms.js'

/** The standard whose names `record` has: consent record information structure. */
export const RECORD_SCHEMA = 'ISO/IEC TS 27560:2023'

/**
 * What a patient takes home: one grant as a consent record of ISO/IEC TS 27560, the Consent that tells it in FHIR, and the words of
 * the ledger at one block with their proofs. Whoever trusts the hash of that block can check it without this server, its
 * operator or a network (`receipt-verdict.ts`).
 */
export interface ConsentReceipt {
  readonly schema_version: typeof RECORD_SCHEMA
  /** `urn:uuid:` */
  readonly receipt_id: string
  readonly record: ConsentRecord
  /** FHIR R4 Consent. */
  readonly consent: Readonly<Record<string, unknown>>
  readonly ledger: ReceiptLedger
}

export interface ReceiptLedger {
  readonly chain_id: number
  readonly contracts: ReceiptContracts
  readonly grant: ReceiptGrant
  /** The event that gave, and the one that last took any of it. */
  readonly events: readonly ReceiptEvent[]
  readonly proof: StateProof
  /** The policy document that narrows the grant, as its hash was made of it. */
  readonly policy?: string
}

export type ReceiptContracts = Pick<Addresses, 'ConsentRegistry' | 'IdentityRegistry'>

/** `GrantedTerms` as JSON: the categories, 64 bits, in decimal digits. */
export interface ReceiptGrant extends Omit<GrantedTerms, 'categories'> {
  readonly categories: string
}

export interface ReceiptEvent {
  readonly event: string
  readonly transaction: Hex
  readonly block_number: number
  readonly block_hash: Hex
  /** Seconds since the epoch. */
  readonly block_time: number
  readonly log_index: number
}

/** Clause 6 of ISO/IEC TS 27560:2023, with the names of its elements. */
export type ConsentRecord = Readonly<Record<string, unknown>>

/** What a record says that is not on the ledger. */
export interface RecordNames {
  /** URL of the Consent. */
  readonly record_id: string
  /** The entity that keeps the patient's record. */
  readonly controller: PartyId
}

/** The words that `check` reads for every label and action of the grant, with their proofs. */
export function proveGrant(rpc: Rpc, contracts: ReceiptContracts, terms: ReceiptGrant): Promise<StateProof> {
  return stateProof(rpc, [
    {
      address: contracts.ConsentRegistry,
      slots: [
        accountSlot(terms.patient),
        ...wordsOf(terms).map(consentSlot),
        ...(terms.policyHash === undefined ? [] : wordsOf(terms).map(policySlot)),
      ],
    },
    { address: contracts.IdentityRegistry, slots: [standingSlot(terms.grantee)] },
  ])
}

/** One for each label and action. */
export function wordsOf({ patient, grantee, labels, actions }: Omit<ReceiptGrant, 'categories'>) {
  return labels.flatMap((label) => bitsOf(actions).map((action) => ({ patient, grantee, label, action })))
}

export function receiptGrant({ categories, ...terms }: GrantedTerms): ReceiptGrant {
  const { patient, grantee, labels, actions, purposes, from, to, packageHash, policyHash } = terms
  const said = { patient, grantee, labels, actions, purposes, categories: String(categories), from, to, packageHash }
  return policyHash === undefined ? said : { ...said, policyHash }
}

export function receiptEvent(place: LedgerPlace): ReceiptEvent {
  return {
    event: place.name,
    transaction: place.transactionHash,
    block_number: place.blockNumber,
    block_hash: place.blockHash,
    block_time: place.blockTime,
    log_index: place.logIndex,
  }
}

/** The same grant and events make the same record, so whoever has them can make it again and compare. */
export function consentRecord(names: RecordNames, grant: ReceiptGrant, events: readonly ReceiptEvent[]): ConsentRecord {
  return {
    schema_version: RECORD_SCHEMA,
    record_id: names.record_id,
    pii_principal_id: grant.patient,
    pii_processing: {
      language: 'en',
      purposes: purposesOf(grant.purposes).map((purpose) => ({
        purpose,
        purpose_type: 'http://terminology.hl7.org/CodeSystem/v3-ActReason',
        lawful_basis: 'consent',
        pii_information: grant.labels.map((label) => informationOf(label, BigInt(grant.categories))),
        pii_controllers: [names.controller],
        recipient_third_parties: [grant.grantee],
        ...(grant.policyHash === undefined ? {} : { policy_document: grant.policyHash }),
        processing_methods: actionsOf(grant.actions),
        withdrawal_method: `${names.record_id}/$revoke, or revoke of the ConsentRegistry with the patient's own key`,
      })),
    },
    party_identification: [
      { party_id: grant.patient, party_role: 'pii_principal' },
      { party_id: names.controller, party_role: 'pii_controller' },
      { party_id: grant.grantee, party_role: 'recipient_third_party' },
    ],
    consent_events: events.map(({ event, block_time, transaction }, i) => ({
      event_time: instant(block_time),
      validity_duration: `${instant(grant.from)}/${grant.to === OPEN_END ? '..' : instant(grant.to)}`,
      entity_id: grant.patient,
      event_type: 'explicit',
      event_state: i === 0 ? 'given' : event === 'ConsentGranted' ? 'replaced' : 'withdrawn',
      transaction,
    })),
  }
}

/** A label is a compartment of the record; the sensitive ones are DS4P's classes. */
function informationOf(label: Hex, categories: bigint): object {
  const code = label === ALL_LABELS_ID ? 'every label' : (labelCodeOf(label) ?? label)
  return {
    pii_type: code,
    pii_attribute_id: label,
    sensitive_pii_category: code !== 'general',
    categories:
      categories === ALL_CATEGORIES
        ? ['every category']
        : CATEGORIES.filter((_, i) => (categories & (1n << BigInt(i))) !== 0n),
  }
}
