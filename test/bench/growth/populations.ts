import { type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bearer } from '../../e2e/writing-client.js'
import { end, startGateway } from '../../support/gateway.js'
import { administer } from '../../support/own-database.js'
import { bundleOf, type Person, type Template } from './bundles.js'

/** A gateway that holds so many resources. */
export interface Population {
  readonly size: number
  readonly people: readonly Person[]
  readonly url: string
  /** A fresh one is asked for whenever the last is older than two minutes. */
  readonly token: () => Promise<string>
  /** Of the gateway and of its sessions in the database, where that is on this machine. */
  readonly processes: () => Promise<number[]>
}

interface Kept {
  readonly size: number
  readonly directory: string
  readonly database: string | null
  readonly resources: number
  readonly people: readonly Person[]
}

const CLIENTS = 4

/**
 * Gateways of growing size. The smallest is loaded by transactions over HTTP, everything on; copies of its directory and its database
 * grow into the next. With a folder to keep them in they are there again in the next run.
 */
export class Populations {
  readonly #children: ChildProcess[] = []
  readonly #databases: string[] = []
  readonly #root: string

  constructor(
    private readonly templates: readonly Template[],
    private readonly server: string | null,
    private readonly keptIn: string | null,
  ) {
    this.#root = keptIn ?? mkdtempSync(join(tmpdir(), 'consentry-growth-'))
    mkdirSync(this.#root, { recursive: true })
  }

  async open(sizes: readonly number[]): Promise<Population[]> {
    let before: Kept | null = null
    const made: Kept[] = []
    for (const size of sizes.toSorted((a, b) => a - b)) {
      before = this.#kept(size) ?? (await this.#grown(size, before))
      made.push(before)
    }
    const populations: Population[] = []
    for (const each of made) populations.push(await this.#started(each))
    return populations
  }

  async close(): Promise<void> {
    for (const child of this.#children) await end(child, 'SIGTERM')
    if (this.keptIn !== null) return
    for (const database of this.#databases) {
      await administer(this.server as string, `DROP DATABASE ${database} WITH (FORCE)`)
    }
    rmSync(this.#root, { recursive: true, force: true })
  }

  #manifest(size: number): string {
    return join(this.#root, `${this.server === null ? 'pglite' : 'postgresql'}-${size}.json`)
  }

  #kept(size: number): Kept | null {
    const path = this.#manifest(size)
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Kept) : null
  }

  async #grown(size: number, before: Kept | null): Promise<Kept> {
    const directory = join(this.#root, `${this.server === null ? 'pglite' : 'postgresql'}-${size}`)
    const database = this.server === null ? null : `consentry_growth_${randomBytes(6).toString('hex')}`
    if (before !== null) cpSync(before.directory, directory, { recursive: true })
    if (this.server !== null) {
      const from = before === null ? '' : ` TEMPLATE ${before.database} STRATEGY file_copy`
      await administer(this.server, `CREATE DATABASE ${database}${from}`)
      this.#databases.push(database as string)
    }
    const gateway = await this.#gateway({ directory, database })
    const people = [...(before?.people ?? [])]
    let resources = before?.resources ?? 0
    const started = performance.now()
    const had = resources
    let next = people.length
    let told = 0
    const client = async (): Promise<void> => {
      while (resources < size) {
        const copy = next++
        const at = copy % this.templates.length
        const template = this.templates[at] as Template
        resources += template.resources
        const found = await load(gateway.url, await gateway.token(), bundleOf(template, copy))
        people[copy] = { template: at, copy, ...found }
        if (Math.floor(resources / 50_000) > told) {
          told = Math.floor(resources / 50_000)
          console.log(`${resources} resources after ${((performance.now() - started) / 1000).toFixed(0)} s`)
        }
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
    const seconds = (performance.now() - started) / 1000
    console.log(`${resources} resources: ${Math.round((resources - had) / seconds)}/s loaded`)
    if (database !== null) await this.#settled(database)
    await end(gateway.child, 'SIGTERM')
    const kept: Kept = { size, directory, database, resources, people }
    writeFileSync(this.#manifest(size), JSON.stringify(kept))
    return kept
  }

  async #started(kept: Kept): Promise<Population> {
    const { child, url, token } = await this.#gateway(kept)
    const processes = async (): Promise<number[]> => [child.pid as number, ...(await this.#sessions(kept.database))]
    return { size: kept.size, people: kept.people, url, token, processes }
  }

  async #sessions(database: string | null): Promise<number[]> {
    if (database === null) return []
    const own = `SELECT pid FROM pg_stat_activity WHERE datname = '${database}' AND application_name = 'consentry'`
    return (await administer(this.server as string, own)).map(({ pid }) => pid as number)
  }

  async #gateway({ directory, database }: Pick<Kept, 'directory' | 'database'>) {
    const extra: Record<string, string> = {
      EMBEDDED_PROXIES: '0',
      RATE_PER_SECOND: '100000',
      RATE_BURST: '100000',
      ...(database === null ? {} : { DATABASE_URL: urlOf(this.server as string, database) }),
    }
    const { child, fhir } = await startGateway(directory, extra)
    this.#children.push(child)
    let [held, at] = ['', -Infinity]
    const token = async (): Promise<string> => {
      if (performance.now() - at > 120_000) {
        at = performance.now()
        held = await bearer(directory, fhir)
      }
      return held
    }
    await token()
    await ready(new URL('/health/ready', fhir))
    return { child, url: fhir, token }
  }

  /** Waits until everything is anchored, and does at once what autovacuum would in its time. */
  async #settled(database: string): Promise<void> {
    const url = urlOf(this.server as string, database)
    for (let waited = 0; waited < 600; waited += 2) {
      const [row] = await administer(url, 'SELECT count(*)::int AS waiting FROM unanchored')
      if (row?.['waiting'] === 0) break
      await new Promise((resolve) => setTimeout(resolve, 2000))
    }
    await administer(url, 'VACUUM (ANALYZE)')
  }
}

async function load(url: string, token: string, body: string): Promise<{ patient: string; observation: string }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json', prefer: 'return=minimal' },
    body,
  })
  const answer = await response.text()
  const id = (type: string): string =>
    new RegExp(`"location":"[^"]*?${type}/([^/"]+)`).exec(answer)?.[1] ?? refuse(response.status, answer)
  return { patient: id('Patient'), observation: id('Observation') }
}

/** It serves before it has heard of the ledger, and answers 503 until then. */
async function ready(url: URL): Promise<void> {
  while (!(await fetch(url)).ok) await new Promise((resolve) => setTimeout(resolve, 500))
}

function refuse(status: number, answer: string): never {
  throw new Error(`A transaction was answered with ${status}: ${answer.slice(0, 500)}`)
}

function urlOf(server: string, database: string): string {
  const url = new URL(server)
  url.pathname = `/${database}`
  return url.href
}
