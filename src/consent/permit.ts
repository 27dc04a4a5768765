import { ConsentryError } from '../errors.js'

/** Random 32-byte identifiers on the ledger, as `0x` and 64 lower-case hex digits. */
export type PatientId = `0x${string}`
/** The id of no patient and of no party: the ledger gives random ones. */
export const NOBODY: PatientId = `0x${'00'.repeat(32)}`
export type PartyId = `0x${string}`

/** Set of labels as bits; bit 0 is `general`, see consent/labels. */
export type LabelBits = bigint

export type Action = 'read' | 'create' | 'update' | 'delete' | 'export' | 'subscribe'

/** What a policy can ask of a record besides its labels and categories. */
export interface RecordFacts {
  /** Tokens of what the record is, who wrote it and what it refers to. */
  readonly facets: readonly bigint[]
  /** [lo, hi) of all its dates of care; `null`: it has none. */
  readonly care: { readonly lo: Uint8Array; readonly hi: Uint8Array } | null
}

/** What a permit is about: one record, as its row describes it. */
export interface RecordSubject {
  /** `null`: in no patient's compartment. */
  readonly patient: PatientId | null
  /** Other patients whom it names: each of them must permit as well. */
  readonly others?: readonly PatientId[] | null
  /** The author entity. */
  readonly origin: PartyId
  readonly labels: LabelBits
  readonly categories: bigint
  /** What a policy document can ask of it; absent: unknown, and then a word with such a document does not cover it. */
  readonly facts?: RecordFacts | null
}

/** Everybody whose consent it takes. */
export function patientsOf({ patient, others }: Pick<RecordSubject, 'patient' | 'others'>): PatientId[] {
  return [...(patient === null ? [] : [patient]), ...(others ?? [])]
}

const secret = Symbol('permit')

/**
 * Proof that consent was decided. It is a value that only consent/decide can make: the constructor needs a
 * symbol that never leaves this module, and the one issuer that holds it can be taken once per process.
 * It authorises one action on the exact set of subjects that was decided, for a short while.
 */
export class Permit {
  readonly #subjects: ReadonlySet<string>
  readonly #brand = secret

  constructor(
    key: typeof secret,
    readonly action: Action,
    readonly purpose: string,
    readonly decidedAt: number,
    subjects: Iterable<RecordSubject>,
  ) {
    if (key !== secret) throw new ConsentryError('internal', 'A permit can only be made by the consent decision.')
    this.#subjects = new Set(Array.from(subjects, subjectKey))
  }

  /** True for a real permit; a forged object fails although it has the same shape. */
  static is(value: unknown): value is Permit {
    return typeof value === 'object' && value !== null && #brand in value && value.#brand === secret
  }

  covers(subject: RecordSubject): boolean {
    return this.#subjects.has(subjectKey(subject))
  }
}

function subjectKey(s: RecordSubject): string {
  return `${s.patient ?? '-'}|${s.others?.join(',') ?? ''}|${s.origin}|${s.labels}|${s.categories}|${factsKey(s.facts)}`
}

function factsKey(facts: RecordFacts | null | undefined): string {
  if (!facts) return ''
  const care = facts.care === null ? '' : Buffer.concat([facts.care.lo, facts.care.hi]).toString('latin1')
  return `${facts.facets.join(',')}|${care}`
}

export type Issuer = (action: Action, purpose: string, decidedAt: number, subjects: Iterable<RecordSubject>) => Permit

let taken = false

/** Hands out the right to make permits, once; consent/decide takes it when it is loaded. */
export function takeIssuer(): Issuer {
  if (taken) throw new ConsentryError('internal', 'The permit issuer has been taken already.')
  taken = true
  return (action, purpose, decidedAt, subjects) => new Permit(secret, action, purpose, decidedAt, subjects)
}
