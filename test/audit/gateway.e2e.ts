import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { readFileSync } from 'node:fs'
import canonicalize from 'canonicalize'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyConsistency, verifyInclusion } from '../../src/audit/rfc9162.js'
import { startPglite } from '../../src/embedded/pglite.js'
import { parseJson } from '../../src/fhir/json.js'
import { ownProfiles, Profiles } from '../../src/fhir/profiles.js'
import type { Resource, ValidResource } from '../../src/fhir/types.js'
import { validate } from '../../src/fhir/validate.js'
import { openDatabase } from '../../src/records/database.js'
import { end, run, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { preparedData } from '../support/prepared-data.js'
import { hasSharedData, SHARED_DATA } from '../support/shared-data.js'

type Answer = { status: number; body: Resource }
type Bundle = Resource & { total: number; entry?: { resource: ValidResource }[] }
type Parameter = { name: string; valueString?: string; valueBoolean?: boolean; part?: Parameter[] }

let data: string
let gateway: RunningProcess
let ehr: string
let auditor: string
const patients: string[] = []

beforeAll(async () => {
  data = await preparedData('consentry-audit-')
  gateway = await startGateway(data, { EMBEDDED_PROXIES: '0' })
  const token = (name: string) => tokenOf(data, name)
  ehr = await token('ehr')
  auditor = await token('auditor')
})
afterAll(async () => {
  await end(gateway.child, 'SIGKILL')
  await rm(data, { recursive: true, force: true })
})

async function ask(token: string, method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${gateway.fhir}/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: (text === '' ? {} : parseJson(text)) as unknown as Resource }
}

async function trail(query = ''): Promise<ValidResource[]> {
  const { status, body } = await ask(auditor, 'GET', `AuditEvent?_count=1000${query}`)
  expect(status).toBe(200)
  return ((body as Bundle).entry ?? []).map(({ resource }) => resource)
}

