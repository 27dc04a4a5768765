import type { Question } from '../consent/decide.js'
import { ALL_LABELS_ID, labelCodes, labelId, NOTICE } from '../consent/labels.js'
import { patientsOf, type RecordSubject } from '../consent/permit.js'
import { actionNumber, purposeMask } from '../consent/terms.js'
import { header } from '../ledger/chain.js'
import type { ChainFollower } from '../ledger/follower.js'
import type { ConsentQuestion, LedgerReader } from '../ledger/reads.js'

/** How long a request waits for the mirror to apply the block that is the latest now. */
const HEARD_WITHIN_MS = 5_000

/**
 * `CONSENT_MODE=chain`: the contract itself is asked, at the node's latest block, besides the mirror. What both do not permit is not
 * permitted, so neither a mirror that lags nor rows that somebody changed let anything out.
 */
export class ChainConsent {
  constructor(
    private readonly reader: Pick<LedgerReader, 'rpc' | 'check'>,
    private readonly follower: Pick<ChainFollower, 'reached'>,
  ) {}

  /**
   * The mirror has applied the block that is the node's latest now: what a search counts and orders is of that block or a later one.
   * @throws ConsentryError `unavailable`
   */
  async heard(): Promise<void> {
    const { number } = await header(this.reader.rpc, 'latest')
    await this.follower.reached(number, HEARD_WITHIN_MS)
  }

  /**
   * For each subject, whether the contract permits it to one of the parties under each of its labels; one call of the node.
   * A subject in no compartment, and a notice, is not the contract's to decide.
   */
  async allows(question: Omit<Question, 'subjects'>, subjects: readonly RecordSubject[]): Promise<boolean[]> {
    const asked: ConsentQuestion[] = []
    const places = new Map<string, readonly (readonly number[])[]>()
    for (const subject of subjects) {
      const { labels, categories } = subject
      const name = nameOf(subject)
      if (!isContracts(subject) || places.has(name)) continue
      const needed = patientsOf(subject).flatMap((patient) => labelCodes(labels).map((code) => ({ patient, code })))
      const each = needed.map(({ patient, code }) =>
        question.parties.flatMap((grantee) =>
          [labelId(code), ALL_LABELS_ID].map((label) => {
            const action = actionNumber(question.action)
            const purpose = purposeMask([question.purpose])
            return asked.push({ patient, grantee, label, action, purpose, categories }) - 1
          }),
        ),
      )
      places.set(name, each)
    }
    if (asked.length === 0) return subjects.map(() => true)
    const answers = await this.reader.check(asked)
    return subjects.map((subject) => {
      if (!isContracts(subject)) return true
      const each = places.get(nameOf(subject)) ?? []
      return each.length > 0 && each.every((questions) => questions.some((i) => answers[i]))
    })
  }
}

function isContracts(subject: RecordSubject): boolean {
  return patientsOf(subject).length > 0 && (subject.labels & NOTICE) === 0n
}

function nameOf(subject: RecordSubject): string {
  const { labels, categories } = subject
  return `${patientsOf(subject).join(',')}|${labels}|${categories}`
}
