import { randomBytes } from 'node:crypto'
import { AbiCoder, keccak256 } from 'ethers'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ALL_LABELS_ID, labelBits, labelId } from '../../src/consent/labels.js'
import type { PartyId, PatientId } from '../../src/consent/permit.js'
import { keepPolicy } from '../../src/consent/policy-rows.js'
import { OPEN_END } from '../../src/consent/terms.js'
import type { Writes } from '../../src/ledger/abi.js'
import type { Call } from '../../src/ledger/contracts.js'
import type { Hex } from '../../src/ledger/hex.js'
import type { Database } from '../../src/records/database.js'
import { type Consortium, consortium, randomId, ZERO } from '../ledger/support/consortium.js'
import { startAnvilNode, type TestNode } from '../ledger/support/nodes.js'
import { ENGINES } from '../records/open.js'
import { type LabelQuestion, MirroredLedger } from './mirrored-ledger.js'

/** Steps of time. Words begin and end in the middle of one, or with it, at the very second of its first block. */
const TICK = 100_000
/** `EMERGENCY_TERM` of the contract, seconds. */
const TERM = 4 * 3_600
const [GENERAL_INFORMATION, PRIMARY_INFORMATION] = [randomId(), randomId()]
/** A document that is kept here, which refuses research and whatever is labelled PSY, and one that nobody has. */
const [KEPT, ELSEWHERE] = [randomId(), randomId()]
const permits = (policy: Hex, { purpose, label }: LabelQuestion): boolean =>
  policy === KEPT && purpose !== 'HRESCH' && label !== 'PSY'
const LABELS = [labelId('general'), labelId('PSY'), ALL_LABELS_ID]

let node: TestNode
let cast: Consortium
let database: Database
let closeDatabase: () => Promise<void>
let ledger: MirroredLedger
let practitioner: PartyId
/** Waits for its information when a history begins. */
let newcomer: PartyId
let start: number
let patients: PatientId[]
let grantees: PartyId[]
let questions: LabelQuestion[]

beforeAll(async () => {
  ;[node, { database, close: closeDatabase }] = await Promise.all([
    startAnvilNode(),
    (ENGINES[0] as (typeof ENGINES)[number]).open(),
  ])
  cast = await consortium(node)
  practitioner = randomId()
  newcomer = randomId()
  const { contracts, operator, entity } = cast
  for (const id of [practitioner, newcomer]) {
    const registration = {
      id,
      controller: ZERO.slice(0, 42) as Hex,
      validFrom: 0,
      validTo: OPEN_END,
      credential: id === practitioner ? ZERO : credentialOf(id),
      encryptionKey: `0x02${randomBytes(32).toString('hex')}` as Hex,
      endpoint: '',
    }
    await cast.run(operator, contracts.write('IdentityRegistry', 'registerPractitioner', entity, registration))
  }
  await keepPolicy(database, KEPT, Buffer.of(1), {
    rules: [
      { excepts: true, purposes: 16 },
      { excepts: true, labels: labelBits(['PSY']) },
    ],
  })
  ledger = new MirroredLedger(node, cast, database)
  await ledger.takeOver([operator.address, cast.administrator.address, wallet()])
  const { timestamp } = await ledger.settled()
  start = Math.ceil(timestamp / TICK) * TICK
  patients = [cast.patient, cast.custodial]
  grantees = [entity, practitioner, newcomer]
  questions = patients.flatMap((patient) =>
    grantees.flatMap((grantee) =>
      (['general', 'PSY', 'HIV'] as const).flatMap((label) =>
        (['read', 'create', 'subscribe'] as const).flatMap((action) =>
          (['TREAT', 'HRESCH', 'BTG'] as const).flatMap((purpose) =>
            [1n, 2n, 3n].map((categories) => ({ patient, grantee, label, action, purpose, categories })),
          ),
        ),
      ),
    ),
  )
})
afterAll(async () => {
  await ledger?.follower.stop()
  await cast?.close()
  await closeDatabase?.()
  await node?.stop()
})

/** The commitment of a party to its information, as the registry checks it. */
const credentialOf = (id: PartyId): Hex =>
  keccak256(
    AbiCoder.defaultAbiCoder().encode(Array(3).fill('bytes32'), [id, GENERAL_INFORMATION, PRIMARY_INFORMATION]),
  ) as Hex
const wallet = (): Hex => cast.wallet.address.toLowerCase() as Hex
const speaker = (patient: number): Hex => (patient === 0 ? wallet() : cast.operator.address)

interface Transaction {
  readonly from: Hex
  readonly call: Call
}
/** Something that happens at a tick, said without the ids of this run. */
type Happening = (tick: number) => Transaction

