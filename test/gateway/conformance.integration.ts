import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Profiles } from '../../src/fhir/profiles.js'
import type { Resource, ValidResource } from '../../src/fhir/types.js'
import { Conformance } from '../../src/gateway/conformance.js'
import { RemoteTerminology } from '../../src/gateway/remote-terminology.js'

/** A terminology server of our own, over HTTP, that answers as each test says. */
let server: Server
let url: string
let answer: (code: string) => { status: number; body: string } | null
let asked: { url: string; code: string }[]
let now: number
let problems: unknown[]

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { parameter } = JSON.parse(Buffer.concat(chunks).toString()) as {
        parameter: { name: string; valueCode?: string }[]
      }
      const code = parameter.find(({ name }) => name === 'code')?.valueCode ?? ''
      asked.push({ url: request.url ?? '', code })
      const said = answer(code)
      if (said !== null) response.writeHead(said.status, { 'content-type': 'application/fhir+json' }).end(said.body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  url = typeof address === 'object' ? `http://127.0.0.1:${address?.port}/r4` : ''
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

beforeEach(() => {
  asked = []
  problems = []
  now = 1_000_000
})

const result = (value: boolean, ...more: object[]) => ({
  status: 200,
  body: JSON.stringify({ resourceType: 'Parameters', parameter: [{ name: 'result', valueBoolean: value }, ...more] }),
})

const profile: Resource = {
  resourceType: 'StructureDefinition',
  url: 'http://a.org/p',
  type: 'Observation',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Observation',
  differential: {
    element: [
      { id: 'Observation', path: 'Observation' },
      {
        id: 'Observation.code',
        path: 'Observation.code',
        binding: { strength: 'required', valueSet: 'http://a.org/vs|1' },
      },
    ],
  },
}
const observation = (code: string): ValidResource =>
  ({
    resourceType: 'Observation',
    meta: { profile: ['http://a.org/p'] },
    status: 'final',
    code: { coding: [{ system: 'http://snomed.info/sct', code }] },
  }) as unknown as ValidResource

function conformance(timeoutMs = 2_000): Conformance {
  const onProblem = (error: unknown) => problems.push(error)
  return new Conformance(
    new Profiles([profile]),
    new RemoteTerminology({ url, timeoutMs, onProblem, clock: () => now }),
  )
}

async function said(by: Conformance, code: string): Promise<string[]> {
  const issues = await by.judge(observation(code), { warnings: true })
  return issues.map(({ severity, diagnostics }) => `${severity} ${diagnostics}`)
}

const REFUSED = ['error Observation.code: must be a code of http://a.org/vs|1.']
const UNKNOWN = ['information Observation.code: whether this is a code of http://a.org/vs|1 could not be checked.']

describe('a terminology server', () => {
  it('decides what is not here, and is asked once of each code', async () => {
    answer = (code) => result(code === 'good')
    const judge = conformance()
    expect(await said(judge, 'good')).toEqual([])
    expect(await said(judge, 'bad')).toEqual(REFUSED)
    expect(await said(judge, 'bad')).toEqual(REFUSED)
    // no code in a URL, where others would log it
    expect(asked).toEqual([
      { url: '/r4/ValueSet/$validate-code', code: 'good' },
      { url: '/r4/ValueSet/$validate-code', code: 'bad' },
    ])
    now += 3_600_001
    await said(judge, 'bad')
    expect(asked).toHaveLength(3)
  })

  it.each<[string, () => ReturnType<typeof answer>]>([
    ['is slow', () => null],
    ['is broken', () => ({ status: 500, body: '' })],
    ['talks nonsense', () => ({ status: 200, body: '{"resourceType":"Patient"}' })],
    ['never ends', () => ({ status: 200, body: 'x'.repeat(100_000) })],
    ['does not know the value set', () => ({ status: 404, body: '{}' })],
    ['does not know the code system', () => result(false, { name: 'x-unknown-system', valueCanonical: 'x' })],
  ])('that %s leaves the code unknown: neither valid nor refused', async (_, how) => {
    answer = how
    expect(await said(conformance(100), 'x')).toEqual(UNKNOWN)
  })

  it('that fails is left alone for a while, so that nobody waits for it', async () => {
    answer = () => ({ status: 503, body: '' })
    const judge = conformance()
    await said(judge, 'a')
    expect(await said(judge, 'b')).toEqual(UNKNOWN)
    expect([asked.length, problems.length]).toEqual([1, 1])
    answer = () => result(true)
    now += 30_001
    expect(await said(judge, 'b')).toEqual([])
  })
})

it('without a terminology server what is unknown is said to be unknown, and refuses no write', async () => {
  const judge = new Conformance(new Profiles([profile]), null)
  expect(await said(judge, 'x')).toEqual(UNKNOWN)
  expect(await judge.judge(observation('x'))).toEqual([])
})
