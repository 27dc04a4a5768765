import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ALL_LABELS_ID, labelId } from '../../src/consent/labels.js'
import type { PartyId, PatientId } from '../../src/consent/permit.js'
import { OPEN_END } from '../../src/consent/terms.js'
import type { Call } from '../../src/ledger/contracts.js'
import type { Hex } from '../../src/ledger/hex.js'
import type { Database } from '../../src/records/database.js'
import { type Consortium, consortium, randomId, ZERO } from '../ledger/support/consortium.js'
import { startAnvilNode, type TestNode } from '../ledger/support/nodes.js'
import { ENGINES } from '../records/open.js'
import { type LabelQuestion, MirroredLedger } from './mirrored-ledger.js'

/** Steps of time in which words begin and end in the middle, and blocks are made at the beginning, so that no second matters. */
const TICK = 100_000
const LABELS = [labelId('general'), labelId('PSY'), ALL_LABELS_ID]

let node: TestNode
let cast: Consortium
let database: Database
let closeDatabase: () => Promise<void>
let ledger: MirroredLedger
let practitioner: PartyId
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
  const registration = {
    id: practitioner,
    controller: ZERO.slice(0, 42) as Hex,
    validFrom: 0,
    validTo: OPEN_END,
    credential: ZERO,
    encryptionKey: `0x02${randomBytes(32).toString('hex')}` as Hex,
    endpoint: '',
  }
  const { contracts, operator, entity } = cast
  await cast.run(operator, contracts.write('IdentityRegistry', 'registerPractitioner', entity, registration))
  ledger = new MirroredLedger(node, cast, database)
  await ledger.takeOver([operator.address, cast.administrator.address, wallet()])
  const { timestamp } = await ledger.settled()
  start = Math.ceil(timestamp / TICK) * TICK
  patients = [cast.patient, cast.custodial]
  grantees = [entity, practitioner]
  questions = patients.flatMap((patient) =>
    grantees.flatMap((grantee) =>
      (['general', 'PSY', 'HIV'] as const).flatMap((label) =>
        (['read', 'create', 'subscribe'] as const).flatMap((action) =>
          (['TREAT', 'HRESCH'] as const).flatMap((purpose) =>
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

const wallet = (): Hex => cast.wallet.address.toLowerCase() as Hex
const speaker = (patient: number): Hex => (patient === 0 ? wallet() : cast.operator.address)

interface Transaction {
  readonly from: Hex
  readonly call: Call
}
/** Something that happens at a tick, said without the ids of this run. */
type Happening = (tick: number) => Transaction

const whom = fc.record({ patient: fc.nat(1), grantee: fc.nat(1) })
const scope = fc.record({
  labels: fc.subarray([0, 1, 2], { minLength: 1 }),
  actions: fc.constantFrom(0b1, 0b10, 0b100011, 0b111111),
})

const grant = fc
  .record({
    who: whom,
    scope,
    purposes: fc.constantFrom(1, 16, 17),
    categories: fc.constantFrom(1n, 2n, 3n, 2n ** 64n - 1n),
    begins: fc.integer({ min: -2, max: 1 }),
    lasts: fc.option(fc.integer({ min: 1, max: 3 }), { nil: null }),
  })
  .map(({ who, scope, purposes, categories, begins, lasts }): Happening => (tick) => {
    const from = start + (tick + begins) * TICK + TICK / 2
    const message = {
      patient: patients[who.patient] as Hex,
      grantee: grantees[who.grantee] as Hex,
      labels: scope.labels.map((i) => LABELS[i] as Hex),
      actions: scope.actions,
      purposes,
      categories,
      from,
      to: lasts === null ? OPEN_END : from + lasts * TICK,
      packageHash: ZERO,
      policyHash: ZERO,
      nonce: 0n,
      deadline: 0,
    }
    return { from: speaker(who.patient), call: cast.contracts.write('ConsentRegistry', 'grant', message) }
  })
const revoke = fc.record({ who: whom, scope }).map(({ who, scope }): Happening => () => {
  const labels = scope.labels.map((i) => LABELS[i] as Hex)
  const [patient, grantee] = [patients[who.patient] as Hex, grantees[who.grantee] as Hex]
  const call = cast.contracts.write('ConsentRegistry', 'revoke', patient, grantee, labels, scope.actions)
  return { from: speaker(who.patient), call }
})
const revokeAll = fc.nat(1).map((patient): Happening => () => ({
  from: speaker(patient),
  call: cast.contracts.write('ConsentRegistry', 'revokeAll', patients[patient] as Hex),
}))
/** 1 active, 2 suspended. */
const status = fc
  .record({ grantee: fc.nat(1), status: fc.constantFrom(1, 1, 2) })
  .map(({ grantee, status }): Happening => () => ({
    from: grantee === 0 ? cast.administrator.address : cast.operator.address,
    call: cast.contracts.write('IdentityRegistry', 'setStatus', grantees[grantee] as Hex, status),
  }))
const validity = fc
  .record({ begins: fc.integer({ min: -1, max: 1 }), lasts: fc.integer({ min: 1, max: 4 }) })
  .map(({ begins, lasts }): Happening => (tick) => {
    const from = start + (tick + begins) * TICK + TICK / 2
    const call = cast.contracts.write('IdentityRegistry', 'setValidity', practitioner, from, from + lasts * TICK)
    return { from: cast.operator.address, call }
  })

type Step =
  | { readonly kind: 'block'; readonly ticks: number; readonly happenings: readonly Happening[] }
  | { readonly kind: 'fork'; readonly depth: number }
const happening = fc.oneof(
  { weight: 9, arbitrary: grant },
  { weight: 3, arbitrary: revoke },
  { weight: 1, arbitrary: revokeAll },
  { weight: 2, arbitrary: status },
  { weight: 1, arbitrary: validity },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('block' as const),
      ticks: fc.constantFrom(0, 0, 0, 1),
      happenings: fc.array(happening, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fork' as const), depth: fc.integer({ min: 1, max: 4 }) }) },
)

it('decides as the contract checks, after every block and every reorganisation of a random history', async () => {
  let permitted = 0
  let forks = 0
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
          second = Math.max(second + 1, start + tick * TICK)
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
        expect(decided).toEqual(await ledger.checks(questions))
        permitted += decided.filter(Boolean).length
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
  expect(forks).toBeGreaterThan(3)
})

it('lets nobody use a word with a policy document, which the contract cannot judge', async () => {
  const patient = patients[0] as Hex
  const message = {
    patient,
    grantee: practitioner,
    labels: [labelId('general')],
    actions: 1,
    purposes: 1,
    categories: 1n,
    from: start,
    to: OPEN_END,
    packageHash: ZERO,
    policyHash: randomId(),
    nonce: 0n,
    deadline: 0,
  }
  const call = cast.contracts.write('ConsentRegistry', 'grant', message)
  await ledger.block([{ from: wallet(), call }], start + 50 * TICK)
  const { timestamp } = await ledger.settled()
  const question: LabelQuestion = {
    patient,
    grantee: practitioner,
    label: 'general',
    action: 'read',
    purpose: 'TREAT',
    categories: 1n,
  }
  expect(await ledger.checks([question])).toEqual([true])
  expect(await ledger.decisions([question], timestamp)).toEqual([false])
})
