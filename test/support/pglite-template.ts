import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPglite } from '../../src/embedded/pglite.js'
import { openEngine } from '../../src/embedded/pglite-engine.js'
import { openDatabase } from '../../src/records/database.js'
import { copyOfTemplate } from './template.js'

const MANIFEST = fileURLToPath(new URL('../../node_modules/@electric-sql/pglite/package.json', import.meta.url))
const MIGRATIONS = fileURLToPath(new URL('../../migrations/', import.meta.url))
const { version } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }

/**
 * A new directory with an empty PGlite cluster. Making one takes seconds, so it is made once and copied: the copy opens
 * in a quarter of a second.
 */
export function pgliteDirectory(): Promise<string> {
  return copyOfTemplate('pglite', version, makeCluster, 'consentry-pglite-')
}

/** As `pgliteDirectory`, with our tables, as the migrations make them. */
export function migratedDirectory(): Promise<string> {
  return copyOfTemplate('migrated', `${version}-${digestOfMigrations()}`, makeMigrated, 'consentry-pglite-')
}

async function makeCluster(directory: string): Promise<void> {
  const cluster = join(directory, 'cluster')
  const engine = await openEngine(cluster)
  await engine.close()
  for (const name of readdirSync(cluster)) renameSync(join(cluster, name), join(directory, name))
  rmdirSync(cluster)
}

async function makeMigrated(directory: string): Promise<void> {
  await makeCluster(directory)
  const engine = await startPglite(directory)
  const database = await openDatabase({ driver: engine.driver })
  await database.close()
  await engine.close()
}

function digestOfMigrations(): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(MIGRATIONS).sort()) hash.update(name).update(readFileSync(join(MIGRATIONS, name)))
  return hash.digest('hex').slice(0, 16)
}
