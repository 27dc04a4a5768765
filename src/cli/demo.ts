/**
 * npm run demo [-- --json]
 * Two hospitals, three proxies, one patient: the whole job over HTTP, with real processes and an ordinary FHIR client.
 * Every step asserts; one that fails ends it with exit code 1 and says what was expected.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import type { Parameters as ParametersResource } from 'fhir/r4.js'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { type ProxyProcess, startProxy } from '../embedded/proxies.js'
import type { Deployment } from '../ledger/deploy.js'
import { SecretKey } from '../vault/pre/index.js'
import { commandLine, UsageError } from './arguments.js'
import { checkImporter, checkTrail, tamper } from './story/audit.js'
import { StoryClient } from './story/client.js'
import { authorisation, grantOf, newResult, signedForm } from './story/consents.js'
import { gasByContract } from './story/gas.js'
import { patientRecord } from './story/patient-record.js'
import { command, type GatewayProcess, startGateway, stopProcess } from './story/processes.js'
import { expect, StoryFailure, Teller, until } from './story/teller.js'

const USAGE = `usage: npm run demo [-- --json]
  --json   the measurements instead of the story`

/** Types that the story looks at, by search; all of them are in the patient's compartment. */
const TYPES = [
  'Encounter',
  'Observation',
  'Condition',
  'MedicationRequest',
  'Immunization',
  'AllergyIntolerance',
  'Procedure',
  'DocumentReference',
  'CarePlan',
  'Coverage',
]
const SHARING_MS = 20_000

interface Hospital {
  readonly gateway: GatewayProcess
  readonly ehr: StoryClient
  /** The client that may ask the wallet service to sign. */
  readonly wallet: StoryClient
}

