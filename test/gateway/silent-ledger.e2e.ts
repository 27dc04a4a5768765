import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../ledger/support/eventually.js'
import { type Answer, ConsentGateway, observation } from './consent-gateway.js'

/** A gateway whose chain is stopped, and killed. */
let gateway: ConsentGateway

describe('when the ledger is silent', () => {
  let patient: string
  let made: string
  beforeAll(async () => {
    gateway = await ConsentGateway.open({ FRESHNESS_SECONDS: '4', EMBEDDED_PROXIES: '0' })
    patient = await gateway.create({ resourceType: 'Patient', name: [{ family: 'Silent' }] })
    made = await gateway.create(observation(patient))
  })
  afterAll(() => gateway?.close())

  const reads = (): (() => Promise<Answer>)[] => [
    () => gateway.ask('GET', `/Observation/${made}`),
    () => gateway.ask('GET', `/Observation/${made}/_history`),
    () => gateway.ask('GET', `/Observation?patient=Patient/${patient}`),
    () => gateway.ask('GET', `/Observation?_summary=count`),
  ]

  it('does not know after the limit, says when to ask again, does nothing by halves, and recovers', async () => {
    const before = await gateway.ask('GET', `/Observation/${made}`)
    const counted = (await gateway.ask('GET', `/Observation?patient=Patient/${patient}&_summary=count`)).body
      .total as number
    const { pid } = await gateway.chain()
    process.kill(pid, 'SIGSTOP')
    try {
      await eventually(async () => (await gateway.ask('GET', `/Observation/${made}`)).status).toBe(503)
      const writes = [
        () => gateway.ask('POST', '/Observation', observation(patient)),
        () => gateway.ask('PUT', `/Observation/${made}`, { ...observation(patient, { status: 'amended' }), id: made }),
        () => gateway.ask('DELETE', `/Observation/${made}`),
        () =>
          gateway.ask('POST', '', {
            resourceType: 'Bundle',
            type: 'transaction',
            entry: [{ resource: observation(patient), request: { method: 'POST', url: 'Observation' } }],
          }),
        () => gateway.ask('POST', '/Patient', { resourceType: 'Patient', name: [{ family: 'Unborn' }] }),
      ]
      for (const { status, headers, body, text } of await Promise.all([...reads(), ...writes].map((ask) => ask()))) {
        expect([status, body.resourceType], text).toEqual([503, 'OperationOutcome'])
        expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
      }
      const graphql = await gateway.ask('POST', '/$graphql', { query: `{ Observation(id: "${made}") { id status } }` })
      expect(graphql.text).not.toContain('final')
      // The audit trail is the auditor's, whatever the ledger says.
      expect((await gateway.ask('GET', '/AuditEvent?_count=1', undefined, { as: 'auditor' })).status).toBe(200)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    // On a busy machine a limit of seconds may be passed once more, so each answer is waited for.
    await eventually(async () => (await gateway.ask('GET', `/Observation/${made}`)).text).toBe(before.text)
    const total = (query: string) => async () =>
      (await gateway.ask('GET', `${query}&_summary=count`)).body.total as number
    await eventually(total(`/Observation?patient=Patient/${patient}`)).toBe(counted)
    await eventually(total('/Patient?family=Unborn')).toBe(0)
    await eventually(async () => (await gateway.ask('POST', '/Observation', observation(patient))).status).toBe(201)
  })

  it('goes on by itself after its chain was killed, with every consent as it was', async () => {
    const { pid } = await gateway.chain()
    process.kill(pid, 'SIGKILL')
    await eventually(async () => (await gateway.chain()).pid).not.toBe(pid)
    await eventually(async () => (await gateway.ask('POST', '/Observation', observation(patient))).status).toBe(201)
    await eventually(async () => (await gateway.ask('GET', `/Observation/${made}`)).status).toBe(200)
    await eventually(
      async () => (await gateway.ask('POST', '/Patient', { resourceType: 'Patient', active: true })).status,
    ).toBe(201)
  })
})
