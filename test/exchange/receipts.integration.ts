import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { digestOf, type Receipt, type ReencryptionResponse, type SignedRequest } from '../../src/proxy/protocol.js'
import { ENGINES, type OpenDatabase } from '../records/open.js'
import type { TestProxy } from '../proxy/proxies.js'
import { observation, TwoHospitals } from './two-hospitals.js'

let engine: OpenDatabase
let world: TwoHospitals
beforeAll(async () => {
  engine = await (ENGINES[0] as (typeof ENGINES)[number]).open()
})
afterAll(() => engine.close())
beforeEach(async () => {
  world = await TwoHospitals.open(engine.database)
  await world.grant()
})
afterEach(() => world.close())

const proxy = (n: number) => world.proxies[n] as TestProxy
async function kept(): Promise<Receipt[]> {
  const { rows } = await world.database.query<{ body: string }>(
    'SELECT body FROM proxy_receipt ORDER BY proxy, sequence',
  )
  return rows.map(({ body }) => JSON.parse(body) as Receipt)
}
const keptOf = async (n: number) => (await kept()).filter((receipt) => receipt.proxy === proxy(n).identity.id)
const events = () => world.count('resource', `type = 'AuditEvent'`)
/** Publishes a record under a capsule of its own. */
async function share(id: string): Promise<string> {
  world.capsuleKeys.clear()
  await world.publish([{ id, resource: observation(id) }])
  return digestOf(world.capsuleKey('general').capsule)
}

type Answer = (signed: SignedRequest) => Promise<ReencryptionResponse>
/** What a proxy answers from now on, given how it would answer honestly. */
function lying({ ursula }: TestProxy, lie: (honest: Answer, signed: SignedRequest) => Promise<unknown>): void {
  const honest = ursula.reencrypt.bind(ursula)
  ursula.reencrypt = (signed) => lie(honest, signed) as Promise<ReencryptionResponse>
}

describe('an import', () => {
  it('keeps of each proxy a receipt that names request, capsules and the AuditEvent, which was there before', async () => {
    const capsule = await share('o1')
    const asked: string[] = []
    for (const each of world.proxies) {
      lying(each, async (honest, signed) => {
        const { event } = JSON.parse(signed.request) as { event: string }
        expect(await world.count('resource', `type = 'AuditEvent' AND id = '${event}'`)).toBe(1)
        asked.push(digestOf(signed.request))
        return honest(signed)
      })
    }
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
    const receipts = await kept()
    expect(new Set(receipts.map((receipt) => receipt.proxy))).toEqual(new Set(world.proxies.map((p) => p.identity.id)))
    expect(new Set(receipts.map(({ request }) => request))).toEqual(new Set(asked))
    expect(new Set(receipts.map(({ event }) => event)).size).toBe(1)
    for (const { kind, patient, capsules } of receipts) {
      expect([kind, patient, capsules]).toEqual(['reencrypted', world.patient, [capsule]])
    }
  })

  it('tells once of what it asks again and again', async () => {
    await share('o1')
    for (const n of [0, 1]) await proxy(n).server.close()
    await expect(world.work()).rejects.toMatchObject({ kind: 'unavailable' })
    const once = await events()
    await expect(world.work()).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await events()).toBe(once)
    expect(new Set((await kept()).map(({ event }) => event)).size).toBe(1)
  })

  it('tells anew of what it asks for after a purge, and keeps all receipts', async () => {
    await share('o1')
    await world.work()
    await world.revoke()
    await world.work()
    expect(await kept()).toHaveLength(3)
    await world.grant()
    await world.work()
    expect(await kept()).toHaveLength(6)
    expect(new Set((await kept()).map(({ event }) => event)).size).toBe(2)
  })
})

/** What a proxy may do to receipts, the one before being of the same patient. */
const LIES: readonly [string, (honest: ReencryptionResponse, before: readonly Receipt[]) => unknown][] = [
  ['omits its receipt', (honest) => ({ ...honest, receipts: [] })],
  ['gives none at all', ({ results }) => ({ results })],
  [
    'alters it',
    ({ receipts: [one], ...honest }) => ({ ...honest, receipts: [{ ...one, capsules: [digestOf('other')] }] }),
  ],
  ['says that it denied', ({ receipts: [one], ...honest }) => ({ ...honest, receipts: [{ ...one, kind: 'denied' }] })],
  ['repeats an earlier one', (honest, before) => ({ ...honest, receipts: before })],
  ['gives it twice', ({ receipts, ...honest }) => ({ ...honest, receipts: [...receipts, ...receipts] })],
]

describe.each(LIES)('a proxy that %s', (_, lie) => {
  it('is left out: two honest ones suffice, one does not', async () => {
    await share('o1')
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
    const before = await Promise.all([0, 1].map(keptOf))
    lying(proxy(0), async (honest, signed) => lie(await honest(signed), before[0] as Receipt[]))
    await share('o2')
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
    expect(await keptOf(0)).toEqual(before[0])
    expect(await keptOf(1)).toHaveLength(2)
    lying(proxy(1), async (honest, signed) => lie(await honest(signed), before[1] as Receipt[]))
    await share('o3')
    await expect(world.work()).rejects.toThrow('1 of 3 proxies gave a correct fragment; 2 are needed.')
    expect(await world.count('capsule_key', 'imported')).toBe(2)
    expect(await world.count('resource', `id = 'o3'`)).toBe(0)
  })
})

describe('a proxy that signs two receipts under one number', () => {
  it('is left out, and both are kept', async () => {
    await share('o1')
    await world.work()
    const database = new DatabaseSync(proxy(0).file)
    database.exec(`DELETE FROM receipt WHERE body LIKE '%"reencrypted"%'`)
    database.close()
    await proxy(1).server.close()
    await share('o2')
    await expect(world.work()).rejects.toThrow('1 of 3 proxies gave a correct fragment; 2 are needed.')
    const [one, two] = await keptOf(0)
    expect(one?.sequence).toBe(two?.sequence)
    expect(one?.signature).not.toBe(two?.signature)
  })

  it('is left out too when what follows does not follow', async () => {
    await share('o1')
    await world.work()
    const database = new DatabaseSync(proxy(0).file)
    // It goes on from another receipt than the one that it gave us.
    database.exec(`UPDATE receipt SET body = replace(body, '"at":', '"at":1') WHERE body LIKE '%"reencrypted"%'`)
    database.close()
    await proxy(1).server.close()
    await share('o2')
    await expect(world.work()).rejects.toThrow('1 of 3 proxies gave a correct fragment; 2 are needed.')
  })
})
