import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ownProfiles } from '../../src/fhir/profiles.js'
import { validate } from '../../src/fhir/validate.js'
import type { Hex } from '../../src/ledger/hex.js'
import { entityRegistration, randomId } from '../ledger/support/consortium.js'
import { NoticeHospital, REVIEW_SECONDS } from './notice-hospital.js'

let hospital: NoticeHospital
const clinic = randomId()
const clinicOperator = Wallet.createRandom()
beforeAll(async () => {
  hospital = await NoticeHospital.open()
  const { h } = hospital
  const registration = entityRegistration(clinic, h.operator.address, 'https://clinic.example')
  await h.run(h.administrator, h.contracts.write('IdentityRegistry', 'registerEntity', registration))
})
afterAll(() => hospital?.h.stop())

const breakGlass = async (patient: Hex, grantee = hospital.h.entity): Promise<Hex> => {
  const { h } = hospital
  const hash = randomId()
  await h.run(h.operator, h.contracts.write('ConsentRegistry', 'breakGlass', patient, grantee, hash))
  return hash
}
const trail = async (): Promise<number> => {
  const { rows } = await hospital.h.database.query<{ n: bigint }>(
    `SELECT count(*) AS n FROM resource WHERE type = 'AuditEvent'`,
  )
  return Number(rows[0]?.n)
}

describe('the notices of an emergency', () => {
  it('are written from the ledger alone, valid, once, and told of no round after', async () => {
    const { h } = hospital
    const hash = await breakGlass(h.patient)
    await hospital.mirrored()
    const [[task], [notice]] = await Promise.all([
      hospital.told(h.patient, 'Task'),
      hospital.told(h.patient, 'Communication'),
    ])
    expect(task?.body).toMatchObject({
      status: 'requested',
      priority: 'urgent',
      identifier: [{ value: hash }],
      for: { reference: 'Patient/p0', identifier: { value: h.patient } },
      focus: { reference: `Communication/${notice?.id}` },
    })
    expect(notice?.body).toMatchObject({ status: 'completed', about: [{ reference: `Task/${task?.id}` }] })
    for (const { body } of [task, notice].flatMap((each) => each ?? [])) {
      const { resource, issues } = validate(body)
      expect([issues, resource && ownProfiles().judge(resource)]).toEqual([[], []])
    }
    const before = await trail()
    await hospital.mirrored()
    expect([(await hospital.told(h.patient, 'Task'))[0]?.version, await trail()]).toEqual([1, before])
  })

  it('of another hospital’s emergency are the patient’s alone: the review is theirs', async () => {
    const { h } = hospital
    expect(clinicOperator.address).not.toBe(h.operator.address)
    await breakGlass(h.custodial, clinic)
    await hospital.mirrored()
    expect(await hospital.told(h.custodial, 'Task')).toEqual([])
    const [notice] = await hospital.told(h.custodial, 'Communication')
    expect(notice?.body.payload[0].contentString).toContain(clinic)
  })

  it('become overdue by themselves, and are counted', async () => {
    const { h } = hospital
    hospital.ahead = (REVIEW_SECONDS + 60) * 1000
    const mirroring = hospital.mirroring()
    await hospital.rounds(mirroring)
    const [task] = await hospital.told(h.patient, 'Task')
    expect([task?.body.businessStatus.coding[0].code, task?.body.priority, task?.version]).toEqual([
      'overdue',
      'asap',
      2,
    ])
    expect(mirroring.reviews).toEqual({ open: 1, overdue: 1 })
    hospital.ahead = 0
  })

  it('say that the block has left the chain, which the trail is told of besides, and that it is back', async () => {
    const { h } = hospital
    const mark = (await h.node.rpc.send('evm_snapshot')) as Hex
    const { node } = h
    const hash = await breakGlass(h.patient, clinic)
    await hospital.mirrored()
    const find = async () =>
      (await hospital.told(h.patient, 'Communication')).find(({ body }) => body.identifier[0].value === hash)
    expect((await find())?.body.topic.coding[0].code).toBe('open')
    const before = await trail()
    await node.rpc.send('evm_revert', [mark])
    await hospital.mirrored()
    const gone = await find()
    expect([gone?.body.topic.coding[0].code, gone?.body.extension]).toEqual(['undone', undefined])
    expect(gone?.body.payload[0].contentString).toContain('lost the block')
    expect(await trail()).toBe(before + 1)
  })

  it('of our own emergency that is undone still ask for the review, and the trail says what was read without it', async () => {
    const { h } = hospital
    const mark = (await h.node.rpc.send('evm_snapshot')) as Hex
    const hash = await breakGlass(h.custodial)
    await hospital.mirrored()
    const before = await trail()
    await h.node.rpc.send('evm_revert', [mark])
    await hospital.mirrored()
    const task = (await hospital.told(h.custodial, 'Task')).find(({ body }) => body.identifier[0].value === hash)
    expect([task?.body.status, task?.body.businessStatus.coding[0].code]).toEqual(['requested', 'undone'])
    // One each for Task and Communication, and one for the access itself.
    expect(await trail()).toBe(before + 3)
  })
})
