import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { databasesOf } from './end-run.js'

/** The server for tests against PostgreSQL; `undefined`: there is none. */
export const SERVER = process.env['DATABASE_URL']

/** Names this run of vitest, for what is to be gone when it ends (`run.ts`). */
export const RUN = 'TEST_RUN'
const prefix = (): string => databasesOf(process.env[RUN] ?? 'alone')

/** @param template a database to which nobody is connected. @returns the URL of a new database, which is dropped when the run ends */
export async function ownDatabase(template?: string): Promise<string> {
  const name = `${prefix()}${randomBytes(6).toString('hex')}`
  const server = SERVER as string
  await administer(server, `CREATE DATABASE ${name}${template === undefined ? '' : ` TEMPLATE ${template}`}`)
  return Object.assign(new URL(server), { pathname: `/${name}` }).href
}

export const nameOf = (url: string): string => new URL(url).pathname.slice(1)

/** One statement, in a session of its own. */
export async function administer<Row extends pg.QueryResultRow>(url: string, statement: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<Row>(statement).finally(() => client.end())
  return rows
}
