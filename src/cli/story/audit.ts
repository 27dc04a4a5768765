import { StoryClient } from './client.js'
import type { GatewayProcess } from './processes.js'
import { expect, type Teller } from './teller.js'

/** The auditor looks for what the story did, and has it proven. */
export async function checkTrail(
  teller: Teller,
  gateway: GatewayProcess,
  patientId: string,
  _expected: { readonly consents: number },
): Promise<void> {
  const auditor = await StoryClient.demo(gateway.url, gateway.directory, 'auditor')
  await teller.step('the auditor finds every access to the patient, denials included', async () => {
    const events = await auditor.search('AuditEvent', { patient: `Patient/${patientId}`, _count: 1000 })
    const list = (events.entry ?? []).map(({ resource }) => resource)
    expect(
      list.some((event) => event['action'] === 'C'),
      'the creation',
    )
    expect(
      list.some((event) => event['action'] === 'R' && event['outcome'] === '0'),
      'a read',
    )
    expect(
      list.some((event) => event['outcome'] === '4'),
      'a denial',
    )
    teller.note(`${events.total} AuditEvents name the patient`)
  })
}

/** Filled in with fsck. */
export async function tamper(_teller: Teller, _directory: string): Promise<void> {}
