import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type NoticeKind } from '../../src/gateway/consent/notices.js'
import { requireOther } from '../../src/gateway/consent/review.js'
import { deleteResource } from '../../src/gateway/delete.js'
import type { InteractionRequest } from '../../src/gateway/interaction.js'
import { update } from '../../src/gateway/update.js'
import type { Hex } from '../../src/ledger/hex.js'
import { uuidForm } from '../../src/records/uuid-form.js'
import { randomId, ZERO } from '../ledger/support/consortium.js'
import { asking } from './asking.js'
import { NoticeHospital, REVIEW_SECONDS } from './notice-hospital.js'

/*
 * Who breaks the glass on the ledger, with a wallet of its own or as another entity, chooses the reason's hash, so it knows beforehand what the
 * notices will be named by. It must neither silence them nor have them say what it likes.
 */
let hospital: NoticeHospital
beforeAll(async () => {
  hospital = await NoticeHospital.open()
  await hospital.mirrored()
  expect((await put('Patient', 'p1', {})).status).toBe(201)
})
afterEach(() => endEmergency())
afterAll(() => hospital?.h.stop())

const breakGlass = (patient: Hex, reasonHash: Hex) => {
  const { h } = hospital
  return h.run(h.operator, h.contracts.write('ConsentRegistry', 'breakGlass', patient, h.entity, reasonHash))
}
const requestOf = (method: 'PUT' | 'DELETE', type: string, id: string, body?: object): InteractionRequest =>
  asking(hospital.parts, { interaction: method === 'PUT' ? 'update' : 'delete', method, type, id }, body)
const put = (type: string, id: string, more: object) =>
  update(hospital.parts)(requestOf('PUT', type, id, { resourceType: type, id, ...more }))
const remove = (type: string, id: string) => deleteResource(hospital.parts)(requestOf('DELETE', type, id))

const forged = {
  status: 'completed',
  intent: 'order',
  for: { reference: 'Patient/p1' },
  authoredOn: '2001-01-01T00:00:00Z',
  requester: { display: 'Nobody' },
  reasonCode: { text: 'forged' },
  output: [{ type: { text: 'Outcome of the review' }, valueString: 'justified' }],
}
const silenced = { status: 'not-done', subject: { reference: 'Patient/p1' }, sent: '2001-01-01T00:00:00Z' }
const reviewOf = async (reasonHash: Hex) =>
  (await hospital.told(hospital.h.custodial, 'Task')).filter(({ body }) => body.identifier?.[0].value === reasonHash)
const alarmOf = async (reasonHash: Hex) =>
  (await hospital.told(hospital.h.custodial, 'Communication')).filter(
    ({ body }) => body.identifier?.[0].value === reasonHash,
  )
/** The patient ends the emergency, and the glass can be broken anew. */
const endEmergency = () => {
  const { h } = hospital
  return h.run(h.operator, h.contracts.write('ConsentRegistry', 'revoke', h.custodial, h.entity, [ZERO], 64))
}

/** What can be made of what is public: the names that notices had before they were keyed. */
function guessed(kind: NoticeKind, reasonHash: Hex): string {
  const { custodial, entity } = hospital.h
  return uuidForm(createHash('sha256').update([kind, custodial, entity, reasonHash].join('|')).digest('hex'))
}

describe('the name of a notice that somebody took beforehand', () => {
  it('lends it nothing: neither a review that was made, nor who asked, when and why', async () => {
    const { h } = hospital
    const reasonHash = randomId()
    const [reviewId, alarmId] = [guessed('review', reasonHash), guessed('alarm', reasonHash)]
    expect((await put('Task', reviewId, forged)).status).toBe(201)
    expect((await put('Communication', alarmId, { ...silenced, reasonCode: [{ text: 'forged' }] })).status).toBe(201)
    await breakGlass(h.custodial, reasonHash)
    await hospital.mirrored()
    const [review] = await reviewOf(reasonHash)
    expect([review?.body.status, review?.body.businessStatus.coding[0].code]).toEqual(['requested', 'open'])
    expect(JSON.stringify(review?.body)).not.toMatch(/forged|2001|Nobody/)
    expect(review?.body.output).toBeUndefined()
    const [alarm] = await alarmOf(reasonHash)
    expect(alarm?.body.status).toBe('completed')
    expect(JSON.stringify(alarm?.body)).not.toMatch(/forged|2001/)
  })

  it('and deleted does not silence it', async () => {
    const { h } = hospital
    const reasonHash = randomId()
    const [reviewId, alarmId] = [guessed('review', reasonHash), guessed('alarm', reasonHash)]
    for (const [type, id, content] of [
      ['Task', reviewId, forged],
      ['Communication', alarmId, silenced],
    ] as const) {
      expect((await put(type, id, content)).status).toBe(201)
      expect((await remove(type, id)).status).toBe(204)
    }
    await breakGlass(h.custodial, reasonHash)
    await hospital.mirrored()
    expect([(await reviewOf(reasonHash)).length, (await alarmOf(reasonHash)).length]).toEqual([1, 1])
  })
})

