import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { PlacedEvent } from '../../src/audit/fsck/chain-history.js'
import type { Material } from '../../src/audit/fsck/check.js'
import { receipts } from '../../src/audit/fsck/receipts.js'
import { decide } from '../../src/consent/decide.js'
import { labelId } from '../../src/consent/labels.js'
import { requestReceipts, requestReencryption } from '../../src/exchange/proxies.js'
import { readChain, readReceipt } from '../../src/exchange/receipts.js'
import { type Receipt, receiptHash } from '../../src/proxy/protocol.js'
import { newCapsuleKey } from '../../src/vault/keys.js'
import { open } from '../../src/vault/open.js'
import { observation, TwoHospitals } from '../exchange/two-hospitals.js'
import { ENGINES, type OpenDatabase } from '../records/open.js'
import type { TestProxy } from '../proxy/proxies.js'

/** When fsck runs. */
let now: number
/** B has imported two records under two capsules, each opened by three proxies. */
let engine: OpenDatabase
let world: TwoHospitals
beforeAll(async () => {
  engine = await (ENGINES[0] as (typeof ENGINES)[number]).open()
})
afterAll(() => engine.close())
beforeEach(async () => {
  now = Date.now()
  world = await TwoHospitals.open(engine.database)
  await world.grant()
  for (const id of ['o1', 'o2']) {
    world.capsuleKeys.clear()
    await world.publish([{ id, resource: observation(id) }])
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
  }
})
afterEach(() => world.close())

const proxy = (n: number) => world.proxies[n] as TestProxy
const nameOf = (n: number) => proxy(n).identity.id.slice(0, 10)

function material(): Material {
  const announced = world.proxies.map(({ identity }) => ({
    name: 'ProxyAnnounced',
    args: { proxy: identity.id, receiptKey: identity.receiptKey, endpoint: identity.endpoint },
  }))
  return {
    entity: world.b.id,
    clock: () => now,
    database: world.database,
    history: { events: announced as unknown as PlacedEvent[], cursor: null, hashAtCursor: null },
    openTrail: async (row) => {
      const now = Date.now()
      const decision = decide(
        { action: 'read', purpose: 'HOPERAT', parties: [world.b.id], auditor: true, subjects: [row] },
        { now, freshness: { confirmedAt: now, limitMs: 1 }, words: [], activeParties: new Set() },
      )
      if (!('permit' in decision)) throw new Error('no permit')
      const keys = { capsuleKey: () => world.trailKey.key, rowKey: () => world.trailKey.key, authorKeys: () => [] }
      const record = { id: `${row.type}/${row.id}`, version: 1 }
      return open(decision.permit, { subject: row, record, cid: null, envelope: row.body as Uint8Array }, keys).body
    },
    readReceipt,
    askReceipts: async (at, since) => readChain(await requestReceipts(at, world.b.id, since, world.b.operator)),
  } as Partial<Material> as Material // what the check looks at
}

async function run(): Promise<{ told: string[]; looked: string }> {
  const check = receipts(material())
  const told: string[] = []
  for (let next = await check.next(); ; next = await check.next()) {
    if (next.done === true) return { told, looked: next.value }
    expect(next.value.check).toBe('receipts')
    told.push(`${next.value.where} | ${next.value.what}`)
  }
}
const told = async () => (await run()).told
const sql = async (text: string) => expect((await world.database.query(text)).rowCount).toBeGreaterThan(0)
/** Changes what the proxy has in its own database. */
function tamper({ file }: TestProxy, text: string): void {
  const database = new DatabaseSync(file)
  expect(database.prepare(text).run().changes).toBeGreaterThan(0)
  database.close()
}
async function kept(n: number): Promise<Receipt[]> {
  const { rows } = await world.database.query<{ body: string }>(
    'SELECT body FROM proxy_receipt WHERE proxy = $1 ORDER BY sequence',
    [Buffer.from(proxy(n).identity.id.slice(2), 'hex')],
  )
  return rows.map(({ body }) => JSON.parse(body) as Receipt)
}
/** Somebody with B's key asks a proxy without B's gateway. */
async function steal(event: string, n = 0): Promise<void> {
  const { capsule } = newCapsuleKey(world.policyKey('general'))
  const label = labelId('general')
  const items = [{ patient: world.patient, label, epoch: 0, capsules: [Buffer.from(capsule).toString('base64')] }]
  const key = Buffer.from(proxy(n).identity.receiptKey.slice(2), 'hex')
  const asking = { grantee: world.b.id, purpose: 1, categories: '1', event, items }
  const { results } = await requestReencryption(proxy(n).identity, key, asking, world.b.operator)
  expect(results[0]).toHaveProperty('capsuleFrags')
}

it('finds nothing where trail, kept receipts and proxies agree, also after a purge', async () => {
  expect(await run()).toEqual({ told: [], looked: '6 receipts kept, 3 proxies asked' })
  await world.revoke()
  await world.work()
  expect(await told()).toEqual([])
})

it('names proxies that do not answer, and looks at what is kept', async () => {
  await proxy(1).server.close()
  expect(await run()).toEqual({ told: [], looked: `6 receipts kept, 3 proxies asked; not heard: ${nameOf(1)}` })
})

