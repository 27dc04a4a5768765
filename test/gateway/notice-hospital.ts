import { ConsentMirror } from '../../src/consent/mirror.js'
import { ConsentLinks } from '../../src/gateway/consent/links.js'
import { NoticeMirroring } from '../../src/gateway/consent/notice-mirroring.js'
import { type Notice, Notices } from '../../src/gateway/consent/notices.js'
import type { GatewayParts } from '../../src/gateway/parts.js'
import type { Hex } from '../../src/ledger/hex.js'
import { hospital, type Hospital } from '../audit/support/hospital.js'
import { randomId } from '../ledger/support/consortium.js'
import { atHead, partsOf } from './hospital-parts.js'

export const REVIEW_SECONDS = 3_600

export interface Told {
  readonly type: string
  readonly id: string
  readonly version: number
  // The tests look into it freely.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any
}

/** What is kept of a notice before anything was told. */
export const UNTOLD = { consentId: null, told: null, until: null, doneAt: null }

/** The notice of an emergency access that a client has taken. */
export const reviewBy = (client: string, at: number): Notice & { person: { client: string } } => ({
  ...UNTOLD,
  id: randomId().slice(2, 38),
  kind: 'review',
  patient: randomId(),
  at,
  about: {},
  person: { client },
})

/** A hospital whose patients `patient` and `custodial` are `Patient/p0` and `Patient/p1`, and what tells their notices. */
export class NoticeHospital {
  /** Milliseconds that the gateway's clock is ahead of the machine's. */
  ahead = 0
  readonly clock = (): number => Date.now() + this.ahead

  private constructor(
    readonly h: Hospital,
    readonly parts: GatewayParts,
    readonly notices: Notices,
  ) {}

  static async open(): Promise<NoticeHospital> {
    const h = await hospital()
    // The clock is the instance's, which is made last.
    const made: { hospital?: NoticeHospital } = {}
    const clock = (): number => Date.now() + (made.hospital?.ahead ?? 0)
    const parts = await partsOf(h, clock)
    made.hospital = new NoticeHospital(h, parts, new Notices(h.database))
    return made.hospital
  }

  mirroring(over: Partial<GatewayParts> = {}): NoticeMirroring {
    return new NoticeMirroring({
      parts: { ...this.parts, ...over },
      database: this.h.database,
      notices: this.notices,
      links: new ConsentLinks(this.h.database),
      mirror: new ConsentMirror(this.h.database),
      ledger: { chainId: this.h.contracts.chainId, contract: this.h.contracts.addresses.ConsentRegistry },
      reviewSeconds: REVIEW_SECONDS,
      onProblem: () => undefined,
    })
  }

  /** The follower arrives at the head, and the rounds after it are done. */
  async mirrored(over: Partial<GatewayParts> = {}): Promise<void> {
    const mirroring = this.mirroring(over)
    await this.h.follow([mirroring], () => atHead(this.h))
    await this.rounds(mirroring)
  }

  async rounds(mirroring: NoticeMirroring = this.mirroring()): Promise<void> {
    mirroring.start()
    for (let i = 0; i < 1_000; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      const { rows } = await this.h.database.query<{ n: bigint }>(
        `SELECT count(*) + (SELECT count(*) FROM notice WHERE until <= $1) AS n
         FROM outbox WHERE kind = 'notice' AND done_at IS NULL`,
        [Math.floor(this.clock() / 1000)],
      )
      if (rows[0]?.n === 0n && i > 5) break
    }
    await mirroring.stop()
  }

  /** The notices of a patient as the hospital reads them, the oldest first. */
  async told(patient: Hex, type: 'Task' | 'Communication'): Promise<Told[]> {
    const { rows } = await this.h.database.query<{ id: string }>(
      `SELECT id FROM resource WHERE type = $1 AND patient = $2 ORDER BY pk`,
      [type, Buffer.from(patient.slice(2), 'hex')],
    )
    const found = (await this.h.records.read(rows.map(({ id }) => ({ type, id })))).flatMap((row) => row ?? [])
    if (found.length === 0) return []
    const principal = {
      clientId: 'test',
      role: 'system',
      scopes: [],
      purposes: ['TREAT'],
      tokenId: '',
      expiresAt: 0,
    } as const
    const permit = await this.parts.access.permit({ ...principal, entity: this.h.entity }, 'read', found)
    const bodies = await this.parts.bodies.open(permit, found)
    return found.map(({ id, version }, i) => ({
      type,
      id,
      version,
      body: JSON.parse(Buffer.from(bodies[i] as Uint8Array).toString()),
    }))
  }
}
