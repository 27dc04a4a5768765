import { id } from 'ethers'
import { bytesOf, type Path } from './support/machine.js'
import { IDENTITY, type Subject } from './support/subject.js'
import { said, type Storage, type Term, type Word } from './support/terms.js'

/** What is wrong with a contract, for some words; empty if the law is proved for all. */
export type Violations = string[]

const equal = (a: Word, b: Word): string => `(= ${said(a)} ${said(b)})`
const below = (a: Word, b: Word): string => `(bvult ${said(a)} ${said(b)})`
const not = (condition: string): string => `(not ${condition})`
const all = (...conditions: string[]): string => `(and true ${conditions.join(' ')})`

const EMERGENCY_PURPOSE = 128n
const EMERGENCY_ACTION = 6n
const LAST_EPOCH = 0xffffffffn

/** Bits of a word, as a word. */
function bits({ terms }: Subject, word: Word, lowest: bigint, count: bigint): Word {
  return terms.operation('AND', terms.operation('SHR', lowest, word), (1n << count) - 1n)
}

/** The storage word at the place that the contract itself names. */
async function at(subject: Subject, storage: Storage, place: 'slotOf' | 'accountSlotOf', ...of: Word[]): Promise<Word> {
  return subject.terms.load(
    storage,
    await subject.value(place, of, {
      given: of.slice(3).flatMap((a) => (typeof a === 'bigint' ? [] : [below(a, 256n)])),
    }),
  )
}

const epochOfWord = (subject: Subject, word: Word): Word => bits(subject, word, 176n, 32n)
const epochOfAccount = (subject: Subject, account: Word): Word => bits(subject, account, 160n, 32n)

/** Of `check`: the patient, the grantee, the label, the action, the purposes, the categories. */
type Question = [Term, Term, Term, Term, Term, Term]

function anyQuestion({ terms }: Subject): Question {
  const any = (name: string): Term => terms.any(name)
  return [any('patient'), any('grantee'), any('label'), any('action'), any('purposes'), any('categories')]
}

/** What has to hold for a yes, beside the standing of the grantee: the table of storage in contracts/README.md, said once more. */
async function permitted(subject: Subject, question: Question, storage: Storage): Promise<string> {
  const { terms, time } = subject
  const [patient, grantee, label, action, purposes, categories] = question
  const emergency = equal(purposes, EMERGENCY_PURPOSE)
  const word = await at(
    subject,
    storage,
    'slotOf',
    patient,
    grantee,
    label,
    terms.choice(emergency, EMERGENCY_ACTION, action),
  )
  const account = await at(subject, storage, 'accountSlotOf', patient)
  const within = (asked: Word, granted: Word): string =>
    all(not(equal(asked, 0n)), equal(terms.operation('AND', asked, terms.not(granted)), 0n))
  return all(
    not(below(time, bits(subject, word, 0n, 40n))),
    below(time, bits(subject, word, 40n, 40n)),
    within(purposes, bits(subject, word, 80n, 32n)),
    within(categories, bits(subject, word, 112n, 64n)),
    equal(epochOfWord(subject, word), epochOfAccount(subject, account)),
    `(ite ${emergency} ${all(equal(action, 0n), equal(bits(subject, account, 224n, 1n), 0n))} ${below(action, 6n)})`,
  )
}

/**
 * `check` says what the identity registry says of the grantee exactly where the words permit, and no elsewhere; `denial`
 * gives no reason exactly there.
 */
