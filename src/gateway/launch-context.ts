import type { Principal } from '../auth/principal.js'
import type { Action, PatientId, RecordSubject } from '../consent/permit.js'
import type { Ref, RowFilter } from '../records/types.js'

/** Which patient of the ledger a local Patient is; `null`: none. */
export type PatientOf = (localId: string) => Promise<PatientId | null>

/** Which resources fulfil a condition, as `Type/id`. */
export type Fulfilling = (refs: readonly Ref[], filter: RowFilter) => Promise<ReadonlySet<string>>

/**
 * What may be read of nobody's compartment because a record in the compartment refers to it: who gave care, where, and what was given.
 * US Core's clients ask for them with patient scopes (https://hl7.org/fhir/us/core/STU6.1/scopes.html).
 */
const REFERRED: readonly string[] = [
  'HealthcareService',
  'Location',
  'Medication',
  'Organization',
  'Practitioner',
  'PractitionerRole',
]

/**
 * "Patient-specific scopes allow access to specific data about a single patient"
 * (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html): a token with one of them reaches the compartment of the patient in its
 * launch context, and to read it what the records there that it may see refer to of a few types, and nothing else, whatever other scopes it has.
 */
export function isConfined({ scopes }: Pick<Principal, 'scopes'>): boolean {
  return scopes.some(({ context }) => context === 'patient')
}

/** The one patient whom a token is about; without a patient who is known here it reaches nothing. */
export class LaunchContext {
  private constructor(
    private readonly patient: PatientId | null,
    private readonly action: Action,
  ) {}

  /** `undefined`: the token is not confined. */
  static async of(principal: Principal, action: Action, patientOf: PatientOf): Promise<LaunchContext | undefined> {
    if (!isConfined(principal)) return undefined
    return new LaunchContext(principal.patient === undefined ? null : await patientOf(principal.patient), action)
  }

  /**
   * Which of the subjects are inside. @param permitted the consent condition, for what is in nobody's compartment
   */
  async holds(
    subjects: readonly RecordSubject[],
    permitted: () => Promise<RowFilter>,
    fulfilling: Fulfilling,
  ): Promise<boolean[]> {
    const refs = subjects.map((subject) => (this.mayBeReferred(subject) ? subject : null))
    const asked = refs.filter((ref) => ref !== null)
    const found = asked.length === 0 ? new Set() : await fulfilling(asked, this.within(await permitted()))
    return subjects.map(({ patient, others }, i) => {
      const ref = refs[i]
      const own = this.patient !== null && patient === this.patient && (others ?? []).length === 0
      return own || (ref ? found.has(`${ref.type}/${ref.id}`) : false)
    })
  }

  within({ sql, params }: RowFilter): RowFilter {
    if (this.patient === null) return { sql: 'false', params: [] }
    const patient = `(r.patient = $${params.length + 1} AND r.others IS NULL)`
    const own = Buffer.from(this.patient.slice(2), 'hex')
    if (this.action !== 'read') return { sql: `${patient} AND (${sql})`, params: [...params, own] }
    const types = `ANY ($${params.length + 2}::text[])`
    // inside, `r` is what refers
    const referred = `(r.type, r.id) IN (SELECT f.target_type, f.target_id FROM reference f JOIN resource r ON r.pk = f.source_pk
      WHERE ${patient} AND NOT r.deleted AND f.target_type = ${types} AND (${sql}))`
    return {
      sql: `(${patient} OR (r.patient IS NULL AND r.type = ${types} AND ${referred})) AND (${sql})`,
      params: [...params, own, REFERRED],
    }
  }

  /** Drafts of writes have no row, and nothing in nobody's compartment is written. */
  private mayBeReferred(subject: RecordSubject): subject is RecordSubject & Ref {
    if (this.patient === null || this.action !== 'read' || subject.patient !== null) return false
    const { type, id } = subject as Partial<Ref>
    return type !== undefined && id !== undefined && REFERRED.includes(type)
  }
}
