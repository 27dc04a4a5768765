import type { Principal } from '../auth/principal.js'
import { decide, type Denial, type Facts, type Freshness } from '../consent/decide.js'
import type { ConsentMirror } from '../consent/mirror.js'
import type { Action, PartyId, Permit, RecordSubject } from '../consent/permit.js'
import { rowFilter } from '../consent/row-filter.js'
import { isPurpose, type Purpose, PURPOSES, wordAsked } from '../consent/terms.js'
import { ConsentryError } from '../errors.js'
import type { RowFilter } from '../records/types.js'
import type { ChainConsent } from './chain-consent.js'
import { LaunchContext, type PatientOf } from './launch-context.js'

/** What was opened under a permit. */
export interface Disclosed {
  readonly permit: Permit
  readonly subjects: readonly RecordSubject[]
}

/** Asks for the consent decision on behalf of a principal; the only way from a request to a Permit. */
export class Access {
  /** What the mirror was at when it was asked. */
  readonly #decidedAt = new WeakMap<Permit | RowFilter, number>()

  constructor(
    private readonly mirror: ConsentMirror,
    private readonly freshness: () => Freshness,
    private readonly clock: () => number,
    /** `null`: the mirror alone decides. */
    private readonly chain: ChainConsent | null = null,
    /** For tokens of one patient; without it they reach nothing. */
    private readonly patientOf: PatientOf = async () => null,
  ) {}

  /**
   * @throws ConsentryError `forbidden` when consent does not permit it for every subject, `unavailable` with
   * Retry-After when the mirror of the ledger is too old to know.
   */
  async permit(principal: Principal, action: Action, subjects: readonly RecordSubject[]): Promise<Permit> {
    await this.heard(principal)
    const { revision } = this.mirror
    const facts = await this.facts(principal, action, subjects)
    const decision = decide({ ...asked(principal, action), subjects }, facts)
    if ('denial' in decision) throw denied(decision.denial, action, principal)
    const launched = await LaunchContext.of(principal, this.patientOf)
    if (launched !== undefined && !subjects.every((subject) => launched.holds(subject))) throw outsideLaunch()
    const refused = (await this.allows(principal, action, subjects)).indexOf(false)
    if (refused !== -1) throw denied({ reason: 'no-grant' }, action, principal)
    this.#decidedAt.set(decision.permit, revision)
    return decision.permit
  }

  /**
   * Decides anew what the ledger has been heard of since its permit was made: to be called when everything is ready to go
   * out, so that a revocation that came while blocks were fetched still stops them. Throws as `permit` does. Where the contract
   * itself is asked, everything is asked again, and the mirror is at the latest block afterwards.
   */
  async confirm(principal: Principal, disclosed: readonly Disclosed[]): Promise<void> {
    const outdated = this.chain === null ? disclosed.filter(({ permit }) => !this.isCurrent(permit)) : disclosed
    // What was only counted goes by the mirror, which is to be at the latest block as well.
    if (outdated.length === 0) return this.heard(principal)
    const byAction = Map.groupBy(outdated, ({ permit }) => permit.action)
    await Promise.all(
      Array.from(byAction, ([action, each]) =>
        this.permit(
          principal,
          action,
          each.flatMap(({ subjects }) => subjects),
        ),
      ),
    )
  }

  /** True if the ledger has not been heard of since. */
  isCurrent(decided: Permit | RowFilter): boolean {
    return this.#decidedAt.get(decided) === this.mirror.revision
  }

  /** One permit for each subject that is permitted, `null` for the others; the facts are fetched once. */
  async permits(principal: Principal, action: Action, subjects: readonly RecordSubject[]): Promise<(Permit | null)[]> {
    await this.heard(principal)
    const facts = await this.facts(principal, action, subjects)
    const launched = await LaunchContext.of(principal, this.patientOf)
    const allowed = await this.allows(principal, action, subjects)
    return subjects.map((subject, i) => {
      const decision = decide({ ...asked(principal, action), subjects: [subject] }, facts)
      const reached = launched === undefined || launched.holds(subject)
      return reached && 'permit' in decision && allowed[i] === true ? decision.permit : null
    })
  }