export async function answersByTheWords(subject: Subject, name: 'check' | 'denial'): Promise<Violations> {
  const found: Violations = []
  const question = anyQuestion(subject)
  const law = await permitted(subject, question, subject.storage)
  const selector = Buffer.from(id('isActive(bytes32)').slice(2, 10), 'hex')
  const asked = [...selector, ...bytesOf(question[1])]
  let yes = 0
  for (const path of await subject.run(name, question)) {
    const [standing, ...others] = path.questions
    if (standing !== undefined) {
      if (others.length !== 0 || standing.to !== IDENTITY) found.push('somebody else is asked')
      if (!sameBytes(standing.data, asked)) found.push('something else is asked')
    }
    if (path.end === 'revert') {
      // `check` has no answer if the identity registry has none.
      if (standing === undefined || standing.answer !== null || name === 'denial') found.push('it fails')
      continue
    }
    const returned = subject.terms.word(path.returned)
    const says = name === 'check' ? not(equal(returned, 0n)) : equal(returned, 0n)
    const active = standing?.answer ?? 0n
    const holds = all(law, name === 'check' ? not(equal(active, 0n)) : equal(active, 1n))
    if (await subject.isPossible(...path.conditions, says, not(holds))) found.push('yes without a reason')
    if (await subject.isPossible(...path.conditions, not(says), holds)) found.push('no without a reason')
    if (standing === undefined && (await subject.isPossible(...path.conditions, law))) found.push('nobody is asked')
    if (await subject.isPossible(...path.conditions, says)) yes++
  }
  if (yes === 0) found.push('never yes')
  return found
}

/** The identity registry calls a party active exactly while its status is active and its validity lasts. */
export async function activeByItsStanding(identity: Subject): Promise<Violations> {
  const found: Violations = []
  const party = identity.terms.any('party')
  const active = not(equal(await identity.value('isActive', [party]), 0n))
  const parties = (await identity.run('party', [party])).filter((path) => path.end === 'return')
  if (parties.length === 0) found.push('no party')
  for (const path of parties) {
    const [status, from, to] = [2, 3, 4].map((i) => identity.terms.word(path.returned.slice(32 * i, 32 * i + 32)))
    const holds = all(
      equal(status as Word, 1n),
      not(below(identity.time, from as Word)),
      below(identity.time, to as Word),
    )
    if (await identity.isPossible(...path.conditions, active, not(holds))) found.push('active without a reason')
    if (await identity.isPossible(...path.conditions, not(active), holds)) found.push('not active without a reason')
  }
  return found
}

/**
 * For the controller a revocation never fails, whatever the storage holds, and leaves nothing that `check` could permit:
 * words that have no end, or for `revokeAll` an epoch that no word has. For every set of actions.
 */
export async function revocationsNeverFail(subject: Subject): Promise<Violations> {
  const { terms, storage } = subject
  const found: Violations = []
  const [patient, grantee, label] = anyQuestion(subject)
  const other = terms.any('label')
  const caller = bits(subject, await at(subject, storage, 'accountSlotOf', patient), 0n, 160n)
  const given = [not(equal(caller, 0n))]
  for (let actions = 1n; actions < 128n; actions++) {
    await one('revokeLabel', [patient, grantee, label, actions], actions, [label])
    await one('revoke', [patient, grantee, 0x80n, actions, 1n, label], actions, [label])
    await one('revoke', [patient, grantee, 0x80n, actions, 2n, other, label], actions, [other, label])
  }
  await one('revokeAll', [patient], 0n, [])
  return [...new Set(found)]

  async function one(name: string, words: Word[], actions: bigint, labels: Word[]): Promise<void> {
    const paths = await subject.run(name, words, { given, caller })
    if (!paths.some((path) => path.end === 'return')) found.push(`${name} never returns`)
    for (const path of paths) {
      if (path.end === 'revert') found.push(`${name} fails`)
      else for (const each of labels) await leavesNothing(name, path, actions, each)
    }
  }

  async function leavesNothing(name: string, path: Path, actions: bigint, of: Word): Promise<void> {
    for (let action = 0n; action < 7n; action++) {
      if (((actions >> action) & 1n) === 0n) continue
      const end = bits(subject, await at(subject, path.storage, 'slotOf', patient, grantee, of, action), 40n, 40n)
      if (end !== 0n && (await subject.isPossible(...path.conditions, not(equal(end, 0n)))))
        found.push(`${name} leaves a word`)
    }
  }
}