async function story(teller: Teller, folder: string, running: { stop(): Promise<void> }[]): Promise<void> {
  teller.chapter('Two hospitals and three proxies, each a process of its own')
  const a = await teller.step('hospital A starts: chain, contracts, database and blocks of its own', async () => {
    const gateway = await startGateway(join(folder, 'a'), { EMBEDDED_PROXIES: '0' })
    running.push(gateway)
    return hospital(gateway)
  })
  const deployment = JSON.parse(await readFile(join(folder, 'a', 'deployment.json'), 'utf8')) as Deployment
  const { port } = JSON.parse(await readFile(join(folder, 'a', 'chain', 'chain.json'), 'utf8')) as { port: number }
  const chain = `ws://127.0.0.1:${port}`
  const proxies = await teller.step('three proxies of other owners start and are registered', async () => {
    const started: ProxyProcess[] = []
    for (const name of ['one', 'two', 'three']) {
      const proxy = await startProxy({ directory: join(folder, `proxy-${name}`), rpcUrl: chain, deployment })
      running.push(proxy)
      started.push(proxy)
      await administrator(folder, 'proxy', JSON.stringify(proxy.identity))
    }
    return started
  })
  const environmentOfB = { ETH_RPC_URL: chain, LEDGER_DEPLOYMENT: JSON.stringify(deployment), GRANT_FINALITY: 'latest' }
  const b = await teller.step('hospital B starts and is registered by the consortium’s administrator', async () => {
    let entity = ''
    const gateway = await startGateway(join(folder, 'b'), environmentOfB, (request) => {
      entity = (JSON.parse(request) as { id: string }).id
      return administrator(folder, 'entity', request)
    })
    running.push(gateway)
    return { ...(await hospital(gateway)), entity }
  })
  const guest = await clientOf(b.entity, a)

  teller.chapter('A patient’s record')
  const { bundle, resources, patientUrl } = patientRecord()
  const patientId = await teller.step(`A’s EHR posts ${resources} resources as one transaction`, async () => {
    const answer = await a.ehr.transaction(bundle)
    const created = (answer.entry ?? []).filter(({ response }) => response?.status.startsWith('201')).length
    expect(created === resources, `${resources} created resources`, created)
    const index = (bundle as { entry: { fullUrl: string }[] }).entry.findIndex(({ fullUrl }) => fullUrl === patientUrl)
    return answer.entry?.[index]?.response?.location?.split('/')[1] as string
  })
  const own = await totals(a.ehr, patientId)
  await teller.step('hospital B asks A for the patient and is refused', async () => {
    const refusal = await guest.refusal(guest.read('Patient', patientId))
    expect(refusal?.status === 403, '403', refusal)
    expect(/consent/i.test(refusal.diagnostics), 'an OperationOutcome that speaks of consent', refusal.diagnostics)
    teller.note(refusal.diagnostics)
  })

  teller.chapter('The patient grants')
  const consent = await a.ehr.create(grantOf(patientId, b.entity, ['read', 'create']))
  const form = async (title: string) => authorisation((await a.ehr.create(signedForm(patientId, title))).id)
  const granted = performance.now()
  await teller.step('the patient grants B what is labelled general, for treatment', async () => {
    const active = await a.wallet.operation('Consent', consent.id, 'sign', await form('Form 118'))
    expect(active['status'] === 'active', 'an active Consent', active['status'])
    teller.measure('grantMs', performance.now() - granted)
  })
  await teller.step('A lets B read, directly', async () => {
    const patient = await guest.read('Patient', patientId)
    expect(patient.id === patientId, 'the patient')
  })
  const expected: Record<string, number> = {
    ...own,
    Condition: (own['Condition'] ?? 0) - 1,
    DocumentReference: (own['DocumentReference'] ?? 0) + 1,
  }
  await teller.step('B’s own gateway has the record, through the proxies, without the sensitive resource', async () => {
    const found = await until(
      () => totals(b.ehr, patientId),
      (t) => same(t, expected),
      SHARING_MS,
    )
    expect(same(found, expected), `the totals ${JSON.stringify(expected)}`, found)
    teller.measure('grantToReadMs', performance.now() - granted)
    const cold = performance.now()
    const condition = await b.ehr.search('Condition', { patient: `Patient/${patientId}`, _count: 50 })
    teller.measure('exchangeReadColdMs', performance.now() - cold)
    expect(!JSON.stringify(condition).includes('psychotherapy'), 'no trace of the sensitive condition')
    const source = condition.entry?.[0]?.resource['meta'] as { source?: string } | undefined
    expect(source?.source?.startsWith(a.gateway.url) === true, 'meta.source that names hospital A', source)
    const warm = performance.now()
    await b.ehr.search('Condition', { patient: `Patient/${patientId}`, _count: 50 })
    teller.measure('exchangeReadWarmMs', performance.now() - warm)
  })
  await teller.step('B reads it as one whole with a result of its own', async () => {
    await wholeRecord(b, patientId, expected['Observation'] ?? 0)
  })

  teller.chapter('Proxies fail')
  const pharmacy = `0x${randomBytes(32).toString('hex')}`
  await administrator(folder, 'entity', registrationOf(pharmacy))
  const other = await a.ehr.create(grantOf(patientId, pharmacy, ['read']))
  const form119 = await form('Form 119')
  await until(
    () => a.wallet.refusal(a.wallet.operation('Consent', other.id, 'sign', form119)),
    (r) => r === null,
    5_000,
  )
  let results = (expected['Observation'] ?? 0) + 1
  await teller.step('one proxy is stopped; after a rotation of keys B still reads what is new', async () => {
    await stopProcess((proxies[0] as ProxyProcess).process, 'SIGKILL')
    await a.wallet.operation('Consent', other.id, 'revoke', await form('Form 120'))
    await a.ehr.create(newResult(patientId, 0.97))
    results += 1
    const found = await until(
      () => total(b.ehr, 'Observation', patientId),
      (n) => n === results,
      SHARING_MS,
    )
    expect(found === results, `${results} observations`, found)
  })
  await teller.step('a second proxy is stopped; what is new stays closed to B', async () => {
    await stopProcess((proxies[1] as ProxyProcess).process, 'SIGKILL')
    await a.wallet.operation('Consent', other.id, 'revoke', await form('Form 121'))
    await a.ehr.create(newResult(patientId, 1.02))
    const found = await until(
      () => total(b.ehr, 'Observation', patientId),
      (n) => n !== results,
      3_000,
    )
    expect(found === results, `still ${results} observations`, found)
  })

  teller.chapter('The patient revokes')
  await teller.step('the patient revokes; B’s next request is denied and its copies are gone', async () => {
    const form122 = await form('Form 122')
    const start = performance.now()
    const inactive = await a.wallet.operation('Consent', consent.id, 'revoke', form122)
    expect(inactive['status'] === 'inactive', 'an inactive Consent', inactive['status'])
    const refusal = await guest.refusal(guest.read('Patient', patientId))
    teller.measure('revokeToDenyMs', performance.now() - start)
    expect(refusal?.status === 403, '403 at A', refusal)
    const left = await until(
      () => b.ehr.refusal(b.ehr.read('Patient', patientId)),
      (r) => r?.status === 404,
      SHARING_MS,
    )
    expect(left?.status === 404, 'no copy of the patient at B', left)
    const found = await totals(b.ehr, patientId)
    expect(
      Object.values(found).every((n) => n === 0),
      'nothing of the record at B',
      found,
    )
  })

  const gas = await gasByContract(chain, deployment)
  // Admission, grant to B, grant to the pharmacy, its two revocations, revocation of B.
  const [admit = 0, grant = 0, , revoke = 0] = gas.ConsentRegistry
  teller.measure('gasAdmitPatient', admit)
  teller.measure('gasGrantTwoWords', grant)
  teller.measure('gasRevoke', revoke)
  teller.measure('gasAnchor', Math.max(...gas.RecordAnchors))
  if (gas.AuditLog.length > 0) teller.measure('gasPublishAuditHead', Math.max(...gas.AuditLog))

  teller.chapter('The auditor')
  await checkTrail(teller, a.gateway, patientId)
  await checkImporter(teller, b.gateway, environmentOfB)
  await teller.step('hospital A and the proxies stop', async () => {
    for (const part of running.splice(0).reverse()) await part.stop()
  })
  await tamper(teller, join(folder, 'a'))
}

