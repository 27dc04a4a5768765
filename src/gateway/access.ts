import type { Principal } from '../auth/principal.js'
import { type Decision, decide, type Denial, type Facts, type Freshness } from '../consent/decide.js'
import { GENERAL } from '../consent/labels.js'
import type { ConsentMirror } from '../consent/mirror.js'
import { countingParties } from '../consent/parties.js'
import { type Action, type PartyId, patientsOf, type Permit, type RecordSubject } from '../consent/permit.js'
import { rowFilter } from '../consent/row-filter.js'
import { wordAsked } from '../consent/terms.js'
import { ConsentryError } from '../errors.js'
import type { RowFilter } from '../records/types.js'
import { actsFor, granteesOf, partiesOf, purposeOf } from './acting-party.js'
import { careWord } from './admission.js'
import type { ChainConsent } from './chain-consent.js'
import type { EmergencyAccess } from './consent/emergency-access.js'
import { orEmergency } from './consent/emergency-filter.js'
import { denied, outsideLaunch } from './denied.js'
import { type Fulfilling, isConfined, LaunchContext, type PatientOf } from './launch-context.js'

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
    /** `null`: for an emergency the mirror alone is asked, like for everything. */
    private readonly emergency: EmergencyAccess | null = null,
    /** For what a token of one patient reaches beyond the compartment; without it nothing. */
    private readonly fulfilling: Fulfilling = async () => new Set(),
  ) {}

  /**
   * @throws ConsentryError `forbidden` when consent does not permit it for every subject, `unavailable` with
   * Retry-After when the mirror of the ledger is too old to know.
   */
  async permit(principal: Principal, action: Action, subjects: readonly RecordSubject[]): Promise<Permit> {
    await this.heard(principal)
    const { revision } = this.mirror
    const facts = await this.facts(principal, action, subjects)
    const byMirror = decide({ ...asked(principal, action), subjects }, facts)
    const decision = 'permit' in byMirror ? byMirror : await this.inEmergency(principal, action, subjects, byMirror)
    if ('denial' in decision) throw denied(decision.denial, action, principal)
    if ((await this.inLaunch(principal, action, subjects)).includes(false)) throw outsideLaunch()
    const refused = (await this.allows(principal, action, subjects)).indexOf(false)
    if (refused !== -1) throw denied({ reason: 'no-grant' }, action, principal)
    // What the contract was asked for is asked for again: the mirror does not tell when it changes.
    if (decision === byMirror) this.#decidedAt.set(decision.permit, revision)
    return decision.permit
  }

  /**
   * Whether a new patient may be registered for this caller: it could write the Patient by the care grant that comes with the registration,
   * and by nothing else. Throws as `permit` does.
   *
   * @param entity who registers it
   */
  async admits(principal: Principal, entity: PartyId): Promise<void> {
    await this.heard(principal)
    if (isConfined(principal)) throw outsideLaunch()
    const facts = await this.facts(principal, 'create', [])
    const care = careWord(entity, 'create')
    const somebody = { patient: care.patient, origin: entity, labels: GENERAL, categories: care.categories }
    const decision = decide({ ...asked(principal, 'create'), subjects: [somebody] }, { ...facts, words: [care] })
    if ('denial' in decision) throw denied(decision.denial, 'create', principal)
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
    const launched = await this.inLaunch(principal, action, subjects)
    const allowed = await this.allows(principal, action, subjects)
    const byMirror = subjects.map((subject) => decide({ ...asked(principal, action), subjects: [subject] }, facts))
    const denials = byMirror.flatMap((decision, i) => ('denial' in decision ? [{ i, decision }] : []))
    const [first] = denials
    const emergency = first && (await this.emergencyFacts(principal, action, subjects, first.decision))
    return subjects.map((subject, i) => {
      const known = byMirror[i] as Decision
      const decision =
        'permit' in known || !emergency
          ? known
          : decide({ ...asked(principal, action), subjects: [subject] }, { ...facts, ...emergency })
      return launched[i] === true && 'permit' in decision && allowed[i] === true ? decision.permit : null
    })
  }

  /** The decision as a condition inside a search. Throws as `permit` does when nothing at all can be permitted. */
  async filter(principal: Principal, action: Action): Promise<RowFilter> {
    const { permitted, revision } = await this.permitted(principal, action)
    const launched = await LaunchContext.of(principal, action, this.patientOf)
    const filter = launched === undefined ? permitted : launched.within(permitted)
    if (revision !== undefined) this.#decidedAt.set(filter, revision)
    return filter
  }

  /** Which of the subjects are inside of the launch context of the token; all where it has none. */
  private async inLaunch(
    principal: Principal,
    action: Action,
    subjects: readonly RecordSubject[],
  ): Promise<readonly boolean[]> {
    const launched = await LaunchContext.of(principal, action, this.patientOf)
    if (launched === undefined) return subjects.map(() => true)
    return launched.holds(subjects, async () => (await this.permitted(principal, action)).permitted, this.fulfilling)
  }

  /** What consent permits. `revision`: of the mirror that alone was asked. */
  private async permitted(
    principal: Principal,
    action: Action,
  ): Promise<{ readonly permitted: RowFilter; readonly revision: number | undefined }> {
    await this.heard(principal)
    const { revision } = this.mirror
    const facts = await this.facts(principal, action, [])
    const question = asked(principal, action)
    const decision = decide({ ...question, subjects: [] }, facts)
    const parties = question.parties.filter((party) => facts.activeParties.has(party))
    const byMirror =
      'denial' in decision ? null : rowFilter({ ...question, parties, now: Math.floor(facts.now / 1000) })
    const open = this.asksContract(principal, action)
      ? await this.emergency?.open(question.parties, facts.now).catch(orNothing)
      : undefined
    if (byMirror === null && !open?.length) throw denied((decision as { denial: Denial }).denial, action, principal)
    return { permitted: orEmergency(byMirror, open ?? []), revision: open?.length ? undefined : revision }
  }

  /** The audit trail can be read while the ledger is silent. */
  private async heard(principal: Principal): Promise<void> {
    if (this.chain === null || principal.role === 'auditor') return
    // In an emergency the contract itself is asked of what the mirror does not know yet.
    const heard = this.chain.heard()
    await (this.asksContract(principal, 'read') ? heard.catch(orNothing) : heard)
  }

  private asksContract(principal: Principal, action: Action): boolean {
    return this.emergency !== null && action === 'read' && principal.role !== 'auditor' && actsFor(principal) === 'BTG'
  }

  /** What the contract says of an emergency that the mirror does not let through; `null`: it has not been asked, or does not answer. */
  private async emergencyFacts(
    principal: Principal,
    action: Action,
    subjects: readonly RecordSubject[],
    { denial }: { readonly denial: Denial },
  ): Promise<Partial<Facts> | null> {
    if (!this.asksContract(principal, action) || this.emergency === null) return null
    if (denial.reason !== 'mirror-stale' && denial.reason !== 'no-grant') return null
    const patients = [...new Set(subjects.flatMap(patientsOf))]
    if (patients.length === 0) return null
    const facts = await this.emergency.facts(partiesOf(principal), patients, this.clock()).catch(orNothing)
    return facts === undefined || facts.words.length === 0 ? null : facts
  }

  private async inEmergency(
    principal: Principal,
    action: Action,
    subjects: readonly RecordSubject[],
    byMirror: Decision & { readonly denial: Denial },
  ): Promise<Decision> {
    const facts = await this.emergencyFacts(principal, action, subjects, byMirror)
    if (facts === null) return byMirror
    const known = await this.facts(principal, action, [])
    return decide({ ...asked(principal, action), subjects }, { ...known, ...facts })
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
    const parties = granteesOf(principal)
    const patients = [...new Set(subjects.flatMap(patientsOf))]
    const now = this.clock()
    const words = wordAsked(action, purposeOf(principal))
    const [held, activeParties] = await Promise.all([
      patients.length === 0 || words === null ? [] : this.mirror.words(patients, parties, words),
      this.mirror.activeParties(parties, Math.floor(now / 1000)),
    ])
    return {
      now,
      freshness: this.freshness(),
      words: held,
      activeParties: countingParties(principal.entity, activeParties),
    }
  }
}

/** Nothing is known of an emergency: what the mirror says stands. */
function orNothing(error: unknown): undefined {
  if (error instanceof ConsentryError && error.kind === 'unavailable') return undefined
  throw error
}

function asked(principal: Principal, action: Action) {
  const auditor = principal.role === 'auditor'
  return { action, purpose: purposeOf(principal), parties: granteesOf(principal), auditor }
}
