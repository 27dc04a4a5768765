import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { built } from './built.js'
import { templatesOf } from './end-run.js'
import { DATABASE_FILE, end, startGateway } from './gateway.js'
import { nameOf, ownDatabase, RUN, SERVER } from './own-database.js'
import { copyOfTemplate } from './template.js'

/**
 * A new data directory of a gateway that was started once and has ended: cluster with tables, chain with contracts and entity.
 * A first start costs twice as much as a later one, and only some tests are about it (main.e2e.ts, leak.e2e.ts, the demo and the
 * walk-through of `.ci/run`); the others begin here. Proxies are made when a gateway with proxies starts on it. All copies have
 * the same keys, each a chain of its own.
 */
export function preparedData(prefix: string): Promise<string> {
  return copyOfTemplate('gateway', digestOfBuild(), prepare, prefix)
}

/**
 * The same on a PostgreSQL database of its own where DATABASE_URL names a server: there a request costs half. Its gateways
 * are given the URL by `startGateway` and `run`.
 */
export async function preparedGateway(prefix: string): Promise<string> {
  if (SERVER === undefined) return preparedData(prefix)
  const directory = await copyOfTemplate(
    templatesOf(process.env[RUN] ?? 'alone'),
    digestOfBuild(),
    prepareOnPostgres,
    prefix,
  )
  const file = join(directory, DATABASE_FILE)
  writeFileSync(file, await ownDatabase(nameOf(readFileSync(file, 'utf8'))))
  return directory
}

async function prepareOnPostgres(directory: string): Promise<void> {
  writeFileSync(join(directory, DATABASE_FILE), await ownDatabase())
  await prepare(directory)
}

async function prepare(directory: string): Promise<void> {
  const { child, output } = await startGateway(directory, { EMBEDDED_PROXIES: '0' })
  const [code] = await end(child, 'SIGTERM')
  if (code !== 0) throw new Error(`the gateway of the template ended with ${String(code)}: ${output()}`)
  // Copies run side by side: each takes a port of its own.
  const chain = join(directory, 'chain', 'chain.json')
  writeFileSync(chain, JSON.stringify({ ...(JSON.parse(readFileSync(chain, 'utf8')) as object), port: 0 }))
}

let digest: string | undefined

/** Of the code that made the directory, and of the contracts on its chain. */
function digestOfBuild(): string {
  return (digest ??= digestOf(dirname(dirname(built('main.js')))))
}

function digestOf(dist: string): string {
  const hash = createHash('sha256')
  for (const folder of ['src', 'migrations', 'generated/contracts']) {
    const paths = readdirSync(join(dist, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(js|json)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
    for (const path of paths) hash.update(path.slice(dist.length)).update(readFileSync(path))
  }
  return hash.digest('hex').slice(0, 16)
}
