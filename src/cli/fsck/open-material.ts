import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Material } from '../../audit/fsck/check.js'
import { readHistory } from '../../audit/fsck/chain-history.js'
import type { Config } from '../../config.js'
import { decide } from '../../consent/decide.js'
import type { PartyId, Permit } from '../../consent/permit.js'
import { type DataDirectory, openDataDirectory } from '../../embedded/data-directory.js'
import { EmbeddedChain } from '../../embedded/anvil.js'
import { entityKeys } from '../../embedded/entity-keys.js'
import { startPglite } from '../../embedded/pglite.js'
import { ConsentryError } from '../../errors.js'
import { decodeManifest } from '../../exchange/manifest.js'
import { requestReceipts } from '../../exchange/proxies.js'
import { readChain, readReceipt } from '../../exchange/receipts.js'
import { Bodies } from '../../gateway/bodies.js'
import { CapsuleKeys } from '../../gateway/capsule-keys.js'
import { type Deployment, verifyDeployment } from '../../ledger/deploy.js'
import { LedgerReader } from '../../ledger/reads.js'
import { Rpc } from '../../ledger/rpc.js'
import { type Database, openDatabase } from '../../records/database.js'
import type { StoredVersion } from '../../records/types.js'
import type { BlockStore } from '../../vault/blocks/block-store.js'
import { KuboBlockStore } from '../../vault/blocks/kubo.js'
import { LocalBlockStore } from '../../vault/blocks/local.js'
import { Keystore } from '../../vault/keystore.js'
import { DirectSealer } from '../../vault/sealing-thread.js'

export interface OpenMaterial {
  readonly material: Material
  close(): Promise<void>
}

/** Why nothing could be checked, for a person who wants to know what to do. */
export class CannotCheck extends Error {
  override readonly name = 'CannotCheck'
}

/**
 * Opens what a gateway works with, writing nothing of its own. Parts that run inside the gateway's process (PGlite, the
 * local block store, anvil) can be opened only while it is stopped; with a database, an IPFS node and an Ethereum node of
 * their own fsck runs beside it.
 */
export async function openMaterial(config: Config): Promise<OpenMaterial> {
  const closing: (() => Promise<unknown>)[] = []
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).reverse()) await each().catch(() => undefined)
  }
  try {
    return { material: await assemble(config, closing), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function assemble(config: Config, closing: (() => Promise<unknown>)[]): Promise<Material> {
  const file = (name: string): string => join(config.dataDirectory, name)
  await access(file('keystore.json')).catch(() => {
    throw new CannotCheck(
      `No gateway has kept data in ${config.dataDirectory}; name its directory with CONSENTRY_DATA.`,
    )
  })
  const ownParts = [config.databaseUrl, config.ethRpcUrl, config.ipfsApiUrl].includes(null)
  if (ownParts) {
    const directory = await lock(config)
    closing.push(() => directory.close())
  }
  const passphrase = config.keystorePassphrase ?? (await readFile(file('passphrase'), 'utf8')).trim()
  const keys = await entityKeys(await Keystore.open(file('keystore.json'), passphrase))

  const database = await openRecords(config, file('pglite'), closing)
  const blocks: BlockStore =
    config.ipfsApiUrl === null ? await LocalBlockStore.open(file('blocks')) : new KuboBlockStore(config.ipfsApiUrl)
  closing.push(() => blocks.close())
  const rpc = new Rpc(config.ethRpcUrl ?? (await embeddedChain(file('chain'), closing)))
  closing.push(() => rpc.close())
  const deployment: Deployment =
    config.deployment ?? (JSON.parse(await readFile(file('deployment.json'), 'utf8')) as Deployment)
  const contracts = await verifyDeployment(rpc, deployment)

  const capsules = new CapsuleKeys(database, keys.id, keys.master, noPolicies, Date.now)
  const author = { id: Buffer.from(keys.id.slice(2), 'hex'), key: keys.author }
  const own = [keys.author.publicKey.toBytes()]
  const bodies = new Bodies(keys.id, new DirectSealer(author), capsules, blocks, async (party) =>
    party === keys.id ? own : [],
  )
  return {
    entity: keys.id,
    clock: Date.now,
    database,
    blocks,
    reader: new LedgerReader(rpc, contracts),
    history: await readHistory(rpc, contracts, database, deployment.block),
    authorKeys: async (party) => (party === keys.id ? own : feedKeys(database, party)),
    openTrail: async (row) => {
      const [body] = await bodies.open(auditorsPermit(keys.id, row), [row])
      return body as Uint8Array
    },
    decodeManifest,
    readReceipt,
    askReceipts: async (proxy, since) => readChain(await requestReceipts(proxy, keys.id, since, keys.operator)),
  }
}

async function lock(config: Config): Promise<DataDirectory> {
  return openDataDirectory(config.dataDirectory).catch((error: unknown) => {
    if (!(error instanceof ConsentryError) || error.kind !== 'conflict') throw error
    throw new CannotCheck(
      `The gateway is running on ${config.dataDirectory}, and its database, blocks or chain live in its process. ` +
        'Stop it (Ctrl-C) and run fsck again, or give the gateway parts of their own: DATABASE_URL, IPFS_API_URL and ETH_RPC_URL.',
    )
  })
}

async function openRecords(config: Config, path: string, closing: (() => Promise<unknown>)[]): Promise<Database> {
  if (config.databaseUrl !== null) {
    const database = await openDatabase({ url: config.databaseUrl, poolSize: 2 })
    closing.push(() => database.close())
    return database
  }
  const pglite = await startPglite(path)
  closing.push(() => pglite.close())
  const database = await openDatabase({ driver: pglite.driver })
  closing.push(() => database.close())
  return database
}

async function embeddedChain(directory: string, closing: (() => Promise<unknown>)[]): Promise<string> {
  const chain = await EmbeddedChain.start({ directory })
  closing.push(() => chain.stop())
  return chain.url
}

/** An auditor of the entity may open its trail, and nothing else. */
function auditorsPermit(entity: PartyId, row: StoredVersion): Permit {
  const now = Date.now()
  const decision = decide(
    { action: 'read', purpose: 'HOPERAT', parties: [entity], auditor: true, subjects: [row] },
    { now, freshness: { confirmedAt: now, limitMs: 1 }, words: [], activeParties: new Set([entity]) },
  )
  if ('permit' in decision) return decision.permit
  throw new ConsentryError('integrity', 'The row is no record of the trail any more: its entity or label was changed.')
}

async function feedKeys(database: Database, author: PartyId): Promise<readonly Uint8Array[]> {
  const { rows } = await database.query<{ author_keys: Buffer[] }>('SELECT author_keys FROM feed WHERE origin = $1', [
    Buffer.from(author.slice(2), 'hex'),
  ])
  return rows[0]?.author_keys ?? []
}

const noPolicies = {
  policyKey: (): Promise<never> => Promise.reject(new ConsentryError('internal', 'fsck seals nothing.')),
}