describe('a fragment that was revoked', () => {
  const LATER = 600_000
  const forget = (n: number) => proxy(n).ursula.forget(world.patient, world.b.id, labelId('general'))

  it('shows where the proxy has signed no deletion of it, after some time to hear of the revocation', async () => {
    // The chain's clock is the test's, the proxies' is not.
    world.now = Date.now() + 2_000
    await world.revoke()
    await world.work()
    for (const n of [0, 1]) forget(n)
    expect(await told()).toEqual([])
    now += LATER
    expect(await told()).toEqual([
      expect.stringMatching(
        `^receipt 0 of proxy ${nameOf(2)} \\| The ledger revoked the grant of general by patient .+ \\d+ s ago, and the proxy has signed no deletion`,
      ),
    ])
    forget(2)
    expect(await told()).toEqual([])
  })

  it('may be held again once it was granted anew, and stays where another label was revoked', async () => {
    await world.revoke('PSY')
    now += LATER
    expect(await told()).toEqual([])
    await world.revoke()
    await world.grant()
    expect(await told()).toEqual([])
  })
})

it('names a proxy that serves us and has signed nothing at all', async () => {
  await sql(`DELETE FROM proxy_receipt`)
  await sql(`DELETE FROM capsule_key`)
  tamper(proxy(1), 'DELETE FROM receipt')
  expect(await told()).toEqual([
    expect.stringContaining(
      `proxy ${nameOf(1)} | The proxy serves 1 policies that were granted to us, and has signed nothing`,
    ),
  ])
})

describe('a re-encryption of which the trail does not tell', () => {
  it('shows where its AuditEvent was removed', async () => {
    const [{ event }] = (await kept(0)) as [Receipt]
    await sql(`DELETE FROM resource WHERE type = 'AuditEvent' AND id = '${event}'`)
    const found = await told()
    expect(found).toHaveLength(3)
    expect(found[0]).toContain(`re-encrypted 1 capsules for us, and no AuditEvent/${event} of $import tells of it.`)
  })

  it('shows where its AuditEvent is of another patient', async () => {
    const [{ event }] = (await kept(0)) as [Receipt]
    const pk = `(SELECT pk FROM resource WHERE type = 'AuditEvent' AND id = '${event}')`
    await sql(
      `UPDATE resource_version SET patient = set_byte(patient, 0, get_byte(patient, 0) # 1) WHERE resource_pk = ${pk}`,
    )
    expect(await told()).toHaveLength(3)
  })

  it('shows by the proxy’s word when nobody told and nothing was kept', async () => {
    await steal('made-up')
    expect(await told()).toEqual([
      expect.stringMatching(
        `^receipt \\d+ of proxy ${nameOf(0)} \\| The proxy re-encrypted 1 capsules for us, and no AuditEvent/made-up of`,
      ),
    ])
  })

  it('shows when it names an AuditEvent that tells of other capsules', async () => {
    const [{ event }] = (await kept(0)) as [Receipt]
    await steal(event)
    expect(await told()).toEqual([expect.stringContaining(`and AuditEvent/${event} does not tell of 1 of them.`)])
  })

  it('shows when somebody rewrites the receipt that is kept to hide it', async () => {
    const [one] = (await kept(0)) as [Receipt]
    const body = JSON.stringify({ ...one, kind: 'denied' }).replaceAll("'", "''")
    await sql(`UPDATE proxy_receipt SET body = '${body}' WHERE hash = decode('${receiptHash(one)}', 'base64')`)
    expect((await told())[0]).toContain('not what its row says: it was changed')
    const hash = receiptHash({ ...one, kind: 'denied' })
    await sql(`UPDATE proxy_receipt SET hash = decode('${hash}', 'base64') WHERE body = '${body}'`)
    expect((await told())[0]).toContain('The receipt is not signed by a key that its proxy announced.')
  })

  it('shows when the receipts of a key were removed', async () => {
    await sql(`DELETE FROM proxy_receipt WHERE sequence = (SELECT max(sequence) FROM proxy_receipt)`)
    expect(await told()).toEqual([expect.stringContaining('no receipt of a proxy is kept of it: one was removed.')])
  })
})

describe('a proxy that rewrites its chain shows:', () => {
  const last = `(SELECT max(sequence) FROM receipt)`
  it.each<[string, () => void, string]>([
    [
      'one was taken out',
      () => tamper(proxy(0), 'DELETE FROM receipt WHERE sequence = 0'),
      'The chain that the proxy tells is broken',
    ],
    [
      'the last one was cut off',
      () => tamper(proxy(0), `DELETE FROM receipt WHERE sequence = ${last}`),
      'it has cut its chain off',
    ],
    [
      'one was changed',
      () =>
        tamper(
          proxy(0),
          `UPDATE receipt SET body = replace(body, '"reencrypted"', '"denied"') WHERE sequence = ${last}`,
        ),
      'The proxy tells another receipt than the one that it gave us.',
    ],
    [
      'one is no receipt',
      () =>
        tamper(proxy(0), `UPDATE receipt SET body = replace(body, '"event":', '"events":') WHERE sequence = ${last}`),
      'is not of the form that the protocol has',
    ],
  ])('%s', async (_, rewrite, what) => {
    rewrite()
    const found = await told()
    expect(found.join('\n')).toContain(what)
    expect(found.every((one) => one.includes(nameOf(0)))).toBe(true)
  })

  it('one number has two receipts', async () => {
    tamper(proxy(0), `DELETE FROM receipt WHERE sequence = ${last}`)
    world.capsuleKeys.clear()
    await world.publish([{ id: 'o3', resource: observation('o3') }])
    expect(await world.work()).toEqual({ imported: 1, refused: 0 })
    expect((await told()).join('\n')).toContain('The proxy signed two receipts under this number.')
  })
})
