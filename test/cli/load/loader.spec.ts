import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { exportJWK, generateKeyPair } from 'jose'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { GatewayClient } from '../../../src/cli/load/gateway-client.js'
import { Journal } from '../../../src/cli/load/journal.js'
import { Loader } from '../../../src/cli/load/loader.js'
import { summary } from '../../../src/cli/load/refusals.js'
import { findSources } from '../../../src/cli/load/sources.js'

/** What a gateway does with the next POSTs: carries out and answers, or fails in one of the ways that it can. */
type Fate = 'ok' | 'lost' | 'lost after' | 'busy' | 'busy after' | 'refused'

let directory: string
let server: ReturnType<typeof createServer>
let fates: Fate[]
/** Tags of what was carried out, in order. */
let carriedOut: string[]
let tokens: number
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'consentry-load-'))
  ;[fates, carriedOut, tokens] = [[], [], 0]
  server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  announce(1)
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
  rmSync(directory, { recursive: true })
})

const origin = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const announce = (pid: number) =>
  writeFileSync(join(directory, 'running.json'), JSON.stringify({ fhirUrl: origin(), pid }))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', origin())
  const json = (status: number, body: object, headers = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  if (url.pathname.endsWith('smart-configuration')) return void json(200, { token_endpoint: `${origin()}/token` })
  if (url.pathname === '/token') return void json(200, { access_token: `t${++tokens}`, expires_in: 300 })
  if (url.pathname === '/metadata') return void json(200, {})
  if (request.method === 'GET') {
    const code = (url.searchParams.get('_tag') ?? '').split('|')[1] as string
    return void json(200, { total: carriedOut.filter((done) => done === code).length })
  }
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const fate = fates.shift() ?? 'ok'
  if (fate === 'ok' || fate.endsWith('after'))
    carriedOut.push(/"code":"([0-9a-f]{64})"/.exec(Buffer.concat(parts).toString())?.[1] as string)
  if (fate.startsWith('lost')) {
    // A gateway that died comes back as another process.
    announce(2)
    return void request.socket.destroy()
  }
  if (fate.startsWith('busy')) return void json(503, { resourceType: 'OperationOutcome' }, { 'retry-after': '1' })
  if (fate === 'refused') {
    const issue = [
      {
        severity: 'error',
        code: 'value',
        diagnostics: 'Wrong gender.',
        expression: ['Bundle.entry[0].resource.gender'],
      },
    ]
    return void json(422, { resourceType: 'OperationOutcome', issue })
  }
  json(200, { resourceType: 'Bundle', entry: [{ response: { status: '201', location: 'Patient/1/_history/1' } }] })
}

async function load(parallel = 1) {
  const pair = await generateKeyPair('ES384', { extractable: true })
  const client = new GatewayClient({
    url: undefined,
    dataDirectory: directory,
    client: { id: 'ehr', scopes: 'system/*.cruds', privateKey: await exportJWK(pair.privateKey) },
    patienceMs: 20_000,
  })
  const journal = await Journal.open(join(directory, 'state.jsonl'))
  const loader = new Loader(client, journal, { parallel, patienceMs: 20_000 })
  await loader.load(await findSources([join(directory, 'in')]))
  await journal.close()
  return loader
}

function write(count: number): void {
  rmSync(join(directory, 'in'), { recursive: true, force: true })
  for (let i = 0; i < count; i++) {
    const entry = [
      { resource: { resourceType: 'Patient', multipleBirthInteger: i }, request: { method: 'POST', url: 'Patient' } },
    ]
    const text = JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry })
    const [name, bytes] = i % 2 === 0 ? [`${i}.json`, text] : [`${i}.json.gz`, gzipSync(text)]
    mkdirSync(join(directory, 'in'), { recursive: true })
    writeFileSync(join(directory, 'in', name), bytes)
  }
}

it('carries out each Bundle once, and a second run sends nothing', async () => {
  write(5)
  expect((await load(3)).tally).toMatchObject({ resources: 5, refused: 0, unitsDone: 5, units: 5 })
  expect(new Set(carriedOut).size).toBe(5)
  expect((await load()).tally).toMatchObject({ resources: 0, skipped: 5 })
  expect(carriedOut.length).toBe(5)
  expect(tokens).toBe(1)
})

it.each<Fate>(['lost', 'lost after', 'busy', 'busy after'])(
  'carries out a Bundle once when the answer is "%s"',
  async (fate) => {
    write(2)
    fates = [fate]
    const { tally, refusals } = await load()
    expect(tally).toMatchObject({ resources: 2, refused: 0 })
    expect(refusals).toEqual([])
    expect(carriedOut.length).toBe(2)
    expect(new Set(carriedOut).size).toBe(2)
  },
)

it('looks for a Bundle that an earlier run had sent when it was killed', async () => {
  write(1)
  await load()
  const [key] = carriedOut
  // Killed after sending, before the answer.
  writeFileSync(
    join(directory, 'state.jsonl'),
    `${JSON.stringify({ key, state: 'sent', at: Date.now(), pid: 9 })}\n{"key":"x`,
  )
  expect((await load()).tally).toMatchObject({ resources: 1, refused: 0 })
  expect(carriedOut.length).toBe(1)
  carriedOut = []
  writeFileSync(join(directory, 'state.jsonl'), JSON.stringify({ key, state: 'sent', at: Date.now(), pid: 9 }))
  await load()
  expect(carriedOut).toEqual([key])
})

it('loads what is sound of lines that it put together, and names each that is not, again in the next run', async () => {
  mkdirSync(join(directory, 'in'))
  const lines = ['a', 'b', 'c'].map((id) => JSON.stringify({ resourceType: 'Patient', id, active: id !== 'b' }))
  writeFileSync(join(directory, 'in', 'x.ndjson'), lines.join('\n'))
  // the three together, then a, b and c
  fates = ['refused', 'ok', 'refused', 'ok']
  const { tally, refusals } = await load()
  expect(tally).toMatchObject({ resources: 2, refused: 1, units: 1, unitsDone: 1 })
  expect(refusals.map(({ file }) => file)).toEqual([join(directory, 'in', 'x.ndjson (Patient/b)')])
  expect(carriedOut.length).toBe(2)
  fates = ['refused', 'ok']
  expect((await load()).tally).toMatchObject({ resources: 1, refused: 0, skipped: 2 })
  expect([carriedOut.length, fates]).toEqual([3, []])
})

it('says what was refused, how often, why and where, and tries it again the next time', async () => {
  write(3)
  fates = ['refused', 'refused']
  const { tally, refusals } = await load()
  expect(tally).toMatchObject({ resources: 1, refused: 2 })
  expect(summary(refusals)).toBe(
    `2 × 422: Wrong gender. at Bundle.entry[0].resource.gender\n    in ${join(directory, 'in', '0.json')} and 1 more`,
  )
  expect((await load()).tally).toMatchObject({ resources: 2, skipped: 1, refused: 0 })
})
