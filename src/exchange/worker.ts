import { setTimeout as sleep } from 'node:timers/promises'
import { ConsentryError } from '../errors.js'
import type { PatientId } from '../consent/permit.js'
import type { Outbox } from '../records/outbox.js'
import type { ExchangeWork, Feeds } from './feeds.js'
import type { Importing } from './importing.js'
import type { SharedPolicies } from './policies.js'
import type { Purging } from './purging.js'

const LEASE_MS = 60_000
const BATCH = 100
const IDLE_MS = 1_000
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 60_000
const EXPIRY_MS = 5_000

/**
 * Does the exchange's work: purges first, because what was revoked must go before anything else, then packages,
 * manifests and imports. Driven by tables, so a crash loses nothing and a repetition does no harm.
 */
export class ExchangeWorker {
  #stopping = false
  #wake = new AbortController()
  #loop: Promise<void> | undefined
  #expiryAt = 0

  constructor(
    private readonly outbox: Outbox,
    private readonly feeds: Feeds,
    private readonly policies: SharedPolicies,
    private readonly importing: Importing,
    private readonly purging: Purging,
    private readonly onProblem: (error: unknown) => void,
  ) {}

  start(): void {
    this.#loop = this.#run()
  }

  /** The follower has seen something. */
  poke(): void {
    this.#wake.abort()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#wake.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#wake = new AbortController()
      const { signal } = this.#wake
      const busy = await this.#step().catch((error: unknown) => {
        this.onProblem(error)
        return false
      })
      if (!busy && !this.#stopping) await sleep(IDLE_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  async #step(): Promise<boolean> {
    const purged = await this.#work(
      'purge',
      async ({ patient }: { patient: PatientId }) => void (await this.purging.purge(patient)),
    )
    await this.#purgeExpired()
    const packages = await this.#work('package', (payload: { patient: PatientId; digest: string }) =>
      this.policies.readPackage(payload),
    )
    const manifests = await this.#work('manifest', (payload: { origin: PatientId; root: string; digest: string }) =>
      this.feeds.readManifest(payload),
    )
    const { imported, refused } = await this.importing.round()
    return purged + packages + manifests + imported + refused > 0
  }

  async #purgeExpired(): Promise<void> {
    if (Date.now() < this.#expiryAt) return
    this.#expiryAt = Date.now() + EXPIRY_MS
    for (const patient of await this.purging.expired()) await this.purging.purge(patient)
  }

  /** @returns how many items were done */
  async #work<T>(kind: ExchangeWork, handle: (payload: T) => Promise<void>): Promise<number> {
    const items = await this.outbox.claim(kind, BATCH, LEASE_MS)
    let done = 0
    for (const item of items) {
      try {
        await handle(item.payload as T)
        await this.outbox.complete([item.id])
        done++
      } catch (error) {
        const reason = error instanceof ConsentryError ? error.message : 'failed'
        const pause = Math.min(FIRST_RETRY_MS * 2 ** (item.attempts - 1), LAST_RETRY_MS)
        await this.outbox.fail(item.id, reason, Date.now() + pause)
        if (!(error instanceof ConsentryError)) this.onProblem(error)
      }
    }
    return done
  }
}
