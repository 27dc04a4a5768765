import { randomBytes } from 'node:crypto'
import type { Config } from '../config.js'
import { type DataDirectory, openDataDirectory } from '../embedded/data-directory.js'
import { type EntityKeys, entityKeys } from '../embedded/entity-keys.js'
import { startPglite } from '../embedded/pglite.js'
import { ConsentryError } from '../errors.js'
import { type Database, openDatabase } from '../records/database.js'
import { connectionProblem } from '../records/database-errors.js'
import { GatewayLock } from '../records/gateway-lock.js'
import type { BlockStore } from '../vault/blocks/block-store.js'
import { CachedBlockStore } from '../vault/blocks/cached.js'
import { LocalBlockStore } from '../vault/blocks/local.js'
import { Keystore } from '../vault/keystore.js'
import type { Site } from './site.js'

/** What is kept, and where. */
export interface Storage {
  readonly directory: DataDirectory
  readonly keystore: Keystore
  /** Of our entity. */
  readonly keys: EntityKeys
  readonly database: Database
  readonly blocks: BlockStore
}

const BLOCK_CACHE_BYTES = 256 * 1024 * 1024

export async function openStorage(site: Site): Promise<Storage> {
  const { config } = site
  const directory = await site.opened('data directory', openDataDirectory(config.dataDirectory), (d) => d.close())
  const keystore = await Keystore.open(directory.file('keystore.json'), await passphrase(config, directory))
  const keys = await entityKeys(keystore)
  // A node that does not answer is told before an embedded database is made, which takes seconds.
  const blocks = await site.opened('blocks', openBlocks(config, directory), (b) => b.close())
  const database = await site.opened('database', openRecords(site, directory), (d) => d.close())
  return { directory, keystore, keys, database, blocks }
}

/** A configured passphrase, or a random one beside the keystore for whoever only tries the gateway out. */
async function passphrase(config: Config, directory: DataDirectory): Promise<string> {
  if (config.keystorePassphrase !== null) return config.keystorePassphrase
  const file = await directory.read('passphrase')
  if (file !== undefined) return file.toString('utf8').trim()
  const made = randomBytes(24).toString('base64url')
  await directory.write('passphrase', `${made}\n`)
  return made
}

async function openRecords(site: Site, directory: DataDirectory): Promise<Database> {
  const { databaseUrl: url } = site.config
  if (url !== null) {
    const onLost = (error: unknown): void => {
      site.onFault('another gateway has taken the database, so this one ends', error)
      // The way that an operator would end it: what it has begun is answered.
      process.kill(process.pid, 'SIGTERM')
    }
    const lock = GatewayLock.take({ url, onLost }).catch((error: unknown) => {
      const problem = connectionProblem(error)
      throw problem === undefined
        ? error
        : notUsable('DATABASE_URL', problem, new URL(url).host, 'a PostgreSQL that is running')
    })
    await site.opened('database lock', lock, (taken) => taken.release())
    return openDatabase({ url, statementSeconds: site.config.statementSeconds })
  }
  const pglite = await startPglite(directory.file('pglite'))
  const database = await openDatabase({ driver: pglite.driver })
  const close = database.close.bind(database)
  database.close = async () => {
    await close()
    await pglite.close()
  }
  return database
}

/** What the URL of a part leads to. Only its host is said: the rest may have a password. */
function notUsable(name: string, problem: string, host: string, right: string): ConsentryError {
  return new ConsentryError('unavailable', `${name} ${problem} (${host}); expected ${right}.`)
}

async function openBlocks(config: Config, directory: DataDirectory): Promise<BlockStore> {
  if (config.ipfsApiUrl === null) return LocalBlockStore.open(directory.file('blocks'))
  // Its client is a tenth of what a start has to load, and most starts need none.
  const { KuboBlockStore } = await import('../vault/blocks/kubo.js')
  const kubo = new KuboBlockStore(config.ipfsApiUrl)
  await kubo.requireReady().catch(() => {
    const { host } = new URL(config.ipfsApiUrl as string)
    throw notUsable('IPFS_API_URL', 'names a node that does not answer', host, 'the RPC API of a Kubo that is running')
  })
  return new CachedBlockStore(kubo, BLOCK_CACHE_BYTES)
}
