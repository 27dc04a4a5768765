import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { requestToken } from '../../src/cli/access-token.js'
import { type DemoClient, demoClientFile } from '../../src/embedded/demo-clients.js'
import { RUNNING_FILE, type RunningGateway } from '../../src/embedded/running.js'
import { built } from './built.js'

/** The compiled gateway as a process of its own, everything embedded, on any free port. */
export interface RunningProcess {
  readonly child: ChildProcess
  /** Its ready line. */
  readonly line: string
  readonly fhir: string
  /** What it has written since it was ready, standard output and error together. */
  readonly output: () => string
}

/** A gateway compiles some 2,000 modules when it starts: a fifth of what that costs. */
const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/consentry/compiled', import.meta.url))

/** In a data directory: the URL of the database that belongs to it. */
export const DATABASE_FILE = 'database-of-test'

/** URL of the database of a data directory; `undefined`: it is in there. */
export function databaseOf(data: string): string | undefined {
  const file = join(data, DATABASE_FILE)
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function urlOf(data: string): Record<string, string> {
  const url = databaseOf(data)
  return url === undefined ? {} : { DATABASE_URL: url }
}

const environment = (data: string, extra: Record<string, string>) => ({
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  NODE_COMPILE_CACHE: COMPILED,
  CONSENTRY_DATA: data,
  PORT: '0',
  ...urlOf(data),
  ...extra,
})

/** Runs a compiled program to its end. */
export async function run(data: string, module: string, args: string[] = [], extra: Record<string, string> = {}) {
  const child = spawn(process.execPath, [built(module), ...args], {
    env: environment(data, extra),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = [collect(child.stdout), collect(child.stderr)]
  const [code] = (await once(child, 'close')) as [number]
  return { code, out: out(), err: err() }
}

/** Starts a gateway and waits until it is ready. */
export async function startGateway(data: string, extra: Record<string, string> = {}): Promise<RunningProcess> {
  const child = spawn(process.execPath, [built('main.js')], {
    env: environment(data, extra),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const ready = Promise.withResolvers<RunningProcess>()
  const heard = (line: string) => {
    lines.push(line)
    const fhir = /ready: (\S+)/.exec(line)?.[1]
    if (fhir !== undefined) ready.resolve({ child, line, fhir, output: () => lines.slice(1).join('\n') })
  }
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', heard)
  child.once('exit', () => ready.reject(new Error(`the gateway did not start: ${lines.join('\n')}`)))
  return ready.promise
}

/** What `npm run token` prints for the same arguments, without a process for it; the command has its tests in main.e2e.ts. */
export async function tokenOf(data: string, client: string, ...options: string[]): Promise<string> {
  const { scope, purpose } = parseArgs({
    args: options,
    options: { purpose: { type: 'string', multiple: true }, scope: { type: 'string' } },
  }).values
  const read = async <T>(name: string): Promise<T> => JSON.parse(await readFile(join(data, name), 'utf8')) as T
  const { fhirUrl } = await read<RunningGateway>(RUNNING_FILE)
  const { id, privateKey, scopes } = await read<DemoClient>(demoClientFile(client))
  const purposes = purpose === undefined ? {} : { purposes: purpose }
  const request = { baseUrl: fhirUrl, clientId: id, privateKey, scope: scope ?? scopes, ...purposes }
  return (await requestToken(request)).accessToken
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown[]> {
  if (child.exitCode !== null || child.signalCode !== null) return [child.exitCode, child.signalCode]
  const exited = once(child, 'exit')
  child.kill(signal)
  return exited
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = ''
  stream.on('data', (data: Buffer) => (text += data.toString()))
  return () => text
}
