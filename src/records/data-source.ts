import pg from 'pg'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { Rows1763600000000 } from '../../migrations/1763600000000-rows.js'
import { AuditLog1763600100000 } from '../../migrations/1763600100000-audit-log.js'
import { History1763600200000 } from '../../migrations/1763600200000-history.js'
import { ConsentLinks1763600300000 } from '../../migrations/1763600300000-consent-links.js'
import { Compartment1763600400000 } from '../../migrations/1763600400000-compartment.js'
import { ForeignBlocks1763600500000 } from '../../migrations/1763600500000-foreign-blocks.js'
import { ForeignPatients1763600600000 } from '../../migrations/1763600600000-foreign-patients.js'
import { VersionMethod1763600700000 } from '../../migrations/1763600700000-version-method.js'
import { IndexState1763600800000 } from '../../migrations/1763600800000-index-state.js'
import { ProxyReceipts1763600900000 } from '../../migrations/1763600900000-proxy-receipts.js'
import { VersionOperation1763601000000 } from '../../migrations/1763601000000-version-operation.js'
import { FeedItemKey1763601100000 } from '../../migrations/1763601100000-feed-item-key.js'
import { Newest1763601900000 } from '../../migrations/1763601900000-newest.js'
import { Notices1763602000000 } from '../../migrations/1763602000000-notices.js'
import { Policies1763602100000 } from '../../migrations/1763602100000-policies.js'
import { TokenNames1763602200000 } from '../../migrations/1763602200000-token-names.js'
import { SeveralPatients1763602300000 } from '../../migrations/1763602300000-several-patients.js'
import { AnchoredAt1763602400000 } from '../../migrations/1763602400000-anchored-at.js'
import { Anchored1763602500000 } from '../../migrations/1763602500000-anchored.js'
import { ENTITIES } from './entities/index.js'

export interface ConnectionOptions {
  /** `postgres://…`; absent with a driver that knows where its database is. */
  readonly url?: string
  /** A schema of its own in a shared database; it must exist. */
  readonly schema?: string
  /** Stands in for the package `pg`: PGlite's, from embedded/pglite. */
  readonly driver?: { readonly Pool: typeof pg.Pool; readonly Client: typeof pg.Client }
  /** After which a statement is given up; without it never. A request must not hold a session for as long as it likes. */
  readonly statementSeconds?: number
  /** Sessions at most; PGlite has one whatever this says. */
  readonly poolSize?: number
}

/**
 * No statement here is long enough to be worth compiling: what PostgreSQL takes for expensive (many rows, a consent condition for each) it
 * compiled for 130 ms and then ran in 30.
 */
function sessionSettings({ schema, statementSeconds }: ConnectionOptions): string {
  const settings = [
    'jit=off',
    ...(statementSeconds === undefined ? [] : [`statement_timeout=${statementSeconds}s`]),
    ...(schema === undefined ? [] : [`search_path=${schema}`]),
  ]
  return settings.map((each) => `-c ${each}`).join(' ')
}

/** Serialises the migrations of several gateways that start on one database: 'consentry' as an advisory lock. */
const MIGRATION_LOCK = 0x636f6e73

const INT8 = 20
const INT8_ARRAY = 1016

/** 64-bit numbers are label sets, tokens and keys: never rounded. */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
    if (oid === INT8 && format !== 'binary') return BigInt
    if (oid === INT8_ARRAY && format !== 'binary') {
      return (text: string) => (text === '{}' ? [] : text.slice(1, -1).split(',').map(BigInt))
    }
    return pg.types.getTypeParser(oid, format)
  },
}

export function dataSourceOptions(options: ConnectionOptions): DataSourceOptions {
  return {
    type: 'postgres',
    ...(options.url === undefined ? {} : { url: options.url }),
    ...(options.driver === undefined ? {} : { driver: options.driver }),
    ...(options.schema === undefined ? {} : { schema: options.schema }),
    poolSize: options.poolSize ?? 8,
    connectTimeoutMS: options.driver ? 60_000 : 5_000,
    installExtensions: false,
    applicationName: 'consentry',
    entities: ENTITIES,
    migrations: [
      Rows1763600000000,
      AuditLog1763600100000,
      History1763600200000,
      ConsentLinks1763600300000,
      Compartment1763600400000,
      ForeignBlocks1763600500000,
      ForeignPatients1763600600000,
      VersionMethod1763600700000,
      IndexState1763600800000,
      ProxyReceipts1763600900000,
      VersionOperation1763601000000,
      FeedItemKey1763601100000,
      Newest1763601900000,
      Notices1763602000000,
      Policies1763602100000,
      TokenNames1763602200000,
      SeveralPatients1763602300000,
      AnchoredAt1763602400000,
      Anchored1763602500000,
    ],
    migrationsTransactionMode: 'all',
    // an idle connection that breaks is replaced; whoever uses one hears of it from the statement
    poolErrorHandler: () => undefined,
    extra: {
      types,
      keepAlive: true,
      options: sessionSettings(options),
    },
  }
}

export async function migratedDataSource(options: ConnectionOptions): Promise<DataSource> {
  const { statementSeconds, ...unlimited } = options
  // What changes a large table takes as long as it takes.
  const migrating = await initialized(unlimited, (dataSource) =>
    options.driver ? dataSource.runMigrations() : underLock(dataSource, () => dataSource.runMigrations()),
  )
  if (statementSeconds === undefined) return migrating
  await migrating.destroy()
  return initialized(options, async () => undefined)
}

async function initialized(
  options: ConnectionOptions,
  prepare: (dataSource: DataSource) => Promise<unknown>,
): Promise<DataSource> {
  const dataSource = await new DataSource(dataSourceOptions(options)).initialize()
  try {
    await prepare(dataSource)
  } catch (error) {
    await dataSource.destroy()
    throw error
  }
  return dataSource
}

async function underLock(dataSource: DataSource, work: () => Promise<unknown>): Promise<void> {
  const runner = dataSource.createQueryRunner()
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
    await work()
  } finally {
    await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined)
    await runner.release()
  }
}
