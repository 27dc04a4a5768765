import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../src/auth/principal.js'
import { parseScope } from '../../src/auth/scopes.js'
import { ConsentMirror } from '../../src/consent/mirror.js'
import { consentHistory } from '../../src/consent/ledger-grants.js'
import { ConsentryError } from '../../src/errors.js'
import { breakGlass, type AccessParts } from '../../src/gateway/consent/break-glass.js'
import { review } from '../../src/gateway/consent/review.js'
import type { InteractionRequest } from '../../src/gateway/interaction.js'
import { Trail } from '../../src/gateway/trail.js'
import { NoticeHospital, REVIEW_SECONDS, reviewBy } from './notice-hospital.js'

let hospital: NoticeHospital
beforeAll(async () => {
  hospital = await NoticeHospital.open()
  // The patients have a Patient here, as far as whoever asks for one looks.
  const { patients } = hospital.parts
  const known = patients.known.bind(patients)
  patients.known = async (ids) =>
    new Map([...(await known(ids))].map(([id, patient]) => [id, { ...patient, state: 'present' as const }]))
  await hospital.mirrored()
})
afterAll(() => hospital?.h.stop())

const REASON = {
  name: 'reason',
  valueCodeableConcept: {
    coding: [{ system: 'https://consentry.health/fhir/CodeSystem/emergency-reason', code: 'unresponsive' }],
    text: 'Unconscious, and the mirror stands still.',
  },
}

function asks(localId: string, over: Partial<AccessParts> = {}, client = 'er') {
  const { h, parts, notices } = hospital
  const principal = {
    clientId: client,
    entity: h.entity,
    role: 'system',
    scopes: [],
    breaksGlass: true,
    purposes: ['BTG'],
    tokenId: '',
    expiresAt: 0,
  } as Principal
  const access = {
    mirror: new ConsentMirror(h.database),
    contracts: h.contracts,
    reader: h.reader,
    sender: h.operator,
    // The mirror stands still.
    follower: { reached: () => Promise.reject(new ConsentryError('unavailable', 'late')) },
    notices,
    mirroring: hospital.mirroring(),
    ledger: { chainId: h.contracts.chainId, contract: h.contracts.addresses.ConsentRegistry },
    histories: (ids) => consentHistory(h.database, ids),
    emergency: { perPerson: 3, reviewSeconds: REVIEW_SECONDS },
    ...over,
  } as AccessParts // without what grants need
  const request = {
    interaction: 'operation',
    operation: 'break-glass',
    method: 'POST',
    type: 'Patient',
    id: localId,
    params: [],
    headers: {},
    body: Buffer.from(JSON.stringify({ resourceType: 'Parameters', parameter: [REASON] })),
    requestId: 'r',
    clientAddress: '::1',
    baseUrl: parts.baseUrl,
    principal,
  } as InteractionRequest
  return breakGlass(parts, access)(request, new Trail())
}

describe('breaking the glass while the mirror stands still', () => {
  it('is told by the receipt at once, and found told when the mirror has the event', async () => {
    const { h } = hospital
    const { status } = await asks('p1')
    expect(status).toBe(200)
    const [[task], [notice]] = await Promise.all([
      hospital.told(h.custodial, 'Task'),
      hospital.told(h.custodial, 'Communication'),
    ])
    expect([task?.body.status, task?.body.businessStatus.coding[0].code, task?.version]).toEqual([
      'requested',
      'open',
      2,
    ])
    expect([notice?.body.status, notice?.version]).toEqual(['completed', 2])
    const { rows } = await h.database.query(`SELECT 1 FROM ledger_event WHERE name = 'GlassBroken'`)
    expect(rows).toEqual([])
    await hospital.mirrored()
    const [again] = await hospital.told(h.custodial, 'Task')
    // The mirror says what the receipt said: nothing is to be written.
    expect([again?.version, again?.body]).toEqual([2, task?.body])
    expect((await h.database.query(`SELECT 1 FROM ledger_event WHERE name = 'GlassBroken'`)).rows).toHaveLength(1)
  })

  it('whose process died before the answer is completed by the event, with the reason that was stated', async () => {
    const { h } = hospital
    // The transaction is mined, and nobody is there to hear of it.
    const sender = {
      send: async (call: Parameters<typeof h.operator.send>[0]) => {
        const sent = await h.operator.send(call)
        await sent.wait()
        return { ...sent, wait: () => Promise.reject(new Error('died')) }
      },
    } as unknown as AccessParts['sender'] // what the operation uses of it
    await expect(asks('p0', { sender })).rejects.toThrow('died')
    const [draft] = await hospital.told(h.patient, 'Task')
    expect([draft?.body.status, draft?.version]).toEqual(['draft', 1])
    await hospital.mirrored()
    const [task] = await hospital.told(h.patient, 'Task')
    expect([task?.body.status, task?.version, task?.body.reasonCode.text, task?.body.extension.length]).toEqual([
      'requested',
      2,
      REASON.valueCodeableConcept.text,
      1,
    ])
    expect(task?.body.input).toEqual(draft?.body.input)
  })
})

