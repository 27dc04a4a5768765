import type { SealInline } from '../audit/audit-trail.js'
import { AUDIT } from '../consent/labels.js'
import type { Sealer } from '../vault/sealing-thread.js'
import type { CapsuleKey } from '../vault/keys.js'
import type { CapsuleKeys } from './capsule-keys.js'

/** How often the key is asked for anew: it is replaced once a day, by `CapsuleKeys`. */
const LOOK_AGAIN_MS = 600_000

/**
 * Seals the audit trail under a capsule key of at most a day (DESIGN.md, section 6). Sealing cannot wait, because every
 * disclosure waits for it: while the next key is made, the last one is used.
 */
export class TrailSealing {
  #lookAgainAt: number
  #looking = false

  private constructor(
    private readonly keys: Pick<CapsuleKeys, 'forTrail'>,
    private readonly sealer: Pick<Sealer, 'sealRows'>,
    private readonly clock: () => number,
    private readonly onProblem: (error: unknown) => void,
    private key: CapsuleKey,
  ) {
    this.#lookAgainAt = clock() + LOOK_AGAIN_MS
  }

  static async open(
    keys: Pick<CapsuleKeys, 'forTrail'>,
    sealer: Pick<Sealer, 'sealRows'>,
    clock: () => number,
    onProblem: (error: unknown) => void,
  ): Promise<TrailSealing> {
    return new TrailSealing(keys, sealer, clock, onProblem, await keys.forTrail())
  }

  readonly seal: SealInline = (items) => {
    if (!this.#looking && this.clock() >= this.#lookAgainAt) void this.#look()
    return this.sealer.sealRows(
      items.map(({ patient, ...item }) => ({ ...item, subject: { patient, labels: AUDIT } })),
      this.key,
    )
  }

  async #look(): Promise<void> {
    this.#looking = true
    try {
      this.key = await this.keys.forTrail()
      this.#lookAgainAt = this.clock() + LOOK_AGAIN_MS
    } catch (error) {
      this.onProblem(error)
    } finally {
      this.#looking = false
    }
  }
}
