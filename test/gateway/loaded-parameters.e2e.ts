import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { end, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { preparedGateway } from '../support/prepared-data.js'

/*
 * A gateway has records, and is started again with a package of search parameters: what was there before is found by them too, once, and in
 * the meantime nobody is answered with a part of it.
 */
const COUNT = 130
const COLOUR = 'http://example.org/fhir/StructureDefinition/colour'
const PARAMETER = {
  resourceType: 'SearchParameter',
  id: 'patient-colour',
  url: 'http://example.org/fhir/SearchParameter/patient-colour',
  name: 'Colour',
  status: 'active',
  description: 'The colour of a patient’s file',
  code: 'colour',
  base: ['Patient'],
  type: 'token',
  expression: `Patient.extension.where(url = '${COLOUR}').value.ofType(Coding)`,
}

let data: string
let packages: string
let gateway: RunningProcess
const tokens: Record<string, string> = {}

async function start(environment: Record<string, string>): Promise<void> {
  gateway = await startGateway(data, { EMBEDDED_PROXIES: '0', ...environment })
  for (const name of ['ehr', 'auditor']) tokens[name] = await tokenOf(data, name)
}

async function ask(method: string, path: string, body?: unknown, as = 'ehr') {
  const response = await fetch(`${gateway.fhir}${path}`, {
    method,
    headers: { authorization: `Bearer ${tokens[as]}`, 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  // The tests look into resources of every type.

  return { status: response.status, text, body: JSON.parse(text) }
}

const patient = (n: number) => ({
  resourceType: 'Patient',
  name: [{ family: `Family ${n}` }],
  extension: [{ url: COLOUR, valueCoding: { system: 'urn:colours', code: n % 2 === 0 ? 'red' : 'blue' } }],
})
const served = async (): Promise<string | undefined> => {
  const { body } = await ask('GET', '/metadata')
  const { searchParam } = body.rest[0].resource.find(({ type }: { type: string }) => type === 'Patient')
  return searchParam.find(({ name }: { name: string }) => name === 'colour')?.definition
}

/** Asks until older records are indexed; before, the answer is a refusal that says so. */
async function afterwards(path: string): Promise<Awaited<ReturnType<typeof ask>>> {
  for (;;) {
    const answer = await ask('GET', path)
    if (answer.status === 200) return answer
    expect(answer.body.issue[0].diagnostics).toContain('is being indexed for the records that were there before')
    await sleep(50)
  }
}

beforeAll(async () => {
  data = await preparedGateway('consentry-parameters-')
  packages = join(data, 'packages')
  await mkdir(join(packages, 'colours'), { recursive: true })
  await writeFile(join(packages, 'colours', 'package.json'), '{"name":"colours","version":"1.0.0"}')
  await writeFile(join(packages, 'colours', 'SearchParameter-colour.json'), JSON.stringify(PARAMETER))
  await start({})
  for (let first = 0; first < COUNT; first += 40) {
    const entry = Array.from({ length: Math.min(40, COUNT - first) }, (_, n) => ({
      request: { method: 'POST', url: 'Patient' },
      resource: patient(first + n),
    }))
    const loaded = await ask('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })
    expect(loaded.status, loaded.text).toBe(200)
  }
}, 300_000)

afterAll(async () => {
  if (gateway) await end(gateway.child, 'SIGTERM')
  await rm(data, { recursive: true, force: true })
})

it('is unknown without the package, and finds records from before and after with it', async () => {
  const unknown = await ask('GET', '/Patient?colour=red')
  expect([unknown.status, unknown.body.issue[0].diagnostics]).toEqual([
    400,
    expect.stringContaining('has no search parameter colour'),
  ])
  expect(await served()).toBeUndefined()
  await end(gateway.child, 'SIGTERM')

  await start({ FHIR_PACKAGES: packages })
  const created = await ask('POST', '/Patient', patient(0))
  expect(created.status, created.text).toBe(201)
  const red = await afterwards('/Patient?colour=urn:colours|red&_total=accurate&_count=5')
  expect(red.body.total).toBe(COUNT / 2 + 1)
  expect((await ask('GET', '/Patient?_filter=colour eq blue and family eq "family 7"')).body.total).toBe(1)
  expect((await ask('GET', '/Patient?colour:missing=true')).body.total).toBe(0)
  expect(await served()).toBe(PARAMETER.url)
}, 120_000)

it('is told in the trail of each patient once, and is not done again', async () => {
  const trail = async () =>
    (await ask('GET', '/AuditEvent?subtype=urn:ietf:rfc:3986|reindex', undefined, 'auditor')).body.total as number
  const told = await trail()
  expect(told).toBe(COUNT)
  await end(gateway.child, 'SIGTERM')
  await start({ FHIR_PACKAGES: packages })
  expect((await ask('GET', '/Patient?colour=blue&_count=1')).body.total).toBe(COUNT / 2)
  await sleep(200)
  expect(await trail()).toBe(told)
}, 120_000)
