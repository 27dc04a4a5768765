import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startPglite } from '../../embedded/pglite.js'
import { openDatabase } from '../../records/database.js'
import { StoryClient } from './client.js'
import { command, type GatewayProcess } from './processes.js'
import { expect, type Teller, until } from './teller.js'

interface Event {
  readonly id: string
  readonly action?: string
  readonly outcome?: string
  readonly extension?: readonly { readonly url: string }[]
}

interface Parameter {
  readonly name: string
  readonly valueBoolean?: boolean
  readonly valueString?: string
  readonly part?: readonly Parameter[]
}

const EVIDENCE = 'https://consentry.health/fhir/StructureDefinition/ledger-evidence'
const ANCHORED_MS = 30_000

/** The auditor looks for what the story did, and has it proven against the chain. */
export async function checkTrail(teller: Teller, gateway: GatewayProcess, patientId: string): Promise<void> {
  const auditor = await StoryClient.demo(gateway.url, gateway.directory, 'auditor')
  const of = async (type: string): Promise<Event[]> => {
    const found = await auditor.search(type, { patient: `Patient/${patientId}`, _count: 1000, _sort: '_lastUpdated' })
    return (found.entry ?? []).map(({ resource }) => resource as Event)
  }
  const events = await teller.step('the auditor finds every access to the patient, denials included', async () => {
    const list = await of('AuditEvent')
    expect(
      list.some(({ action }) => action === 'C'),
      'the creation',
    )
    expect(
      list.some(({ action, outcome }) => action === 'R' && outcome === '0'),
      'a read',
    )
    expect(list.filter(({ outcome }) => outcome === '4').length >= 2, 'the denials before the grant and after its end')
    teller.note(`${list.length} AuditEvents name the patient`)
    return list
  })
  await teller.step(
    'the grant and the revocation are there with their transactions, and Provenance of the record',
    async () => {
      const evident = events.filter(({ extension }) => extension?.some(({ url }) => url === EVIDENCE))
      expect(
        evident.length >= 3,
        'AuditEvents of registration, grant and revocation with ledger evidence',
        evident.length,
      )
      const provenance = await until(
        () => of('Provenance'),
        (list) => list.length > 0,
        ANCHORED_MS,
      )
      expect(provenance.length > 0, 'Provenance of the anchored record', provenance.length)
    },
  )
  await teller.step('the first and the last of them are proven against a head on the chain', async () => {
    for (const event of [events[0], events.at(-1)]) {
      const verify = async (): Promise<Parameter[]> =>
        (await auditor.operation('AuditEvent', (event as Event).id, 'verify'))['parameter'] as Parameter[]
      const proof = await until(
        verify,
        (list) => list.some((p) => p.name === 'anchored' && p.valueBoolean === true),
        ANCHORED_MS,
      )
      const inclusion = proof.find(({ name }) => name === 'inclusion')
      expect(
        inclusion?.part?.some(({ name }) => name === 'transaction') === true,
        'an inclusion proof with its transaction',
        proof,
      )
    }
  })
}

/** With the gateway stopped and the rest running: the one that imports has nothing that the chain, the proxies and its trail do not say. */
export async function checkImporter(
  teller: Teller,
  gateway: GatewayProcess,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  await teller.step(
    'hospital B stops, and fsck there finds nothing wrong, receipts of the proxies included',
    async () => {
      await gateway.stop()
      const { code, output } = await command('fsck.js', [], gateway.directory, environment)
      expect(code === 0, 'no finding', output)
    },
  )
}

/** With the gateway stopped: everything is in order; then one byte is changed, then another, and each is found. */
export async function tamper(teller: Teller, directory: string): Promise<void> {
  teller.chapter('Tampering')
  await teller.step('fsck recomputes everything from the chain and finds nothing wrong', async () => {
    const { code, output } = await command('fsck.js', [], directory)
    expect(code === 0, 'no finding', output)
  })
  await teller.step('a changed byte of a block is found', async () => {
    const restore = await changeBlock(directory)
    const { code, output } = await command('fsck.js', [], directory)
    expect(code === 1 && /record|block/i.test(output), 'a finding about the block', output)
    teller.note(firstFinding(output))
    await restore()
  })
  await teller.step('a changed row of the audit trail is found', async () => {
    await changeAuditRow(directory)
    const { code, output } = await command('fsck.js', [], directory)
    expect(code === 1, 'a finding about the audit row', output)
    teller.note(firstFinding(output))
  })
}

function firstFinding(output: string): string {
  return output.split('\n').find((line) => line.startsWith('      ')) ?? ''
}

/** Flips a bit in the middle of the largest file of blocks. @returns what puts it back */
async function changeBlock(directory: string): Promise<() => Promise<void>> {
  const folder = join(directory, 'blocks')
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const contents = await Promise.all(
    files.map(async (file) => {
      const path = join(file.parentPath, file.name)
      return { path, bytes: await readFile(path) }
    }),
  )
  const largest = contents.sort((a, b) => b.bytes.length - a.bytes.length)[0]
  expect(largest !== undefined && largest.bytes.length > 1000, 'a file of blocks')
  const changed = Buffer.from(largest.bytes)
  const middle = Math.floor(changed.length / 2)
  changed[middle] = (changed[middle] as number) ^ 1
  await writeFile(largest.path, changed)
  return () => writeFile(largest.path, largest.bytes)
}

/** As somebody with the database would: another body in the row of an AuditEvent. */
async function changeAuditRow(directory: string): Promise<void> {
  const pglite = await startPglite(join(directory, 'pglite'))
  const database = await openDatabase({ driver: pglite.driver })
  const { rowCount } = await database.query(
    `UPDATE resource_version SET body = set_byte(body, length(body) / 2, get_byte(body, length(body) / 2) # 1)
     WHERE resource_pk = (SELECT min(resource_pk) FROM audit_leaf)`,
  )
  await database.close()
  await pglite.close()
  expect(rowCount === 1, 'one changed row', rowCount)
}