describe('a reason whose hash was used before', () => {
  it('makes notices of its own: what was reviewed once is not reviewed for good', async () => {
    const { h } = hospital
    const reasonHash = randomId()
    await breakGlass(h.custodial, reasonHash)
    await hospital.mirrored()
    const [first] = await reviewOf(reasonHash)
    await hospital.notices.done(first?.id as string, Date.now())
    await endEmergency()
    await breakGlass(h.custodial, reasonHash)
    await hospital.mirrored()
    expect([(await reviewOf(reasonHash)).length, (await alarmOf(reasonHash)).length]).toEqual([2, 2])
    const ids = (await reviewOf(reasonHash)).map(({ id }) => id)
    const kept = await hospital.notices.of(ids)
    expect([...kept.values()].map(({ doneAt }) => doneAt === null).toSorted()).toEqual([false, true])
  })

  it('does not stop the notices when both are heard of at once', async () => {
    const { h } = hospital
    const reasonHash = randomId()
    await breakGlass(h.custodial, reasonHash)
    await endEmergency()
    await breakGlass(h.custodial, reasonHash)
    await hospital.mirrored()
    expect([(await reviewOf(reasonHash)).length, (await alarmOf(reasonHash)).length]).toEqual([2, 2])
  })
})

describe('a notice whose block is lost or altered', () => {
  it('is told anew from the ledger, and keeps back none of the others', async () => {
    const { h } = hospital
    const lost = randomId()
    await breakGlass(h.custodial, lost)
    await hospital.mirrored()
    const [review] = await reviewOf(lost)
    const { rows } = await h.database.query<{ cid: string }>(
      `SELECT v.cid FROM resource r JOIN resource_version v ON v.resource_pk = r.pk WHERE r.id = $1`,
      [review?.id],
    )
    await h.blocks.delete(rows.map(({ cid }) => cid))
    await expect(hospital.told(h.custodial, 'Task')).rejects.toThrow('missing')
    // Both have something new to be told in one round: the emergency is overdue, and the other patient's glass is broken.
    const other = randomId()
    await breakGlass(h.patient, other)
    hospital.ahead = (REVIEW_SECONDS + 60) * 1000
    try {
      await hospital.mirrored()
    } finally {
      hospital.ahead = 0
    }
    expect((await hospital.told(h.patient, 'Task')).map(({ body }) => body.identifier[0].value)).toContain(other)
    const [anew] = await reviewOf(lost)
    expect([anew?.version, anew?.body.businessStatus.coding[0].code]).toEqual([2, 'overdue'])
  })
})

describe('the review of an emergency access', () => {
  const [entity, practitioner, colleague] = [randomId(), randomId(), randomId()]
  const officer = { client: 'privacy' }
  const onLedger = (grantee: Hex) => ({ person: null, about: { grantee } })
  const byUs = (person: { client: string; practitioner?: Hex }) => ({
    person,
    about: { grantee: person.practitioner ?? entity },
  })

  it.each<[string, Parameters<typeof requireOther>, boolean]>([
    ['who broke it with a wallet of its own', [onLedger(practitioner), { client: 'privacy', practitioner }], false],
    [
      'a colleague of whom has a wallet',
      [onLedger(practitioner), { client: 'privacy', practitioner: colleague }],
      true,
    ],
    ['the officer, of a wallet', [onLedger(practitioner), officer], true],
    ['the officer, of the entity', [onLedger(entity), officer], true],
    [
      'the practitioner who broke it here',
      [byUs({ client: 'er', practitioner }), { client: 'privacy', practitioner }],
      false,
    ],
    [
      'another practitioner with the same client',
      [byUs({ client: 'er', practitioner }), { client: 'er', practitioner: colleague }],
      true,
    ],
    ['nobody known, with the same client', [byUs({ client: 'er', practitioner }), { client: 'er' }], false],
    ['the same client', [byUs({ client: 'er' }), { client: 'er' }], false],
    ['another client', [byUs({ client: 'er' }), officer], true],
  ])('by %s', (_, given, allowed) => {
    const review = () => requireOther(...given)
    if (allowed) expect(review).not.toThrow()
    else expect(review).toThrow('second person')
  })
})
