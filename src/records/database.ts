import { AsyncLocalStorage } from 'node:async_hooks'
import type { Pool, PoolClient } from 'pg'
import type { DataSource } from 'typeorm'
import { ConsentryError } from '../errors.js'
import { type ConnectionOptions, migratedDataSource } from './data-source.js'
import { databaseError, isRetryable } from './database-errors.js'
import { forgetForeignTransactions } from './restored.js'
import type { Result, Sql, Statement } from './sql.js'

export type { Result, Sql, Statement } from './sql.js'

const ATTEMPTS = 5

/** The one way to the database. Errors are ConsentryErrors: `unavailable` when it is down, `internal` otherwise. */
export class Database implements Sql {
  readonly #pool: Pool
  /** Marks the code that runs inside a transaction. */
  readonly #inside = new AsyncLocalStorage<{ open: boolean }>()

  constructor(readonly dataSource: DataSource) {
    // TypeORM's types do not name the pool of its PostgreSQL driver.
    this.#pool = (dataSource.driver as unknown as { master: Pool }).master
  }

  /** How many transactions can run at a time. */
  get sessions(): number {
    return this.#pool.options.max
  }

  query<Row>(text: string, values: readonly unknown[] = []): Promise<Result<Row>> {
    return this.#told(() => send<Row>(this.#pool, { text }, values))
  }

  run<Row>(statement: Statement, values: readonly unknown[]): Promise<Result<Row>> {
    return this.#told(() => send<Row>(this.#pool, statement, values))
  }

  /**
   * Everything that `work` does through its `sql` happens, or nothing does. Keep it short: with PGlite it owns the
   * only session. It runs again after a deadlock or a serialization failure, so it must not have other effects.
   */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#told(() => this.session(work))
  }

  /** Statements that only read, and all see the same rows. */
  snapshot<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.transaction(async (sql) => {
      await sql.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY')
      return work(sql)
    })
  }

  /** As `run` for a statement that writes: tried again after a deadlock, errors as the driver gives them. */
  execute<Row>(statement: Statement, values: readonly unknown[]): Promise<Result<Row>> {
    return persistently(() => send<Row>(this.#pool, statement, values))
  }

  /** As `transaction`, with prepared statements, and errors as the driver gives them. */
  session<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return persistently(() => this.#once(work))
  }

  async #told<T>(work: () => Promise<T>): Promise<T> {
    this.refuseInside()
    try {
      return await work()
    } catch (error) {
      throw databaseError(error)
    }
  }

  async #once<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect()
    // a connection that breaks between two statements says so here and, to us, in the next statement
    client.on('error', ignore)
    const mark = { open: true }
    let broken: Error | undefined
    try {
      await client.query('BEGIN')
      const result = await this.#inside.run(mark, () => work(new Session(client)))
      await client.query('COMMIT')
      return result
    } catch (error) {
      await client.query('ROLLBACK').catch((cause: unknown) => {
        broken = cause as Error
      })
      throw error
    } finally {
      mark.open = false
      client.off('error', ignore)
      client.release(broken)
    }
  }

  /** Waiting for a session while holding the only one would never end, so it is refused on every engine. */
  refuseInside(): void {
    if (this.#inside.getStore()?.open) {
      throw new ConsentryError('internal', 'Inside a transaction only its own `sql` may be used.')
    }
  }

  async close(): Promise<void> {
    await this.dataSource.destroy()
  }
}

function ignore(): void {
  // see Database#once
}

/** Deadlocks and serialization failures are never shown; a random wait parts those who met. */
async function persistently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!isRetryable(error) || attempt === ATTEMPTS) throw error
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * 2 ** attempt))
    }
  }
}

/** The statements of one transaction. */
export class Session implements Sql {
  constructor(private readonly client: PoolClient) {}

  query<Row>(text: string, values: readonly unknown[] = []): Promise<Result<Row>> {
    return send<Row>(this.client, { text }, values)
  }

  run<Row>(statement: Statement, values: readonly unknown[]): Promise<Result<Row>> {
    return send<Row>(this.client, statement, values)
  }
}

async function send<Row>(
  on: Pool | PoolClient,
  statement: { name?: string; text: string },
  values: readonly unknown[],
): Promise<Result<Row>> {
  const { rows, rowCount } = await on.query({ ...statement, values: values as unknown[] })
  return { rows: rows as Row[], rowCount: rowCount ?? 0 }
}

/** Connects, brings the schema up to date, and hands the database out. */
export async function openDatabase(options: ConnectionOptions): Promise<Database> {
  try {
    const database = new Database(await migratedDataSource(options))
    await database.transaction(forgetForeignTransactions)
    return database
  } catch (error) {
    throw databaseError(error)
  }
}
