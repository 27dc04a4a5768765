import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { startPglite } from '../../src/embedded/pglite.js'
import { type Database, openDatabase } from '../../src/records/database.js'
import { administer } from '../support/own-database.js'
import { migratedDirectory } from '../support/pglite-template.js'

export interface Engine {
  readonly name: string
  /** A new, migrated and empty database. */
  readonly open: () => Promise<OpenDatabase>
}

export interface OpenDatabase {
  readonly database: Database
  readonly close: () => Promise<void>
}

const url = process.env['DATABASE_URL']

/** PGlite, always. */
const pglite: Engine = {
  name: 'PGlite',
  open: async () => {
    const directory = await migratedDirectory()
    const engine = await startPglite(directory)
    const database = await openDatabase({ driver: engine.driver })
    return {
      database,
      close: async () => {
        await database.close()
        await engine.close()
        await rm(directory, { recursive: true })
      },
    }
  },
}

/** PostgreSQL in a schema of its own, where DATABASE_URL names one. */
function postgres(databaseUrl: string): Engine {
  return {
    name: 'PostgreSQL',
    open: async () => {
      const { schema, drop } = await ownSchema(databaseUrl)
      const database = await openDatabase({ url: databaseUrl, schema })
      return {
        database,
        close: async () => {
          await database.close()
          await drop()
        },
      }
    },
  }
}

export async function ownSchema(databaseUrl: string): Promise<{ schema: string; drop: () => Promise<void> }> {
  const schema = `consentry_test_${randomBytes(6).toString('hex')}`
  await administer(databaseUrl, `CREATE SCHEMA ${schema}`)
  return { schema, drop: async () => void (await administer(databaseUrl, `DROP SCHEMA ${schema} CASCADE`)) }
}

export const ENGINES: readonly Engine[] = [pglite, ...(url === undefined ? [] : [postgres(url)])]