/**
 * The functions that write accounts or words, with arguments: signatures have 65 bytes, arrays one element. The signed
 * twins and the delegate's go through the same code once the signature is believed.
 */
export const STEPS = {
  revokeAll: ({ patient }) => [patient],
  revokeAllSigned: ({ patient, any }) => [
    patient,
    any('nonce'),
    any('deadline'),
    0x80n,
    65n,
    any('r'),
    any('s'),
    any('v'),
  ],
  revokeLabel: ({ patient, grantee, label }) => [patient, grantee, label, 65n],
  revoke: ({ patient, grantee, label }) => [patient, grantee, 0x80n, 3n, 1n, label],
  revokeDelegation: ({ patient, label, any }) => [patient, any('delegate'), 0x60n, 1n, label],
  grant({ patient, grantee, label, any }) {
    const terms = ['purposes', 'categories', 'from', 'to', 'packageHash', 'policyHash', 'nonce', 'deadline'].map(any)
    return [0x20n, patient, grantee, 0x180n, 1n, ...terms, 1n, label]
  },
  grantCompact: ({ patient, grantee, label, any }) => [
    patient,
    grantee,
    label,
    ...['terms', 'package', 'r', 'vs'].map(any),
  ],
  breakGlass: ({ patient, grantee, any }) => [patient, grantee, any('reasonHash')],
  setEmergencyVeto: ({ patient, any }) => [patient, any('vetoed')],
  controllerChanged: ({ patient, any }) => [patient, any('controller')],
} satisfies Record<string, (given: Arguments) => Word[]>

interface Arguments {
  readonly patient: Term
  readonly grantee: Term
  readonly label: Term
  readonly any: (name: string) => Term
}

/**
 * A step leaves the epochs of all patients, but for `revokeAll`, which counts its patient's up by one; and it leaves no
 * word ahead of its patient's epoch, if none was. So a word from before a `revokeAll` is never of the present epoch again.
 */
export async function epochsOnlyIncrease(subject: Subject, name: keyof typeof STEPS): Promise<Violations> {
  const { terms, storage } = subject
  const found: Violations = []
  // Somebody's, not necessarily the patient of the step.
  const [patient, grantee, label, action] = anyQuestion(subject)
  const accountSlot = await subject.value('accountSlotOf', [patient])
  const slot = await subject.value('slotOf', [patient, grantee, label, action], { given: [below(action, 256n)] })
  const epoch = epochOfAccount(subject, terms.load(storage, accountSlot))
  const given = [
    not(equal(epoch, LAST_EPOCH)),
    not(below(epoch, epochOfWord(subject, terms.load(storage, slot)))),
    below(action, 256n),
  ]
  const step = { patient: terms.any('patient'), grantee: terms.any('grantee'), label: terms.any('label') }
  const words = STEPS[name]({ ...step, any: (of) => terms.any(of) })
  const ended = name.startsWith('revokeAll') ? equal(patient, step.patient) : 'false'
  const next = terms.operation('ADD', epoch, terms.choice(ended, 1n, 0n))
  const paths = (await subject.run(name, words, { given })).filter((path) => path.end === 'return')
  if (paths.length === 0) found.push('it never returns')
  for (const path of paths) {
    const after = epochOfAccount(subject, terms.load(path.storage, accountSlot))
    const ahead = below(after, epochOfWord(subject, terms.load(path.storage, slot)))
    if (await subject.isPossible(...path.conditions, not(equal(after, next)))) found.push('another epoch')
    if (await subject.isPossible(...path.conditions, ahead)) found.push('a word ahead of the epoch')
  }
  return found
}

function sameBytes(actual: Path['returned'], expected: Path['returned']): boolean {
  return JSON.stringify(actual) === JSON.stringify(expected)
}
