import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Notice, Notices } from '../../src/gateway/consent/notices.js'
import { randomId } from '../ledger/support/consortium.js'
import { ENGINES, type OpenDatabase } from '../records/open.js'
import { reviewBy, UNTOLD } from './notice-hospital.js'

/**
 * Limits are counted and taken in one step. PGlite has one session, where nothing else can happen; PostgreSQL has many, and there it is the lock
 * that holds them: the rounds make it likely that without it some of them go wrong.
 */
const NOW = Date.now()
const review = (client: string, at = NOW) => reviewBy(client, at)
const request = (patient: `0x${string}`, grantee: string, at = NOW): Notice => ({
  ...UNTOLD,
  id: randomId().slice(2, 38),
  kind: 'request',
  patient,
  at,
  about: { grantee, request: randomId() },
  person: null,
})
const ROUNDS = 8
const MANY = 12
const MOST = 3

describe.each(ENGINES)('limits on $name', ({ open }) => {
  let opened: OpenDatabase
  let notices: Notices
  beforeAll(async () => {
    opened = await open()
    notices = new Notices(opened.database)
  })
  afterAll(() => opened?.close())
  const rounds = <T>(round: (n: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: ROUNDS }, (_, n) => round(n)))
  const many = <T>(one: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: MANY }, one))

  it('let a person break the glass as often as they say, at one moment too', async () => {
    const taken = await rounds((n) => many(() => notices.take(review(`er-${n}`), MOST)))
    for (const round of taken) expect(round.filter((next) => next === null)).toHaveLength(MOST)
    // Somebody else, and the next day, are counted for themselves.
    expect(await notices.take(review('another'), MOST)).toBeNull()
    expect(await notices.take(review('er-0', NOW + 86_400_001), MOST)).toBeNull()
  })

  it('let a party ask a patient as often as they say, at one moment too', async () => {
    const grantee = randomId()
    const taken = await rounds(() => {
      const patient = randomId()
      return many(() => notices.takeRequest(request(patient, grantee), MOST))
    })
    for (const round of taken) {
      expect(round.filter((open) => open === null)).toHaveLength(MOST)
      expect(round.filter((open) => open === MOST)).toHaveLength(MANY - MOST)
    }
  })

  it('count for each patient and party, and not for ever what the ledger never had', async () => {
    const [patient, grantee] = [randomId(), randomId()]
    for (let n = 0; n < MOST; n++) expect(await notices.takeRequest(request(patient, grantee), MOST)).toBeNull()
    expect(await notices.takeRequest(request(patient, grantee), MOST)).toBe(MOST)
    expect(await notices.takeRequest(request(randomId(), grantee), MOST)).toBeNull()
    expect(await notices.takeRequest(request(patient, randomId()), MOST)).toBeNull()
    expect(await notices.takeRequest(request(patient, grantee, NOW + 600_001), MOST)).toBeNull()
  })
})
