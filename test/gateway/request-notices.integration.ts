import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OPEN_SECONDS } from '../../src/consent/access-requests.js'
import { labelId } from '../../src/consent/labels.js'
import { ownProfiles } from '../../src/fhir/profiles.js'
import { validate } from '../../src/fhir/validate.js'
import { requestId } from '../../src/gateway/consent/request-resource.js'
import type { Hex } from '../../src/ledger/hex.js'
import { relayCall, signTypedData, typedData } from '../../src/ledger/typed-data.js'
import { ALL_CATEGORIES, randomId, ZERO } from '../ledger/support/consortium.js'
import { NoticeHospital } from './notice-hospital.js'

let hospital: NoticeHospital
beforeAll(async () => {
  hospital = await NoticeHospital.open()
})
afterAll(() => hospital?.h.stop())

const now = () => Math.floor(Date.now() / 1000)
async function ask(patient: Hex, over: object = {}): Promise<Hex> {
  const { h } = hospital
  const terms = {
    patient,
    grantee: h.entity,
    labels: [labelId('general'), labelId('HIV')],
    actions: 0b11,
    purposes: 1,
    categories: 7n,
    from: now() - 60,
    to: now() + 90 * 86_400,
    reasonHash: randomId(),
    ...over,
  }
  await h.run(h.operator, h.contracts.write('ConsentRegistry', 'requestAccess', terms))
  return requestId(terms)
}
const found = async (request: Hex) =>
  (await hospital.told(hospital.h.patient, 'Task')).find(({ body }) => body.identifier[0].value === request)
const state = async (request: Hex) => {
  const task = await found(request)
  return [task?.body.status, task?.body.businessStatus.coding[0].code]
}

let granted = 0
async function grant(over: object = {}): Promise<void> {
  const { h } = hospital
  const message = {
    patient: h.patient,
    grantee: h.entity,
    labels: [labelId('general')],
    actions: 1,
    purposes: 1,
    categories: ALL_CATEGORIES,
    from: now(),
    to: now() + 3_600,
    packageHash: ZERO,
    policyHash: ZERO,
    // Several decisions may come within one second.
    nonce: (await h.reader.read('ConsentRegistry', 'grantNonce', h.patient)) + BigInt(++granted),
    deadline: now() + 3_600,
    ...over,
  }
  const signature = await signTypedData(h.wallet, typedData(h.contracts, 'Grant', message))
  await h.run(h.operator, relayCall(h.contracts, 'Grant', message, signature))
}
const snapshot = async () => (await hospital.h.node.rpc.send('evm_snapshot')) as Hex
const revert = (mark: Hex) => hospital.h.node.rpc.send('evm_revert', [mark])
const provenances = async (): Promise<number> => {
  const { rows } = await hospital.h.database.query<{ n: bigint }>(
    `SELECT count(*) AS n FROM resource WHERE type = 'Provenance'`,
  )
  return Number(rows[0]?.n)
}

describe('the Task of a request', () => {
  it('has the id that the contract gives, is valid, and is written once', async () => {
    const request = await ask(hospital.h.patient)
    await hospital.mirrored()
    const task = await found(request)
    expect(await state(request)).toEqual(['requested', 'open'])
    const { resource, issues } = validate(task?.body)
    expect([issues, resource && ownProfiles().judge(resource)]).toEqual([[], []])
    expect(task?.body.input.map(({ type }: { type: { coding: { code: string }[] } }) => type.coding[0]?.code)).toEqual([
      ...['label', 'label', 'action', 'action', 'purpose', 'category', 'category', 'category', 'period'],
    ])
    const before = await provenances()
    expect(before).toBeGreaterThan(0)
    await hospital.mirrored()
    expect([(await found(request))?.version, await provenances()]).toEqual([1, before])
  })

  it('takes each step back that a reorganisation takes, and the way that the chain then goes', async () => {
    const { h } = hospital
    const before = await snapshot()
    const request = await ask(h.patient)
    await hospital.mirrored()
    const asked = await snapshot()
    await grant()
    await hospital.mirrored()
    expect(await state(request)).toEqual(['completed', 'narrowed'])
    expect((await found(request))?.body.output).toBeDefined()
    await revert(asked)
    await hospital.mirrored()
    expect(await state(request)).toEqual(['requested', 'open'])
    expect((await found(request))?.body.output).toBeUndefined()
    const again = await snapshot()
    await h.run(h.operator, h.contracts.write('ConsentRegistry', 'withdrawRequest', request))
    await hospital.mirrored()
    expect(await state(request)).toEqual(['cancelled', 'withdrawn'])
    await revert(again)
    await hospital.mirrored()
    expect(await state(request)).toEqual(['requested', 'open'])
    await revert(before)
    await hospital.mirrored()
    expect(await state(request)).toEqual(['entered-in-error', 'undone'])
    expect((await found(request))?.body.extension).toBeUndefined()
  })

  it('is answered by what gives it all, or a part of it, and by nothing else', async () => {
    const { h } = hospital
    const request = await ask(h.patient)
    await grant({ labels: [labelId('PSY')] })
    await grant({ purposes: 16 })
    await grant({ actions: 0b1000 })
    await hospital.mirrored()
    expect(await state(request)).toEqual(['requested', 'open'])
    await grant({
      labels: [labelId('general'), labelId('HIV'), labelId('PSY')],
      actions: 0b111,
      to: now() + 400 * 86_400,
    })
    await hospital.mirrored()
    expect(await state(request)).toEqual(['completed', 'accepted'])
  })

  it('expires by itself, by the clock, and what comes later does not change that', async () => {
    const { h } = hospital
    const request = await ask(h.patient, { labels: [labelId('SUD')] })
    await hospital.mirrored()
    hospital.ahead = (OPEN_SECONDS + 60) * 1000
    await hospital.rounds()
    expect(await state(request)).toEqual(['failed', 'expired'])
    await h.node.rpc.send('evm_increaseTime', [OPEN_SECONDS + 120])
    await h.run(h.operator, h.contracts.write('ConsentRegistry', 'withdrawRequest', request))
    await hospital.mirrored()
    expect(await state(request)).toEqual(['failed', 'expired'])
    hospital.ahead = 0
  })
})
