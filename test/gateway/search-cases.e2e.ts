import { readFileSync } from 'node:fs'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requestToken } from '../../src/cli/access-token.js'
import { entityKeys } from '../../src/embedded/entity-keys.js'
import { Keystore } from '../../src/vault/keystore.js'
import { makeClient } from '../support/clients.js'
import { end, type RunningProcess, startGateway, tokenOf } from '../support/gateway.js'
import { preparedGateway } from '../support/prepared-data.js'
import { hasSharedData, listShared, readShared, SHARED_DATA } from '../support/shared-data.js'

/*
 * The search cases of two servers through HTTP: compartments, chains, _has, _include and _sort too. A row that is answered otherwise stands here
 * with the sentence of R4, or with what of it is not a matter of the search.
 */
const CONTAINS =
  'eq: "the range of the search value fully contains the range of the target value"; that server takes overlap'
const SYNTAX = '"Where the content of the parameter is syntactically incorrect, servers SHOULD return an error"'
const NO_PIPE = 'ContactPoint: "the presence of the pipe symbol SHALL NOT be used"'
const OTHERWISE: ReadonlyMap<string, string> = new Map([
  ['date=1980-01', CONTAINS],
  ['date=1980-05-11', CONTAINS],
  ['date=1980-05-11T16:32:15', CONTAINS],
  ['date=1980-05-11T16:32:15.500', CONTAINS],
  ['date=1980-05-11T16:32:15.5000001', CONTAINS],
  ['date=!', SYNTAX],
  ['date=1973-02-30', SYNTAX],
  ['telecom=phone|(03) 5555 6473', NO_PIPE],
  ['telecom=|(03) 5555 6473', NO_PIPE],
  ['telecom=phone|', NO_PIPE],
  ['active:missing=true', 'that server counts a Patient of a transaction which is not among the fixtures loaded here'],
])

interface Row {
  readonly path: string
  readonly query: string
  readonly expected: string
  readonly entries: string
  readonly caller: string
}

