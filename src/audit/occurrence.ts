import type { PartyId, PatientId } from '../consent/permit.js'

/**
 * One interaction as the gateway saw it. It becomes one BALP AuditEvent for each patient concerned, or one without
 * a patient.
 */
export interface Occurrence {
  /** http://hl7.org/fhir/restful-interaction, or the name of an operation with its `$`. */
  readonly interaction: string
  /** https://hl7.org/fhir/R4/valueset-audit-event-outcome.html: success, minor, serious, major failure. */
  readonly outcome: '0' | '4' | '8' | '12'
  /** For people; no health data. */
  readonly outcomeDescription?: string
  /** Milliseconds since the epoch. */
  readonly recorded: number
  readonly requestId: string
  readonly agent: AuditedAgent
  readonly patients: readonly { readonly id: PatientId; readonly reference: string }[]
  /** `patient`: whose compartment it is in; the events of other patients do not name it. */
  readonly data: readonly {
    readonly reference: string
    readonly version?: number
    readonly patient?: PatientId | null
  }[]
  /** The document that authorises it. */
  readonly authorisation?: { readonly reference: string; readonly version: number }
  /** SHA-256 in base64 of capsules whose keys re-encryption proxies are asked for. */
  readonly capsules?: readonly string[]
  /** The raw query of a search, without the question mark. */
  readonly query?: string
  readonly evidence?: LedgerEvidence
}

/** Who did it. `address` is the network address. */
export type AuditedAgent =
  | {
      readonly clientId: string
      readonly entity: PartyId
      readonly practitioner?: PartyId
      readonly role: 'system' | 'auditor' | 'patient'
      readonly address: string
      readonly purposes: readonly string[]
    }
  /** A caller whose token was not accepted. */
  | { readonly anonymous: true; readonly address: string }
  /** The gateway itself: importing, purging, mirroring. */
  | { readonly self: true }

/** Where the ledger says so. */
export interface LedgerEvidence {
  readonly chainId: number
  readonly contract: string
  readonly transactionHash: string
  readonly blockNumber: number
  readonly blockHash: string
  readonly logIndex: number
}