  /** The decision as a condition inside a search. Throws as `permit` does when nothing at all can be permitted. */
  async filter(principal: Principal, action: Action): Promise<RowFilter> {
    await this.heard(principal)
    const { revision } = this.mirror
    const facts = await this.facts(principal, action, [])
    const question = asked(principal, action)
    const decision = decide({ ...question, subjects: [] }, facts)
    if ('denial' in decision) throw denied(decision.denial, action, principal)
    const parties = question.parties.filter((party) => facts.activeParties.has(party))
    const permitted = rowFilter({ ...question, parties, now: Math.floor(facts.now / 1000) })
    const launched = await LaunchContext.of(principal, this.patientOf)
    const filter = launched === undefined ? permitted : launched.within(permitted)
    this.#decidedAt.set(filter, revision)
    return filter
  }

  /** The audit trail can be read while the ledger is silent. */
  private async heard(principal: Principal): Promise<void> {
    if (this.chain !== null && principal.role !== 'auditor') await this.chain.heard()
  }

  private async allows(
    principal: Principal,
    action: Action,
    subjects: readonly RecordSubject[],
  ): Promise<readonly boolean[]> {
    if (this.chain === null || principal.role === 'auditor') return subjects.map(() => true)
    return this.chain.allows(asked(principal, action), subjects)
  }

  private async facts(principal: Principal, action: Action, subjects: readonly RecordSubject[]): Promise<Facts> {
    const parties = partiesOf(principal)
    const patients = [...new Set(subjects.flatMap(({ patient }) => (patient === null ? [] : [patient])))]
    const now = this.clock()
    const words = wordAsked(action, purposeOf(principal))
    const [held, activeParties] = await Promise.all([
      patients.length === 0 || words === null ? [] : this.mirror.words(patients, parties, words),
      this.mirror.activeParties(parties, Math.floor(now / 1000)),
    ])
    return { now, freshness: this.freshness(), words: held, activeParties }
  }
}

/** The identities on the ledger that a caller acts as. */
export function partiesOf(principal: Principal): PartyId[] {
  return principal.practitioner === undefined ? [principal.entity] : [principal.entity, principal.practitioner]
}

/** A token may name several purposes; the first that the ledger knows is what the caller acts for. */
export function actsFor(principal: Principal): Purpose | undefined {
  return principal.purposes.find(isPurpose)
}

/** @throws ConsentryError `forbidden` for a token without a purpose that the ledger knows */
export function purposeOf(principal: Principal): Purpose {
  const purpose = actsFor(principal)
  if (purpose !== undefined) return purpose
  throw new ConsentryError(
    'forbidden',
    `The access token names no purpose of use that a grant can name; ask for one of ${PURPOSES.join(', ')} (extension hl7-b2b of the client's assertion).`,
  )
}

function asked(principal: Principal, action: Action) {
  const auditor = principal.role === 'auditor'
  return { action, purpose: purposeOf(principal), parties: partiesOf(principal), auditor }
}

function outsideLaunch(): ConsentryError {
  return new ConsentryError(
    'forbidden',
    'The access token is for the records of one patient, and this is none of them.',
  )
}

function denied(denial: Denial, action: Action, principal: Principal): ConsentryError {
  switch (denial.reason) {
    case 'mirror-stale':
      return new ConsentryError('unavailable', 'The ledger has not been heard of recently, so consent is not known.', {
        retryAfterSeconds: 5,
      })
    case 'party-not-active':
      return new ConsentryError(
        'forbidden',
        `The party that this client acts for, ${partiesOf(principal).join(' or ')}, is not active on the ledger.`,
      )
    case 'not-the-author':
      return new ConsentryError('forbidden', 'The record is in no compartment and belongs to its author entity alone.')
    case 'auditors-only':
      return new ConsentryError('forbidden', 'The audit trail can be read by auditors alone, and written by nobody.')
    case 'no-grant':
      return new ConsentryError(
        'forbidden',
        purposeOf(principal) === 'BTG'
          ? `No emergency access of this party to the patient is open for it to ${action}; breaking the glass opens it on the ledger, for reading alone.`
          : `No consent of the patient is in force that lets this party ${action} for purpose ${purposeOf(principal)}.`,
        { code: 'suppressed' },
      )
  }
}
