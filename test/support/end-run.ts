import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/*
 * What is left of a run of vitest. The same file is what a run calls when it ends, and the process that waits for a run that cannot any more
 * because it was killed. It imports packages only and uses erasable types only, because Node starts it from source, without a loader.
 */
export interface Run {
  readonly name: string
  /** The directory that all others of the run are in. */
  readonly directory: string
  /** Of templates. */
  readonly cache: string
  /** URL of the server for tests, where there is one. */
  readonly server?: string
}

export const templatesOf = (run: string): string => `gateway-${run}`
export const databasesOf = (run: string): string => `consentry_run_${run}_`

const PATIENCE_MS = 10_000
const GATEWAY = /\/src\/main\.js$/

export async function endRun(run: Run): Promise<void> {
  await endProcesses(run.directory)
  rmSync(run.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  for (const name of existsSync(run.cache) ? readdirSync(run.cache) : []) {
    if (name.startsWith(`${templatesOf(run.name)}-`)) rmSync(join(run.cache, name), { recursive: true, force: true })
  }
  if (run.server !== undefined) await dropDatabases(run.server, databasesOf(run.name))
}

/** Gateways end their chain and proxies, if they may; what then still has its data in the directory is ended. */
async function endProcesses(directory: string): Promise<void> {
  const left = (): Process[] => processesOf(directory)
  const gateways = (): Process[] => left().filter(({ command }) => GATEWAY.test(command))
  for (const { pid } of gateways()) signal(pid, 'SIGTERM')
  for (const from = Date.now(); gateways().length > 0 && Date.now() - from < PATIENCE_MS;) await sleep(50)
  for (const { pid } of left()) signal(pid, 'SIGKILL')
}

interface Process {
  readonly pid: number
  /** The last word of its command line. */
  readonly command: string
}

/** By their environment: ids of processes that somebody wrote down may be another's by now. */
function processesOf(directory: string): Process[] {
  const data = `\0CONSENTRY_DATA=${directory}/`
  const found = existsSync('/proc') ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : []
  return found.flatMap((pid) => {
    try {
      if (!`\0${readFileSync(`/proc/${pid}/environ`, 'utf8')}`.includes(data)) return []
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return [{ pid: Number(pid), command: words.findLast((word) => word !== '') ?? '' }]
    } catch {
      return []
    }
  })
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended by itself.
  }
}

async function dropDatabases(server: string, prefix: string): Promise<void> {
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  try {
    const named = 'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)'
    const { rows } = await client.query<{ name: string }>(named, [prefix])
    for (const { name } of rows) await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  } finally {
    await client.end()
  }
}

if (import.meta.main) {
  const run = JSON.parse(process.argv[2] as string) as Run
  process.stdin.resume()
  // Whoever holds the other end has gone.
  await new Promise((gone) => process.stdin.once('close', gone))
  await endRun(run)
}
