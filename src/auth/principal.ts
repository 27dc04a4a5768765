import type { BusinessClaim } from './b2b.js'
import type { Scope } from './scopes.js'

/** A party of the ledger, `0x` and 64 lower-case hex digits; the same form as in consent/permit. */
export type PartyId = `0x${string}`

/**
 * Who asks, as an access token proves it. `system`: a client of an entity; `auditor`: reads AuditEvent and
 * Provenance; `patient`: a patient's own application.
 */
export interface Principal {
  readonly clientId: string
  /** The healthcare entity that the client acts for. */
  readonly entity: PartyId
  /** The practitioner on whose behalf it acts, if the registration names one. */
  readonly practitioner?: PartyId
  /** Logical id of the Patient in launch context; only `patient/` scopes use it. */
  readonly patient?: string
  readonly role: 'system' | 'auditor' | 'patient'
  readonly scopes: readonly Scope[]
  /** May ask the entity's wallet service to sign for patients in custody; see wallet-scope. */
  readonly wallet?: boolean
  /** May open a record in an emergency; see own-scopes. */
  readonly breaksGlass?: boolean
  /** May review emergency accesses; see own-scopes. */
  readonly reviews?: boolean
  /** v3-PurposeOfUse codes; never empty, TREAT when the client named none. */
  readonly purposes: readonly string[]
  /** What the client stated with `hl7-b2b` when it asked for the token; its word, for the audit trail. */
  readonly business?: BusinessClaim
  /** `jti` of the access token, for audit records. */
  readonly tokenId: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}
