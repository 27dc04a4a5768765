import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startPglite } from '../../src/embedded/pglite.js'
import { openDatabase } from '../../src/records/database.js'
import { end, run, type RunningProcess, startGateway } from '../support/gateway.js'
import { preparedData } from '../support/prepared-data.js'
import { anchoredCids } from './anchored.js'
import { type Acknowledged, type Attempted, bearer, writeUntilGone } from './writing-client.js'

/** `CRASHES=25 npx vitest run test/e2e/crash.e2e.ts` */
const CRASHES = Number(process.env['CRASHES'] ?? 2)

let data: string
let gateway: RunningProcess | undefined
beforeAll(async () => {
  data = await preparedData('consentry-crash-')
})
afterAll(async () => {
  if (gateway) await end(gateway.child, 'SIGKILL')
  await rm(data, { recursive: true, force: true })
})

const start = () => startGateway(data, { EMBEDDED_PROXIES: '0' })

it('keeps and anchors once whatever it acknowledged, through kill -9 at any moment', async () => {
  const acknowledged: Acknowledged[] = []
  const attempted: Attempted[] = []
  const enough = (): boolean => acknowledged.length > CRASHES * 5
  for (let crash = 0; crash < CRASHES; crash++) {
    gateway = await start()
    const { child, fhir } = gateway
    const writing = writeUntilGone(fhir, await bearer(data, fhir), acknowledged, attempted)
    // A slow machine acknowledges nothing in a short life: the last one lasts until there is something to look for.
    while (crash === CRASHES - 1 && !enough()) await sleep(20)
    await sleep(200 + Math.random() * 2500)
    await end(child, 'SIGKILL')
    await writing
  }
  expect(enough()).toBe(true)

  gateway = await start()
  const { fhir, child } = gateway
  const token = await bearer(data, fhir)
  await inParallel(acknowledged, async ({ location, text, decimal }) => {
    const response = await fetch(`${fhir}/${location}`, { headers: { authorization: `Bearer ${token}` } })
    const body = await response.text()
    expect([location, response.status]).toEqual([location, 200])
    expect(body).toContain(`"text":"${text}"`)
    expect(body).toContain(`"value":${decimal}`)
  })

  const anchored = await settled(() => anchoredCids(data, fhir))
  expect(await end(child, 'SIGTERM')).toEqual([0, null])
  gateway = undefined
  const checked = await run(data, 'cli/fsck.js', ['--json'])
  expect([checked.code, checked.out]).toEqual([0, expect.stringContaining('"clean": true')])

  // Every version of the database, so what was committed without an answer as well.
  const pglite = await startPglite(join(data, 'pglite'))
  const database = await openDatabase({ driver: pglite.driver })
  const { rows } = await database.query<{ type: string; id: string; version: number; cid: string }>(
    `SELECT r.type, r.id, v.version, v.cid FROM resource_version v JOIN resource r ON r.pk = v.resource_pk
     WHERE v.leaf IS NOT NULL`,
  )
  await database.close()
  await pglite.close()
  const cids = new Map(rows.map(({ type, id, version, cid }) => [`${type}/${id}/_history/${version}`, cid]))
  for (const { location } of acknowledged) expect([location, cids.has(location)]).toEqual([location, true])
  const times = rows.map(({ cid }) => anchored.get(cid) ?? 0)
  expect(times.filter((n) => n !== 1)).toEqual([])
  // Nothing is anchored that is not there, and transactions are whole: a patient and four observations each.
  expect(anchored.size).toBe(rows.length)
  const firsts = rows.filter(({ version }) => version === 1)
  const patients = firsts.filter(({ type }) => type === 'Patient').length
  expect(firsts.length).toBe(patients * 5)
  expect(patients).toBeLessThanOrEqual(acknowledged.length / 4 + attempted.length)
}, 600_000)

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  const lane = async () => {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: 8 }, lane))
}

/** The answer once it stays the same for three seconds: everything that waited has been anchored. */
async function settled(ask: () => Promise<Map<string, number>>): Promise<Map<string, number>> {
  for (let before = await ask(); ;) {
    await sleep(3_000)
    const now = await ask()
    if (now.size === before.size) return now
    before = now
  }
}
