import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { ConsentryError } from '../errors.js'
import { databaseError } from './database-errors.js'

/** 'gate': with the schema's hash it is a key beside those of one bigint that other locks have. */
const LOCK = 0x67617465

/** What a gateway that was killed held is free once the server has noticed, which takes it some milliseconds. */
const PATIENCE_MS = 5_000
const PAUSE_MS = 200
const RETAKE_MS = 1_000

/** Of a holder that is cut off the server hears nothing: it asks after half a minute, and gives up half a minute later. */
const KEEPALIVES = '-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3'

export interface GatewayLockOptions {
  readonly url: string
  readonly schema?: string
  /** Milliseconds for which a holder is waited for that may be ending; 5 s unless told. */
  readonly patienceMs?: number
  /** Told when another gateway has the database, which can be after the connection was lost alone: ours must end. */
  readonly onLost: (error: ConsentryError) => void
}

interface Holder {
  readonly pid: number
  readonly since: string
  readonly address: string | null
}

/**
 * One gateway at a time works on a database: turns of patients, the follower, the sender's nonces and the groups of its commits are
 * one process's. A session of its own holds an advisory lock for as long as the gateway lives, and the server releases it when that
 * session ends, however the process did. A session that breaks is replaced.
 */
export class GatewayLock {
  #client: pg.Client | undefined
  /** Ours, when it broke: the server may not know yet. */
  #session: Pick<Holder, 'pid' | 'since'> | undefined
  #released = false

  private constructor(private readonly options: GatewayLockOptions) {}

  /** @throws ConsentryError `conflict` when another gateway holds it, `unavailable` when the database does not answer */
  static async take(options: GatewayLockOptions): Promise<GatewayLock> {
    const lock = new GatewayLock(options)
    const until = Date.now() + (options.patienceMs ?? PATIENCE_MS)
    for (;;) {
      const holder = await lock.#hold().catch((error: unknown) => {
        throw databaseError(error)
      })
      if (holder === null) return lock
      if (Date.now() >= until) throw inUse(holder)
      await sleep(PAUSE_MS)
    }
  }

  async release(): Promise<void> {
    this.#released = true
    await this.#client?.end().catch(() => undefined)
  }

  /** @returns who else has it; `null`: it is ours */
  async #hold(): Promise<Holder | null> {
    const { url, schema } = this.options
    const client = new pg.Client({
      connectionString: url,
      application_name: 'consentry gateway',
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      options: schema === undefined ? KEEPALIVES : `${KEEPALIVES} -c search_path=${schema}`,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      const { rows } = await client.query<{ held: boolean; pid: number; since: string }>(
        `SELECT pg_try_advisory_lock($1, hashtext(current_schema())) AS held, pid, backend_start::text AS since
         FROM pg_stat_activity WHERE pid = pg_backend_pid()`,
        [LOCK],
      )
      const [own] = rows
      if (own?.held !== true) {
        const holder = await this.#holder(client)
        await client.end()
        return holder
      }
      this.#client = client
      this.#session = own
      client.once('end', () => void this.#retake())
      return null
    } catch (error) {
      await client.end().catch(() => undefined)
      throw error
    }
  }

  async #holder(client: pg.Client): Promise<Holder> {
    const { rows } = await client.query<Holder>(
      `SELECT a.pid, a.backend_start::text AS since, host(a.client_addr) AS address
       FROM pg_locks l JOIN pg_stat_activity a USING (pid)
       WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1 AND l.objid = (hashtext(current_schema())::bigint & 4294967295)::oid
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      [LOCK],
    )
    return rows[0] ?? { pid: 0, since: '', address: null }
  }

  async #retake(): Promise<void> {
    this.#client = undefined
    while (!this.#released) {
      await sleep(RETAKE_MS, undefined, { ref: false })
      const holder = await this.#hold().catch(() => undefined)
      if (holder === null) return this.#released ? this.release() : undefined
      if (holder === undefined) continue
      if (holder.pid === this.#session?.pid && holder.since === this.#session.since) continue
      if (holder.pid === 0) continue
      return this.#released ? undefined : this.options.onLost(inUse(holder))
    }
  }
}

function inUse({ pid, since, address }: Holder): ConsentryError {
  const who = pid === 0 ? '' : ` (session ${pid} from ${address ?? 'this machine'}, since ${since})`
  return new ConsentryError(
    'conflict',
    `The database of DATABASE_URL is in use by another gateway${who}. One gateway at a time works on a database: stop that one, or give this one a database of its own.`,
  )
}
