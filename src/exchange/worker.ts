import { ConsentryError } from '../errors.js'
import type { PatientId } from '../consent/permit.js'
import type { Outbox } from '../records/outbox.js'
import type { AnchoredManifest, ExchangeWork, Feeds } from './feeds.js'
import type { Importing } from './importing.js'
import { Loop } from './loop.js'
import type { SharedPolicies } from './policies.js'
import type { Purging } from './purging.js'

const LEASE_MS = 60_000
const BATCH = 100
const IDLE_MS = 1_000
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 60_000
const EXPIRY_MS = 5_000

/**
 * Does the exchange's work. Purges have a loop of their own, because what was revoked must go whatever server an import
 * waits for; packages, manifests and imports follow one another in the other. Driven by tables, so a crash loses nothing
 * and a repetition does no harm.
 */
export class ExchangeWorker {
  readonly #loops: readonly Loop[]
  #expiryAt = 0

  constructor(
    private readonly outbox: Outbox,
    private readonly feeds: Feeds,
    private readonly policies: SharedPolicies,
    private readonly importing: Importing,
    private readonly purging: Purging,
    private readonly onProblem: (error: unknown) => void,
  ) {
    this.#loops = [
      new Loop(() => this.#purge(), IDLE_MS, onProblem),
      new Loop(() => this.#import(), IDLE_MS, onProblem),
    ]
  }

  start(): void {
    for (const loop of this.#loops) loop.start()
  }

  /** The follower has seen something. */
  poke(): void {
    for (const loop of this.#loops) loop.poke()
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()))
  }

  async #purge(): Promise<boolean> {
    const purged = await this.#work(
      'purge',
      async ({ patient }: { patient: PatientId }) => void (await this.purging.purge(patient)),
    )
    await this.#purgeExpired()
    return purged > 0
  }

  async #import(): Promise<boolean> {
    const packages = await this.#work('package', (payload: { patient: PatientId; digest: string }) =>
      this.policies.readPackage(payload),
    )
    const manifests = await this.#work('manifest', (payload: AnchoredManifest) => this.feeds.readManifest(payload))
    const { imported, refused } = await this.importing.round()
    return packages + manifests + imported + refused > 0
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