describe('a review', () => {
  it('is made once, also where its process died before it was noted', async () => {
    const { h, notices, parts } = hospital
    const [task] = await hospital.told(h.patient, 'Task')
    const mirroring = hospital.mirroring()
    const reviews = async () => (await notices.openReviews(Math.floor(Date.now() / 1000))).open
    const open = await reviews()
    const says = (outcome: string) => {
      const principal = { clientId: 'privacy', entity: h.entity, role: 'system', reviews: true, purposes: ['HOPERAT'] }
      const request = {
        interaction: 'operation',
        operation: 'review',
        method: 'POST',
        type: 'Task',
        id: task?.id,
        params: [],
        headers: {},
        body: Buffer.from(
          JSON.stringify({ resourceType: 'Parameters', parameter: [{ name: 'outcome', valueCode: outcome }] }),
        ),
        requestId: 'r',
        clientAddress: '::1',
        baseUrl: parts.baseUrl,
        principal: { ...principal, scopes: [parseScope('system/Task.rs')], tokenId: '', expiresAt: 0 },
      } as unknown as InteractionRequest // what a review looks at
      return review(parts, { notices, mirroring } as unknown as AccessParts)(request, new Trail()) // what it uses
    }
    const done = notices.done.bind(notices)
    notices.done = () => Promise.reject(new Error('died'))
    await expect(says('not-justified')).rejects.toThrow('died')
    notices.done = done
    expect(await reviews()).toBe(open)
    await expect(says('justified')).rejects.toThrow('reviewed already')
    expect(await reviews()).toBe(open - 1)
    await expect(says('justified')).rejects.toThrow('reviewed already')
    const [now] = await hospital.told(h.patient, 'Task')
    expect([now?.body.status, JSON.stringify(now?.body.output)]).toEqual([
      'completed',
      expect.stringContaining('not-justified'),
    ])
  })
})

describe('an attempt that cannot be written down', () => {
  it('opens nothing and uses nothing', async () => {
    const { h } = hospital
    const { rows: before } = await h.database.query(`SELECT id FROM notice WHERE person IS NOT NULL`)
    const commit = h.records.commit.bind(h.records)
    const send = h.operator.send.bind(h.operator)
    let sent = 0
    const sender = { send: (call: Parameters<typeof send>[0]) => (sent++, send(call)) } as AccessParts['sender']
    h.records.commit = () => Promise.reject(new ConsentryError('unavailable', 'The database is away.'))
    try {
      await expect(asks('p1', { sender }, 'unlucky')).rejects.toThrow('away')
    } finally {
      h.records.commit = commit
    }
    expect(sent).toBe(0)
    expect((await h.database.query(`SELECT id FROM notice WHERE person IS NOT NULL`)).rows).toEqual(before)
  })
})

describe('the limit of a person', () => {
  it('lets as many through as it says, of those who come at one moment too', async () => {
    const now = Date.now()
    const { notices } = hospital
    const taken = await Promise.all(Array.from({ length: 8 }, () => notices.take(reviewBy('crowd', now), 3)))
    expect(taken.filter((next) => next === null)).toHaveLength(3)
    for (const next of taken) if (next !== null) expect(next).toBe(now + 86_400_000)
    expect(await notices.take(reviewBy('another', now), 3)).toBeNull()
    expect(await notices.take(reviewBy('crowd', now + 86_400_001), 3)).toBeNull()
  })

  it('gives back what the ledger has refused', async () => {
    const now = Date.now()
    const { notices } = hospital
    const only = reviewBy('refused', now)
    expect(await notices.take(only, 1)).toBeNull()
    expect(await notices.take(reviewBy('refused', now), 1)).not.toBeNull()
    await notices.giveBack(only.id)
    expect(await notices.take(reviewBy('refused', now), 1)).toBeNull()
  })
})
