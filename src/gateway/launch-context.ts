import type { Principal } from '../auth/principal.js'
import type { PatientId, RecordSubject } from '../consent/permit.js'
import type { RowFilter } from '../records/types.js'

/** Which patient of the ledger a local Patient is; `null`: none. */
export type PatientOf = (localId: string) => Promise<PatientId | null>

/**
 * "Patient-specific scopes allow access to specific data about a single patient"
 * (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html): a token with one of them reaches the compartment of the patient in its
 * launch context and nothing else, whatever other scopes it has.
 */
export function isConfined({ scopes }: Pick<Principal, 'scopes'>): boolean {
  return scopes.some(({ context }) => context === 'patient')
}

/** The one patient whom a token is about; without a patient who is known here it reaches nothing. */
export class LaunchContext {
  private constructor(private readonly patient: PatientId | null) {}

  /** `undefined`: the token is not confined. */
  static async of(principal: Principal, patientOf: PatientOf): Promise<LaunchContext | undefined> {
    if (!isConfined(principal)) return undefined
    return new LaunchContext(principal.patient === undefined ? null : await patientOf(principal.patient))
  }

  holds({ patient, others }: Pick<RecordSubject, 'patient' | 'others'>): boolean {
    return this.patient !== null && patient === this.patient && (others ?? []).length === 0
  }

  within({ sql, params }: RowFilter): RowFilter {
    if (this.patient === null) return { sql: 'false', params: [] }
    const patient = Buffer.from(this.patient.slice(2), 'hex')
    return { sql: `r.patient = $${params.length + 1} AND r.others IS NULL AND (${sql})`, params: [...params, patient] }
  }
}
