/**
 * npm run --silent token -- <client> [--purpose CODE] [--scope "…"]
 * Prints a bearer token for a demo client of the embedded gateway that runs on this data directory.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readConfig } from '../config.js'
import { demoClientFile, type DemoClient } from '../embedded/demo-clients.js'
import { RUNNING_FILE, type RunningGateway } from '../embedded/running.js'
import { requestToken } from './access-token.js'
import { commandLine } from './arguments.js'

const USAGE = `usage: npm run --silent token -- <ehr|wallet|emergency|privacy|auditor> [--purpose TREAT] [--scope "system/Patient.rs"]`

async function main(): Promise<string> {
  const { positionals, values } = commandLine(USAGE, {
    allowPositionals: true,
    options: { purpose: { type: 'string', multiple: true }, scope: { type: 'string' } },
  })
  const [name, ...rest] = positionals
  if (name === undefined || rest.length > 0) throw new Error(USAGE)
  const directory = readConfig().dataDirectory
  const running = await read<RunningGateway>(
    join(directory, RUNNING_FILE),
    `No gateway has been started on ${directory}; start one with npm start.`,
  )
  const client = await read<DemoClient>(
    join(directory, demoClientFile(name.replace(/[^A-Za-z0-9-]/g, ''))),
    `There is no demo client of that name in ${directory}; there are ehr, wallet, emergency, privacy and auditor.`,
  )
  const { accessToken } = await requestToken({
    baseUrl: running.fhirUrl,
    clientId: client.id,
    privateKey: client.privateKey,
    scope: values.scope ?? client.scopes,
    ...(values.purpose === undefined ? {} : { purposes: values.purpose }),
  }).catch((error: unknown) => {
    const refused = error instanceof TypeError && error.message === 'fetch failed'
    throw refused ? new Error(`No gateway answers at ${running.fhirUrl}; start it with npm start.`) : error
  })
  return accessToken
}

async function read<T>(path: string, otherwise: string): Promise<T> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch {
    throw new Error(otherwise)
  }
}

main().then(
  (token) => console.log(token),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  },
)