const whom = fc.record({ patient: fc.nat(1), grantee: fc.nat(2) })
const scope = fc.record({
  labels: fc.subarray([0, 1, 2], { minLength: 1 }),
  actions: fc.constantFrom(0b1, 0b10, 0b100011, 0b111111),
})
/** To revoke there is one more: what breaking the glass opened. */
const revocable = fc.record({
  labels: scope.map(({ labels }) => labels),
  actions: fc.constantFrom(0b1, 0b100011, 0b111111, 0b1000000, 0b1111111),
})
/** From a tick before to a tick after, and then for some ticks or without end. */
const period = fc
  .record({
    begins: fc.integer({ min: -2, max: 1 }),
    within: fc.constantFrom(0, TICK / 2),
    lasts: fc.option(fc.integer({ min: 1, max: 3 }), { nil: null }),
  })
  .map(({ begins, within, lasts }) => (tick: number): { from: number; to: number } => {
    const from = start + (tick + begins) * TICK + within
    return { from, to: lasts === null ? OPEN_END : from + lasts * TICK }
  })
const terms = fc.record({
  who: whom,
  scope,
  period,
  purposes: fc.constantFrom(1, 16, 17),
  categories: fc.constantFrom(1n, 2n, 3n, 2n ** 64n - 1n),
  policyHash: fc.constantFrom(ZERO, ZERO, KEPT, ELSEWHERE),
})
type Terms = typeof terms extends fc.Arbitrary<infer T> ? T : never

const labelsOf = (scope: Pick<Terms['scope'], 'labels'>): Hex[] => scope.labels.map((i) => LABELS[i] as Hex)
const granted = ({ who, scope, period, purposes, categories, policyHash }: Terms, tick: number) => ({
  patient: patients[who.patient] as Hex,
  grantee: grantees[who.grantee] as Hex,
  labels: labelsOf(scope),
  actions: scope.actions,
  purposes,
  categories,
  ...period(tick),
  packageHash: ZERO,
  policyHash,
  nonce: 0n,
  deadline: 0,
})
type ConsentRegistry = Writes['ConsentRegistry']
const consents = <F extends keyof ConsentRegistry>(
  name: F,
  ...inputs: ConsentRegistry[F] extends readonly unknown[] ? ConsentRegistry[F] : never
): Call => cast.contracts.write('ConsentRegistry', name, ...inputs)

const grant = terms.map((terms): Happening => (tick) => ({
  from: speaker(terms.who.patient),
  call: consents('grant', granted(terms, tick)),
}))
/** The practitioner is the delegate, and spoken for by the operator. */
const delegation = terms.map((terms): Happening => (tick) => {
  const { grantee: _grantee, packageHash: _package, policyHash: _policy, ...bounds } = granted(terms, tick)
  return { from: speaker(terms.who.patient), call: consents('delegate', { ...bounds, delegate: practitioner }) }
})
const delegatedGrant = terms.map((terms): Happening => (tick) => ({
  from: cast.operator.address,
  call: consents('grantAsDelegate', practitioner, granted(terms, tick)),
}))
const delegatedRevocation = fc.record({ who: whom, scope: revocable }).map(({ who, scope }): Happening => () => {
  const [patient, grantee] = [patients[who.patient] as Hex, grantees[who.grantee] as Hex]
  const call = consents('revokeAsDelegate', practitioner, patient, grantee, labelsOf(scope), scope.actions)
  return { from: cast.operator.address, call }
})
const revoke = fc.record({ who: whom, scope: revocable }).map(({ who, scope }): Happening => () => {
  const [patient, grantee] = [patients[who.patient] as Hex, grantees[who.grantee] as Hex]
  return { from: speaker(who.patient), call: consents('revoke', patient, grantee, labelsOf(scope), scope.actions) }
})
const revokeLabel = fc.record({ who: whom, scope: revocable }).map(({ who, scope }): Happening => () => {
  const [patient, grantee] = [patients[who.patient] as Hex, grantees[who.grantee] as Hex]
  return {
    from: speaker(who.patient),
    call: consents('revokeLabel', patient, grantee, labelsOf(scope)[0] as Hex, scope.actions),
  }
})
const revokeAll = fc.nat(1).map((patient): Happening => () => ({
  from: speaker(patient),
  call: consents('revokeAll', patients[patient] as Hex),
}))
const breakGlass = whom.map(({ patient, grantee }): Happening => () => ({
  from: cast.operator.address,
  call: consents('breakGlass', patients[patient] as Hex, grantees[grantee] as Hex, randomId()),
}))
const veto = fc.record({ patient: fc.nat(1), vetoed: fc.boolean() }).map(({ patient, vetoed }): Happening => () => ({
  from: speaker(patient),
  call: consents('setEmergencyVeto', patients[patient] as Hex, vetoed),
}))
const supervisor = (grantee: number): Hex => (grantee === 0 ? cast.administrator.address : cast.operator.address)
/** 1 active, 2 suspended, 3 revoked: for good, hence rarely. */
const status = fc
  .record({ grantee: fc.nat(2), status: fc.constantFrom(1, 1, 1, 2, 2, 3) })
  .map(({ grantee, status }): Happening => () => ({
    from: supervisor(grantee),
    call: cast.contracts.write('IdentityRegistry', 'setStatus', grantees[grantee] as Hex, status),
  }))
