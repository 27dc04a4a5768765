import { randomBytes } from 'node:crypto'
import pg from 'pg'

/** The server for tests against PostgreSQL; `undefined`: there is none. */
export const SERVER = process.env['DATABASE_URL']

/** Names this run of vitest, for what is to be gone when it ends (`run.ts`). */
export const RUN = 'TEST_RUN'
const prefix = (): string => `consentry_run_${process.env[RUN] ?? 'alone'}_`

/** @param template a database to whom nobody is connected. @returns the URL of a new database, which is dropped when the run ends */
export async function ownDatabase(template?: string): Promise<string> {
  const name = `${prefix()}${randomBytes(6).toString('hex')}`
  await administer(`CREATE DATABASE ${name}${template === undefined ? '' : ` TEMPLATE ${template}`}`)
  return Object.assign(new URL(SERVER as string), { pathname: `/${name}` }).href
}

export const nameOf = (url: string): string => new URL(url).pathname.slice(1)

export async function dropOwnDatabases(): Promise<void> {
  const { rows } = await administer<{ name: string }>(
    `SELECT datname AS name FROM pg_database WHERE starts_with(datname, '${prefix()}')`,
  )
  for (const { name } of rows) await administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
}

async function administer<Row extends pg.QueryResultRow>(statement: string): Promise<pg.QueryResult<Row>> {
  const client = new pg.Client({ connectionString: SERVER as string })
  await client.connect()
  return client.query<Row>(statement).finally(() => client.end())
}