async function until<T>(ask: () => Promise<T | null>): Promise<T> {
  for (let i = 0; i < 600; i++) {
    const found = await ask()
    if (found !== null) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('it does not happen')
}

const subtypes = (event: Resource): string[] => (event['subtype'] as { code: string }[]).map(({ code }) => code)
const references = (event: Resource): string[] =>
  ((event['entity'] ?? []) as { what?: { reference?: string } }[]).flatMap(({ what }) => what?.reference ?? [])

describe('the trail of a gateway', () => {
  it('records each interaction before its answer, denials and failures too', async () => {
    for (const family of ['Aber', 'Berg']) {
      const { status, body } = await ask(ehr, 'POST', 'Patient', { resourceType: 'Patient', name: [{ family }] })
      expect(status).toBe(201)
      patients.push(`Patient/${body.id}`)
    }
    const [first, second] = patients as [string, string]
    const observation = (subject: string): object => ({
      resourceType: 'Observation',
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] },
      subject: { reference: subject },
    })
    const one = await ask(ehr, 'POST', 'Observation', observation(first))
    const id = `Observation/${one.body.id}`
    await ask(ehr, 'POST', 'Observation', observation(second))
    await ask(ehr, 'GET', id)
    await ask(ehr, 'GET', `${id}/_history/1`)
    await ask(ehr, 'PUT', id, { ...observation(first), id: one.body.id })
    await ask(ehr, 'GET', 'Observation?code=718-7')
    await ask(ehr, 'DELETE', id)
    expect((await ask(ehr, 'GET', id)).status).toBe(410)
    expect((await ask(ehr, 'GET', 'Observation/nobody')).status).toBe(404)
    expect((await ask(auditor, 'GET', first)).status).toBe(403)
    expect((await ask(ehr, 'GET', 'AuditEvent')).status).toBe(403)
    expect((await ask(ehr, 'POST', 'AuditEvent', { resourceType: 'AuditEvent' })).status).toBe(405)

    const events = await trail()
    const told = events.map(
      (event) => `${subtypes(event).join('+')} ${String(event['action'])} ${String(event['outcome'])}`,
    )
    for (const line of [
      'create C 0',
      'read R 0',
      'vread R 0',
      'update U 0',
      'delete D 0',
      'search-type E 0',
      'read R 4',
      'search-type E 4',
      'create C 4',
    ]) {
      expect(told).toContain(line)
    }
    const searches = events.filter((event) => subtypes(event).includes('search-type') && event['outcome'] === '0')
    const ofSearch = searches.filter((event) =>
      JSON.stringify(event).includes(Buffer.from('code=718-7').toString('base64')),
    )
    expect(ofSearch.map((event) => references(event)[0]).sort()).toEqual([...patients].sort())
  })

  it('is valid R4, and what it claims of our profiles is true', async () => {
    const events = await trail()
    for (const event of events) {
      expect(validate(event).issues, JSON.stringify(event)).toEqual([])
      expect(ownProfiles().judge(event)).toEqual([])
    }
  })

  it.skipIf(!hasSharedData)('keeps to the IHE BALP profile that each success claims', async () => {
    const lines = gunzipSync(readFileSync(join(SHARED_DATA, 'ihe-balp', 'balp-1.1.4-definitions.ndjson.gz')))
    const balp = new Profiles(
      lines
        .toString()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => parseJson(line) as unknown as Resource),
    )
    const claims = new Set<string>()
    for (const event of await trail()) {
      const claimed = balp.claimedBy(event)
      claimed.forEach((url) => claims.add(url.split('.').at(-1) as string))
      for (const url of claimed) {
        const issues = balp
          .check(event, url)
          .map(({ diagnostics, expression }) => `${expression?.join()} ${diagnostics}`)
        expect(issues, `${url} ${JSON.stringify(event)}`).toEqual([])
      }
      // A success without a claim is one that BALP has no pattern for: an operation, or what the ledger said.
      if (event['outcome'] === '0' && claimed.length === 0) {
        expect(JSON.stringify(event['subtype'])).toMatch(/ledger-event|operation|history-instance/)
      }
    }
    for (const name of ['PatientCreate', 'PatientRead', 'PatientUpdate', 'PatientDelete', 'PatientQuery']) {
      expect([...claims]).toContain(name)
    }
  })

  it('tells what the ledger said of the patients, and which versions were anchored', async () => {
    const provenance = await until(async () => {
      const { body } = await ask(auditor, 'GET', `Provenance?target=${patients[0]}`)
      return (body as Bundle).entry?.[0]?.resource ?? null
    })
    expect(validate(provenance).issues).toEqual([])
    expect(ownProfiles().judge(provenance)).toEqual([])
    const events = await trail(`&entity=${patients[0]}`)
    expect(events.flatMap(subtypes)).toEqual(expect.arrayContaining(['PatientRegistered', 'ConsentGranted']))
    expect((await ask(ehr, 'GET', `Provenance/${provenance.id}`)).status).toBe(403)
  })

  it('proves to a third party that a record is in the log, and that the log only grew', async () => {
    const [event] = (await trail()).filter((each) => subtypes(each).includes('create')) as [ValidResource]
    const parameters = await until(async () => {
      const { status, body } = await ask(auditor, 'GET', `AuditEvent/${event.id}/$verify`)
      expect(status).toBe(200)
      const list = body['parameter'] as Parameter[]
      return list.some(({ name, valueBoolean }) => name === 'anchored' && valueBoolean === true) ? list : null
    })
    const text = (list: readonly Parameter[], name: string): string =>
      list.find((each) => each.name === name)?.valueString as string
    const bytes = (value: string): Buffer => Buffer.from(value.slice(2), 'hex')
    const part = (name: string): Parameter[] => parameters.find((each) => each.name === name)?.part as Parameter[]
    const proof = (list: readonly Parameter[]): Buffer[] =>
      list.flatMap(({ name, valueString }) => (name === 'proof' ? [bytes(valueString as string)] : []))
    const leaf = createHash('sha256')
      .update(Uint8Array.of(0))
      .update(bytes(text(parameters, 'salt')))
      .update(canonicalize(event) as string)
      .digest()
    expect(`0x${leaf.toString('hex')}`).toBe(text(parameters, 'leafHash'))
    const [inclusion, newest] = [part('inclusion'), part('consistency')]
    const [size, root] = [Number(text(inclusion, 'size')), bytes(text(inclusion, 'root'))]
    expect(verifyInclusion(leaf, Number(text(parameters, 'index')), size, root, proof(inclusion))).toBe(true)
    const [later, laterRoot] = [Number(text(newest, 'size')), bytes(text(newest, 'root'))]
    expect(verifyConsistency(size, root, later, laterRoot, proof(newest))).toBe(true)
    // The head is what the event of that transaction says.
    const { port } = JSON.parse(await readFile(join(data, 'chain', 'chain.json'), 'utf8')) as { port: number }
    const response = await fetch(`http://127.0.0.1:${port}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'eth_getTransactionReceipt',
        params: [text(inclusion, 'transaction')],
      }),
    })
    const { result } = (await response.json()) as { result: { logs: { address: string; data: string }[] } }
    const [log] = result.logs
    expect(log?.address).toBe(text(inclusion, 'contract'))
    expect(log?.data).toBe(`0x${size.toString(16).padStart(64, '0')}${root.toString('hex')}`)

    expect((await ask(ehr, 'GET', `AuditEvent/${event.id}/$verify`)).status).toBe(403)
    expect((await ask(auditor, 'GET', 'AuditEvent/nobody/$verify')).status).toBe(404)
    const events = await trail()
    expect(events.filter((each) => JSON.stringify(each['subtype']).includes('"verify"')).length).toBeGreaterThan(2)
  })
})

describe('npm run fsck', () => {
  const check = async (directory: string): Promise<{ code: number; out: string; err: string }> =>
    run(directory, 'cli/fsck.js')

  it('says what to do while the gateway runs, finds nothing afterwards, and then each tampering', async () => {
    const running = await check(data)
    expect(running.code).toBe(2)
    expect(running.err).toContain('Stop it (Ctrl-C) and run fsck again')
    expect(await end(gateway.child, 'SIGTERM')).toEqual([0, null])
    const clean = await check(data)
    expect(clean.out).toMatch(/Clean\.\n$/)
    expect(clean.code).toBe(0)

    const other = await mkdtemp(join(tmpdir(), 'consentry-tampered-'))
    await cp(data, other, { recursive: true })
    const name = await tamperRow(join(other, 'pglite'))
    await tamperBlock(join(other, 'blocks'))
    const spoiled = await check(other)
    await rm(other, { recursive: true, force: true })
    expect(spoiled.code).toBe(1)
    expect(spoiled.out).toContain(`(${name})`)
    expect(spoiled.out).toMatch(/BAD trail/)
    expect(spoiled.out).toMatch(/BAD (records|segments|anchors)/)
    expect(spoiled.out).toMatch(/\d+ findings, 0 checks not finished\./)

    expect((await check(join(data, 'nothing'))).err).toContain('No gateway has kept data in')
  })

  async function tamperRow(directory: string): Promise<string> {
    const pglite = await startPglite(directory)
    const database = await openDatabase({ driver: pglite.driver })
    const { rows } = await database.query<{ name: string }>(
      `UPDATE resource_version v SET body = set_byte(body, 200, get_byte(body, 200) # 1) FROM resource r
       WHERE r.pk = v.resource_pk AND r.pk = (SELECT min(resource_pk) FROM audit_leaf)
       RETURNING r.type || '/' || r.id AS name`,
    )
    await database.close()
    await pglite.close()
    return (rows[0] as { name: string }).name
  }

  /** One byte in the middle of the largest file of the store. */
  async function tamperBlock(directory: string): Promise<void> {
    const files = await Promise.all(
      (await readdir(directory)).map(async (file) => ({ file, bytes: await readFile(join(directory, file)) })),
    )
    const { file, bytes } = files.sort((a, b) => b.bytes.length - a.bytes.length)[0] as (typeof files)[number]
    const at = Math.floor(bytes.length / 2)
    bytes[at] = (bytes[at] as number) ^ 1
    await writeFile(join(directory, file), bytes)
  }
})