const validity = fc.record({ grantee: fc.nat(2), period }).map(({ grantee, period }): Happening => (tick) => {
  const { from, to } = period(tick)
  const call = cast.contracts.write('IdentityRegistry', 'setValidity', grantees[grantee] as Hex, from, to)
  return { from: supervisor(grantee), call }
})
const authenticate = fc.constant<Happening>(() => ({
  from: cast.operator.address,
  call: cast.contracts.write('IdentityRegistry', 'authenticate', newcomer, GENERAL_INFORMATION, PRIMARY_INFORMATION),
}))

type Step =
  | {
      readonly kind: 'block'
      readonly ticks: number
      readonly wait: number
      readonly happenings: readonly Happening[]
    }
  | { readonly kind: 'fork'; readonly depth: number }
const happening = fc.oneof(
  { weight: 9, arbitrary: grant },
  { weight: 1, arbitrary: delegation },
  { weight: 2, arbitrary: delegatedGrant },
  { weight: 1, arbitrary: delegatedRevocation },
  { weight: 2, arbitrary: revoke },
  { weight: 1, arbitrary: revokeLabel },
  { weight: 1, arbitrary: revokeAll },
  { weight: 5, arbitrary: breakGlass },
  { weight: 3, arbitrary: veto },
  { weight: 2, arbitrary: status },
  { weight: 1, arbitrary: validity },
  { weight: 1, arbitrary: authenticate },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('block' as const),
      ticks: fc.constantFrom(0, 0, 0, 1),
      // The last second of what a block opened, and the first after it.
      wait: fc.constantFrom(0, 0, 0, 0, TERM - 2, TERM - 1),
      happenings: fc.array(happening, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fork' as const), depth: fc.integer({ min: 1, max: 4 }) }) },
)

it('decides as the contract checks, after every block and every reorganisation of a random history', async () => {
  let permitted = 0
  let emergencies = 0
  let forks = 0
  /** Permitted but for a policy document. */
  let narrowed = 0
  const base = { mark: await ledger.snapshot(), contents: await ledger.contents() }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 14 }), async (history) => {
      /** What was before each block of the present chain. */
      const before: { mark: Hex; tick: number; contents: string }[] = []
      let tick = 0
      let second = start
      for (const s of history) {
        if (s.kind === 'block') {
          before.push({ mark: await ledger.snapshot(), tick, contents: await ledger.contents() })
          tick += s.ticks
          second = Math.max(second + 1 + s.wait, start + tick * TICK)
          await ledger.block(
            s.happenings.map((happen) => happen(tick)),
            second,
          )
        } else {
          const back = before.splice(-s.depth)[0]
          if (back === undefined) continue
          forks++
          await ledger.revert(back.mark)
          tick = back.tick
          await ledger.settled()
          expect(await ledger.contents()).toBe(back.contents)
        }
        const head = await ledger.settled()
        const decided = await ledger.decisions(questions, head.timestamp)
        const expected = await ledger.checks(questions, permits)
        expect(decided).toEqual(expected)
        const unnarrowed = await ledger.checks(questions, () => true)
        narrowed += unnarrowed.filter((would, i) => would && !expected[i]).length
        permitted += decided.filter(Boolean).length
        emergencies += questions.filter(({ purpose }, i) => purpose === 'BTG' && decided[i]).length
      }
      await ledger.revert(base.mark)
      base.mark = await ledger.snapshot()
      await ledger.settled()
      expect(await ledger.contents()).toBe(base.contents)
    }),
    { numRuns: 16, endOnFailure: true },
  )
  // It would say nothing if little were ever permitted, or nothing undone.
  expect(permitted).toBeGreaterThan(200)
  expect(emergencies).toBeGreaterThan(200)
  expect(forks).toBeGreaterThan(3)
  expect(narrowed).toBeGreaterThan(200)
})
