import { createHash } from 'node:crypto'
import type { LedgerConsentEvent, LedgerPlace } from '../../consent/ledger-grants.js'
import type { PartyId, PatientId } from '../../consent/permit.js'
import type { Resource } from '../../fhir/types.js'
import type { Occurrence } from '../../audit/occurrence.js'
import type { PatientReference } from './emergency-resources.js'
import type { LedgerAddress } from './resource.js'
import type { Notice, NoticeNames } from './notices.js'

/** What is to be told of one notice, from the ledger. */
export interface ToldNotice {
  /** As it is to be kept: `told` names what is said. */
  readonly notice: Notice & { readonly told: Buffer }
  /** @param base what is there; `null`: nothing, or nothing that may be read */
  readonly resource: (base: Resource | null, patient: PatientReference) => Resource
  /** The event that it tells; `null`: that it is gone. */
  readonly place: LedgerPlace | null
  /** Whose deed the event is; `null`: the event is gone, or tells of none. */
  readonly by: { readonly system: string; readonly value: string } | null
  /** For people; no health data. */
  readonly description: string
  /** What the trail is told besides. */
  readonly more?: readonly Pick<Occurrence, 'interaction' | 'outcome' | 'outcomeDescription'>[]
}

/** What is known when the notices of a patient are told. */
export interface NoticeContext extends NoticeNames {
  readonly entity: PartyId
  readonly ledger: LedgerAddress
  /** Our own entity and its practitioners. */
  readonly ours: ReadonlySet<PartyId>
  /** Seconds since the epoch. */
  readonly now: number
  /** How long a review may take, in seconds. */
  readonly reviewSeconds: number
}

/** A patient's history, and what has been told of it. */
export interface NoticeHistory {
  readonly patient: PatientId
  /** We registered the patient: it is ours to tell. */
  readonly home: boolean
  readonly events: readonly LedgerConsentEvent[]
  readonly notices: readonly Notice[]
}

/** Names what is told: equal tellings have equal digests. SHA-256. */
export function digestOf(...said: readonly unknown[]): Buffer {
  return createHash('sha256').update(JSON.stringify(said)).digest()
}