async function hospital(gateway: GatewayProcess): Promise<Hospital> {
  const client = (name: string) => StoryClient.demo(gateway.url, gateway.directory, name)
  return { gateway, ehr: await client('ehr'), wallet: await client('wallet') }
}

/** The consortium’s administrator acts with the key that hospital A’s data directory holds. */
async function administrator(folder: string, kind: 'entity' | 'proxy', request: string): Promise<void> {
  const { code, output } = await command('register.js', [kind, request], join(folder, 'a'))
  expect(code === 0, `a registration of the ${kind}`, output)
}

function registrationOf(id: string): string {
  const encryptionKey = `0x${Buffer.from(SecretKey.random().publicKey.toBytes()).toString('hex')}`
  return JSON.stringify({
    id,
    controller: Wallet.createRandom().address.toLowerCase(),
    encryptionKey,
    endpoint: 'http://127.0.0.1:1',
  })
}

/** A client of another entity at hospital A, as A’s operator registers it. */
async function clientOf(entity: string, { gateway }: Hospital): Promise<StoryClient> {
  const { privateKey } = await generateKeyPair('ES384', { extractable: true })
  const key = { ...(await exportJWK(privateKey)), kid: 'guest-1', alg: 'ES384', use: 'sig' } satisfies JWK
  const { d: _, ...publicKey } = key
  const scopes = 'system/*.rs'
  const client = { id: 'hospital-b', entity, scopes, role: 'system', jwks: { keys: [publicKey] }, purposes: ['TREAT'] }
  await writeFile(join(gateway.directory, 'clients.json'), JSON.stringify([client]))
  return new StoryClient(gateway.url, { id: client.id, scopes, privateKey: key })
}

/** B links a Patient of its own to the patient of the ledger, and a search for it finds both hospitals’ records. */
async function wholeRecord(b: Hospital, patientId: string, results: number): Promise<void> {
  const { parameter } = (await b.ehr.operation('Patient', patientId, 'ledger-id')) as ParametersResource
  const identifier = parameter?.[0]?.valueIdentifier
  const own = await b.ehr.create({ resourceType: 'Patient', identifier: [identifier], active: true })
  await b.ehr.create(newResult(own.id, 0.93))
  const found = await total(b.ehr, 'Observation', own.id)
  expect(found === results + 1, `${results + 1} observations of one patient`, found)
}

async function total(client: StoryClient, type: string, patientId: string): Promise<number> {
  const { total: found } = await client.search(type, { patient: `Patient/${patientId}`, _summary: 'count' })
  return found ?? 0
}

async function totals(client: StoryClient, patientId: string): Promise<Record<string, number>> {
  const parameter = (type: string): string => (type === 'Coverage' ? 'beneficiary' : 'patient')
  const counts = await Promise.all(
    TYPES.map(async (type) => {
      const { total: found } = await client.search(type, {
        [parameter(type)]: `Patient/${patientId}`,
        _summary: 'count',
      })
      return [type, found ?? 0] as const
    }),
  )
  return Object.fromEntries(counts)
}

function same(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean {
  return Object.keys(b).every((type) => a[type] === b[type])
}

async function main(): Promise<void> {
  const { json } = commandLine(USAGE, { options: { json: { type: 'boolean', default: false } } }).values
  const teller = new Teller(json)
  const folder = await mkdtemp(join(tmpdir(), 'consentry-demo-'))
  const running: { stop(): Promise<void> }[] = []
  try {
    await story(teller, folder, running)
    if (json) console.log(JSON.stringify(teller.measurements, null, 2))
    else console.log('\nEvery step held.')
  } catch (error) {
    process.exitCode = 1
    process.stderr.write(`\n  ✗ ${error instanceof StoryFailure ? error.message : String((error as Error).stack)}\n`)
  } finally {
    for (const part of running.reverse()) await part.stop().catch(() => undefined)
    await rm(folder, { recursive: true, force: true })
  }
}

main().catch((error: unknown) => {
  process.exitCode = 2
  process.stderr.write(`${error instanceof UsageError ? error.message : String((error as Error).stack)}\n`)
})
