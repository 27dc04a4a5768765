import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../ledger/support/eventually.js'
import { databaseOf, end, run, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { nameOf, SERVER } from '../support/own-database.js'
import { preparedGateway } from '../support/prepared-data.js'

interface Answer {
  readonly status: number
  readonly body: { id: string; total: number; issue: { diagnostics: string }[] }
}

describe.skipIf(SERVER === undefined)('a gateway on PostgreSQL (DATABASE_URL names one)', () => {
  let url: string
  let data: string
  let gateway: RunningProcess
  let bearer: string
  /** Another session of the same database. */
  let rival: pg.Client
  /** Outside of every transaction: inside one, what the sessions do stays as it was first seen. */
  let watcher: pg.Client

  beforeAll(async () => {
    data = await preparedGateway('consentry-one-')
    url = databaseOf(data) as string
    gateway = await startGateway(data, { EMBEDDED_PROXIES: '0', FRESHNESS_SECONDS: '600' })
    bearer = `Bearer ${await tokenOf(data, 'ehr')}`
    ;[rival, watcher] = [new pg.Client({ connectionString: url }), new pg.Client({ connectionString: url })]
    await Promise.all([rival.connect(), watcher.connect()])
  }, 300_000)
  afterAll(async () => {
    await Promise.all([rival?.end(), watcher?.end()])
    if (gateway !== undefined) await end(gateway.child, 'SIGTERM')
    await rm(data, { recursive: true, force: true })
  }, 120_000)

  async function ask(method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${gateway.fhir}${path}`, {
      method,
      headers: { authorization: bearer, 'content-type': 'application/fhir+json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Answer['body'] }
  }

  it('has its database alone: a second gateway is refused and says why, and the first goes on', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'consentry-second-'))
    const second = await run(elsewhere, 'main.js', [], { DATABASE_URL: url, EMBEDDED_PROXIES: '0' })
    await rm(elsewhere, { recursive: true, force: true })
    expect([second.code, second.err]).toEqual([1, expect.stringContaining('in use by another gateway (session ')])
    expect((await ask('POST', '/Organization', { resourceType: 'Organization', name: 'alone' })).status).toBe(201)
  }, 120_000)

  describe('when a Patient is deleted and written of at one moment', () => {
    const about = (id: string) => ({
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'race' },
      subject: { reference: `Patient/${id}` },
    })
    const bundle = (id: string) => ({
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        { resource: { resourceType: 'Organization', name: 'with' }, request: { method: 'POST', url: 'Organization' } },
        { resource: about(id), request: { method: 'POST', url: 'Observation' } },
      ],
    })
    let patient: string
    let identifier: { system: string; value: string }
    async function newPatient(): Promise<void> {
      identifier = { system: 'urn:x', value: randomBytes(4).toString('hex') }
      const { body } = await ask('POST', '/Patient', { resourceType: 'Patient', identifier: [identifier] })
      patient = body.id
    }
    const waiting = (count: number) =>
      eventually(
        async () =>
          (
            await watcher.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1`, [
              nameOf(url),
            ])
          ).rowCount,
        60_000,
      ).toBe(count)

    /** Both come to the Patient's row while somebody has it, in this order. */
    async function inTurns(
      first: () => Promise<Answer>,
      second: () => Promise<Answer>,
    ): Promise<[first: Answer, second: Answer]> {
      await rival.query('BEGIN')
      try {
        await rival.query('SELECT 1 FROM resource WHERE id = $1 FOR UPDATE', [patient])
        const one = first()
        await Promise.race([waiting(1), unexpected(one)])
        const other = second()
        await Promise.race([waiting(2), unexpected(other)])
        await rival.query('ROLLBACK')
        return await Promise.all([one, other])
      } finally {
        await rival.query('ROLLBACK')
      }
    }

    /** An answer that comes although it should have to wait. */
    async function unexpected(asked: Promise<Answer>): Promise<never> {
      const { status, body } = await asked
      throw new Error(`answered at once: ${status} ${JSON.stringify(body)}`)
    }

    it.each<[string, () => Promise<Answer>, () => Promise<Answer>]>([
      ['delete', () => ask('DELETE', `/Patient/${patient}`), () => ask('POST', '/Observation', about(patient))],
      [
        'conditional delete',
        () => ask('DELETE', `/Patient?identifier=${identifier.system}|${identifier.value}`),
        () => ask('POST', '', bundle(patient)),
      ],
    ])('refuses what comes after the %s, and all that comes with it', async (_, remove, write) => {
      await newPatient()
      const [removed, refused] = await inTurns(remove, write)
      expect([removed.status, refused.status]).toEqual([204, 422])
      expect(refused.body.issue[0]?.diagnostics).toContain(`Patient/${patient} was deleted`)
      expect((await ask('GET', '/Organization?name=with')).body.total).toBe(0)
      expect((await ask('GET', `/Observation?subject=Patient/${patient}`)).body.total).toBe(0)
    })

    it('writes what comes before, and then deletes', async () => {
      await newPatient()
      const [written, removed] = await inTurns(
        () => ask('POST', '/Observation', about(patient)),
        () => ask('DELETE', `/Patient/${patient}`),
      )
      expect([written.status, removed.status]).toEqual([201, 204])
      expect((await ask('POST', '/Observation', about(patient))).status).toBe(422)
    })
  })
})
