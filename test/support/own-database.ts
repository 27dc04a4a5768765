import { randomBytes } from 'node:crypto'
import pg from 'pg'

/** The server for tests against PostgreSQL; `undefined`: there is none. */
export const SERVER = process.env['DATABASE_URL']

/** Names this run of vitest, for what is to be gone when it ends (`run.ts`). */
export const RUN = 'TEST_RUN'
const prefix = (): string => `consentry_run_${process.env[RUN] ?? 'alone'}_`

/** @param template a database to which nobody is connected. @returns the URL of a new database, which is dropped when the run ends */
export async function ownDatabase(template?: string): Promise<string> {
  const name = `${prefix()}${randomBytes(6).toString('hex')}`
  const server = SERVER as string
  await administer(server, `CREATE DATABASE ${name}${template === undefined ? '' : ` TEMPLATE ${template}`}`)
  return Object.assign(new URL(server), { pathname: `/${name}` }).href
}

export const nameOf = (url: string): string => new URL(url).pathname.slice(1)

export async function dropOwnDatabases(): Promise<void> {
  const server = SERVER as string
  const rows = await administer<{ name: string }>(
    server,
    `SELECT datname AS name FROM pg_database WHERE starts_with(datname, '${prefix()}')`,
  )
  for (const { name } of rows) await administer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
}

/** One statement, in a session of its own. */
export async function administer<Row extends pg.QueryResultRow>(url: string, statement: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<Row>(statement).finally(() => client.end())
  return rows
}
