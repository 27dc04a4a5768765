import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { patientRecord } from '../../src/cli/story/patient-record.js'
import { end } from '../support/gateway.js'
import { startScript } from './load/script.js'

it('the gateway of the load bench, without sealing, audit and consent, still takes a transaction', async () => {
  const data = await mkdtemp(join(tmpdir(), 'consentry-bare-'))
  const { url, child } = await startScript('bare-gateway.ts', data)
  try {
    const { bundle } = patientRecord()
    const headers = { 'content-type': 'application/fhir+json' }
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(bundle) })
    const answer = (await response.json()) as { entry: { response: { status: string } }[] }
    expect(response.status).toBe(200)
    // the record is typed as any Resource
    expect(answer.entry.map(({ response: { status } }) => status.slice(0, 3))).toEqual(
      (bundle as unknown as { entry: unknown[] }).entry.map(() => '201'),
    )
  } finally {
    await end(child, 'SIGTERM')
    await rm(data, { recursive: true, force: true })
  }
})
