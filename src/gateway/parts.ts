import type { AuditTrail } from '../audit/audit-trail.js'
import type { PartyId } from '../consent/permit.js'
import type { Sensitivity } from '../fhir/sensitivity.js'
import type { RecordStore } from '../records/record-store.js'
import type { BlindIndex } from '../records/blind-index.js'
import type { Access } from './access.js'
import type { Bodies } from './bodies.js'
import type { ConsentLinks } from './consent/links.js'
import type { Conformance } from './conformance.js'
import type { Patients } from './patients.js'

/** What the interactions work with; the composition root makes one. */
export interface GatewayParts {
  /** Our entity on the ledger: author of what is written here. */
  readonly entity: PartyId
  /** FHIR base as clients see it, without a slash at the end. */
  readonly baseUrl: string
  /** Of the software. */
  readonly version: string
  /** Token endpoint, for the CapabilityStatement. */
  readonly tokenUrl: string
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  readonly access: Access
  readonly records: RecordStore
  readonly index: BlindIndex
  readonly bodies: Bodies
  readonly patients: Patients
  /** Which Consents stand for a grant on the ledger. */
  readonly consents: Pick<ConsentLinks, 'of'>
  readonly conformance: Conformance
  /** Gives records the labels that their codes imply. */
  readonly sensitivity: Sensitivity
  readonly audit: AuditTrail
  /** Told after each commit: something may wait to be anchored. */
  readonly committed: () => void
  readonly limits: GatewayLimits
}

export interface GatewayLimits {
  /** Entries of a page when the client names no `_count`. */
  readonly pageSize: number
  readonly maxPageSize: number
  /** Resources that `_include` and `_revinclude` may add to a page. */
  readonly maxIncluded: number
  /** Matches that a search counts if nobody asks for the total; of more it tells none. */
  readonly maxCounted: number
  /** Steps from a page that `:iterate` may take. */
  readonly maxIncludeRounds: number
  /** References that a chain may go through. */
  readonly maxChain: number
  /** Entries of a batch or transaction. */
  readonly maxBundleEntries: number
}
