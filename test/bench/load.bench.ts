/**
 * `npm run bench -- test/bench/load.bench.ts`: resources per second of Synthea transactions over HTTP with four clients, into
 * the gateway as it is, into the same with sealing, audit and consent left out by its wiring, and into
 * `@medplum/fhir-router` with a repository in memory. All of them run at once and are asked in turns, round by round, so
 * the ratios hold on a machine that others use too. On PGlite; with DATABASE_URL on that PostgreSQL as well.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, it } from 'vitest'
import { stringify } from '../../src/fhir/json.js'
import { end, startGateway } from '../support/gateway.js'
import { ownDatabase, SERVER } from '../support/own-database.js'
import { hasSharedData, listShared, readShared } from '../support/shared-data.js'
import { bearer } from '../e2e/writing-client.js'
import { startScript } from './load/script.js'

const SET = 'synthea/2019-smart'
const CLIENTS = 4
const WARM_UP = 2
const ROUNDS = 9
const BUNDLES = 8

interface Target {
  readonly name: string
  readonly url: string
  readonly headers: Record<string, string>
}

const children: ChildProcess[] = []
const directories: string[] = []
afterAll(async () => {
  for (const child of children) await end(child, 'SIGTERM')
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

describe.skipIf(!hasSharedData)('load', () => {
  it('on PGlite', async () => compare('PGlite', false), 900_000)
  it.skipIf(SERVER === undefined)('on PostgreSQL', async () => compare('PostgreSQL', true), 900_000)
})

async function compare(engine: string, onServer: boolean): Promise<void> {
  const targets = [await whole(onServer), await bare(onServer), await peer()]
  const bundles = transactions((WARM_UP + ROUNDS) * BUNDLES)
  // A server that runs has its code compiled: for the first 4,000 resources or so the compilers take a third of the processors.
  for (const target of targets) await rate(target, bundles.slice(0, WARM_UP * BUNDLES))
  const rates = targets.map((): number[] => [])
  for (let round = 0; round < ROUNDS; round++) {
    const own = bundles.slice((WARM_UP + round) * BUNDLES, (WARM_UP + round + 1) * BUNDLES)
    for (const [i, target] of targets.entries()) rates[i]?.push(await rate(target, own))
  }
  const [all = [], less = [], other = []] = rates
  for (const [i, { name }] of targets.entries())
    console.log(`${engine}: ${name}: ${Math.round(median(rates[i] ?? []))} resources/s`)
  console.log(
    `${engine}: ratio to bare wiring ${ratio(all, less)} (target 0.6), to fhir-router in memory ${ratio(all, other)} (target 0.5)`,
  )
  for (const child of children.splice(0)) await end(child, 'SIGTERM')
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN
const ratio = (ours: readonly number[], theirs: readonly number[]): string =>
  median(ours.map((value, i) => value / (theirs[i] ?? NaN))).toFixed(2)

async function whole(onServer: boolean): Promise<Target> {
  const data = directory()
  const extra = { EMBEDDED_PROXIES: '0', ...(onServer ? { DATABASE_URL: await ownDatabase() } : {}) }
  const { child, fhir } = await startGateway(data, extra)
  children.push(child)
  const token = await bearer(data, fhir)
  return { name: 'the gateway', url: fhir, headers: { authorization: `Bearer ${token}` } }
}

async function bare(onServer: boolean): Promise<Target> {
  const url = onServer ? [await ownDatabase()] : []
  return {
    name: 'without sealing, audit, consent',
    url: await script('bare-gateway.ts', directory(), ...url),
    headers: {},
  }
}

async function peer(): Promise<Target> {
  return { name: 'fhir-router in memory', url: await script('peer.ts'), headers: {} }
}

async function script(name: string, ...args: string[]): Promise<string> {
  const { url, child } = await startScript(name, ...args)
  children.push(child)
  return url
}

interface Transaction {
  readonly body: string
  readonly resources: number
}

function transactions(count: number): Transaction[] {
  const files = listShared(SET).filter((name) => !/^(hospital|practitioner)/.test(name))
  return Array.from({ length: count }, (_, i) => {
    const bundle = readShared(SET, files[i % files.length] as string)
    return { body: stringify(bundle), resources: (bundle['entry'] as unknown[]).length }
  })
}

/** Resources per second. */
async function rate({ url, headers }: Target, bundles: readonly Transaction[]): Promise<number> {
  const queue = bundles.values()
  const started = performance.now()
  const client = async () => {
    for (const { body, resources } of queue) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/fhir+json' },
        body,
      })
      const answer = await response.text()
      const statuses = answer.match(/"status":"\d+/g) ?? []
      if (!response.ok || statuses.length !== resources || !statuses.every((status) => status.endsWith('"201'))) {
        throw new Error(`${url} answered ${response.status}: ${answer.slice(0, 500)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  const resources = bundles.reduce((sum, one) => sum + one.resources, 0)
  return (resources / (performance.now() - started)) * 1000
}

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'consentry-load-'))
  directories.push(made)
  return made
}