function rows(...path: string[]): string[][] {
  if (!hasSharedData) return []
  return readFileSync(join(SHARED_DATA, ...path), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t').map((column) => column.trim()))
}

interface Fixture {
  resourceType: string
  id: string
}

describe.skipIf(!hasSharedData)('search cases over HTTP (../shared/data is needed)', () => {
  let data: string
  let gateway: RunningProcess
  const tokens: Record<string, string> = {}

  beforeAll(async () => {
    data = await preparedGateway('consentry-search-cases-')
    const own = join(data, 'packages', 'candle')
    await mkdir(own, { recursive: true })
    await writeFile(join(own, 'package.json'), '{"name":"candle","version":"1.0.0"}')
    for (const name of ['multiplebirth', 'name-use']) {
      const file = `searchparameter-patient-${name}.json`
      await copyFile(join(SHARED_DATA, 'search-cases-candle', 'data-r4', file), join(own, file))
    }
    gateway = await startGateway(data, { EMBEDDED_PROXIES: '0', FHIR_PACKAGES: join(data, 'packages') })
    tokens[''] = await tokenOf(data, 'ehr')
    await launch({ PatientExampleFull: 'example', PatientDoesNotExistFull: 'a-patient-that-does-not-exist' })
  }, 120_000)
  afterAll(async () => {
    if (gateway) await end(gateway.child, 'SIGTERM')
    await rm(data, { recursive: true, force: true })
  })

  /** Applications of one patient each, of this hospital, with `patient/*.cruds`: what the launch contexts of the cases say. */
  async function launch(patients: Readonly<Record<string, string>>): Promise<void> {
    const passphrase = (await readFile(join(data, 'passphrase'), 'utf8')).trim()
    const { id: entity } = await entityKeys(await Keystore.open(join(data, 'keystore.json'), passphrase))
    const clients = await Promise.all(
      Object.entries(patients).map(([id, patient]) =>
        makeClient(id, { entity, patient, role: 'patient', scopes: 'patient/*.cruds' }),
      ),
    )
    await writeFile(join(data, 'clients.json'), JSON.stringify(clients.map(({ registration }) => registration)))
    for (const { registration, privateKey } of clients) {
      const asked = { baseUrl: gateway.fhir, clientId: registration.id, privateKey, scope: registration.scopes }
      tokens[registration.id] = (await requestToken(asked)).accessToken
    }
  }

  async function ask(method: string, path: string, body?: unknown, as = '') {
    const response = await fetch(`${gateway.fhir}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${tokens[as]}`,
        'content-type': path === '/$graphql' ? 'application/json' : 'application/fhir+json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const parsed = text.startsWith('{') ? JSON.parse(text) : undefined
    return { status: response.status, text, body: parsed as Answer }
  }

  interface Answer {
    readonly total?: number
    readonly entry?: readonly { readonly resource: Fixture; readonly search: { readonly mode: string } }[]
  }

  /** Patients whom nobody here knows have no consent to ask, so such records are refused: they are loaded without their patient. */
  const withoutStrangers = (fixture: Fixture): Fixture => {
    const text = JSON.stringify(fixture)
    const { subject: _, performer: __, ...rest } = fixture as Fixture & { subject?: unknown; performer?: unknown }
    return /PatientId-/.test(text) ? rest : fixture
  }

  /** One after the other, Patients first; returns what was refused. */
  async function load(fixtures: readonly Fixture[]): Promise<string[]> {
    const refused: string[] = []
    const patientsFirst = fixtures.toSorted(
      (a, b) => Number(b.resourceType === 'Patient') - Number(a.resourceType === 'Patient'),
    )
    for (const fixture of patientsFirst) {
      const { status, text } = await ask('PUT', `/${fixture.resourceType}/${fixture.id}`, fixture)
      if (status >= 300) refused.push(`${fixture.resourceType}/${fixture.id}: ${status} ${text.slice(0, 300)}`)
    }
    return refused
  }

  it('of candle count what is expected, or are listed', async () => {
    const fixtures = listShared('search-cases-candle', 'data-r4')
      .filter((name) => /^(?:Observation|patient)-.*\.json$/.test(name))
      .map((name) => readShared('search-cases-candle', 'data-r4', name) as unknown as Fixture)
    expect(await load(fixtures.map(withoutStrangers))).toEqual([])
    const cases = rows('search-cases-candle', 'search-cases.tsv').map(
      ([path = '', caller = '', query = '', expected = '', entries = '']): Row => ({
        path,
        caller,
        query,
        expected,
        entries,
      }),
    )
    const differing: string[] = []
    let asked = 0
    for (const { path, query, expected, entries, caller } of cases) {
      const { status, text, body } = await ask('GET', `/${path}?${query}&_count=1000`, undefined, caller)
      asked++
      const found = (body?.entry ?? []).filter(({ search }) => search.mode === 'match')
      const all = (body?.entry ?? []).length
      const good =
        status === 200 &&
        (expected === 'ordered' ? found.length > 1 : String(body.total) === expected) &&
        (entries === '' || String(all) === entries)
      if (!good && !OTHERWISE.has(query))
        differing.push(
          `${caller} ${path}?${query}: ${status === 200 ? `${body.total}, not ${expected}` : text.slice(0, 400)}`,
        )
    }
    expect(differing).toEqual([])
    expect(asked).toBe(cases.length)
    expect(new Set(cases.map(({ caller }) => caller)).size).toBe(3)
  }, 300_000)

  it('of candle for one patient reach nothing of anybody else, there or not, by no other way', async () => {
    const as = 'PatientExampleFull'
    const other = await ask('GET', '/Patient/pat1', undefined, as)
    expect(other.status).toBe(403)
    expect((await ask('GET', '/Patient/nowhere', undefined, as)).text).toBe(other.text)
    expect((await ask('GET', '/Patient/example', undefined, as)).status).toBe(200)
    const everybody = await ask('GET', '/Patient/$everything?_type=Patient', undefined, as)
    expect(everybody.body.entry?.map(({ resource }) => resource.id)).toEqual(['example'])
    const { text } = await ask('POST', '/$graphql', { query: '{ PatientList { id } }' }, as)
    expect(text).toContain('"example"')
    expect(text.match(/"id"/g)).toHaveLength(1)
    expect((await ask('PUT', '/Patient/pat1', { resourceType: 'Patient', id: 'pat1' }, as)).status).toBe(403)
    expect((await ask('POST', '/Basic', { resourceType: 'Basic', code: { text: 'x' } }, as)).status).toBe(403)
  })

  it('of Microsoft find what is expected, or are listed', async () => {
    const fixtures = readFileSync(join(SHARED_DATA, 'search-cases-microsoft', 'fixtures.ndjson'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Fixture)
    // the patient of the RiskAssessments is not among the fixtures
    const refused = await load([{ resourceType: 'Patient', id: '123' }, ...fixtures])
    const differing: string[] = [...refused]
    let otherwise = 0
    for (const [, type = '', query = '', expected = ''] of rows('search-cases-microsoft', 'search-cases.tsv')) {
      const encoded = query.replace(/[^\w=&:,.|$()!*/-]/g, encodeURIComponent)
      const { status, text, body } = await ask('GET', `/${type}?${encoded}&_count=1000`)
      const found = (body?.entry ?? []).map(({ resource }) => resource.id).sort()
      if (status === 200 && found.join(' ') === expected.split(' ').sort().join(' ')) continue
      const own = /^_tag=[\w-]+&(.*)$/.exec(query)?.[1] ?? query
      if (OTHERWISE.has(own)) otherwise++
      else
        differing.push(
          `${type}?${query}: ${status === 200 ? `${found.join(' ')}, not ${expected}` : text.slice(0, 300)}`,
        )
    }
    expect(differing).toEqual([])
    expect(otherwise).toBeLessThanOrEqual(OTHERWISE.size)
  }, 300_000)
})
