import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type GatewayClient, OutcomeUnknown } from './gateway-client.js'
import type { Journal } from './journal.js'
import type { Tally } from './progress.js'
import { locationsOf, type Refusal, refusalsOf } from './refusals.js'
import { readSource, type Source } from './sources.js'
import { bodyOf, type Unit, unitsOf } from './units.js'

/** After so long a gateway that still runs has ended a request whose connection broke, milliseconds. */
const GRACE = 30_000

export interface LoadOptions {
  readonly parallel: number
  readonly patienceMs: number
}

/**
 * Loads sources into a gateway, each unit once.
 *
 * What is acknowledged is in the journal. A unit whose outcome is unknown, because the connection broke or one of the
 * two processes was killed, is looked for by its tag: a transaction is all or nothing, so its first create tells of the
 * whole. It is sent again only when it is not found and can no longer be under way: the gateway is another process
 * than the one it was sent to, or GRACE has passed. Bundles without blind creates can be sent twice, and entries of a
 * batch carry If-None-Exist. A transaction that we made ourselves and that is refused is sent again one resource at a time.
 */
export class Loader {
  readonly tally: Tally = { units: 0, unitsDone: 0, resources: 0, refused: 0, skipped: 0 }
  readonly refusals: Refusal[] = []

  constructor(
    private readonly client: GatewayClient,
    private readonly journal: Journal,
    private readonly options: LoadOptions,
  ) {}

  async load(sources: readonly Source[]): Promise<void> {
    this.tally.units = sources.length
    for (const rank of [0, 1, 2] as const) await this.#loadTogether(sources.filter((source) => source.rank === rank))
  }

  async #loadTogether(sources: readonly Source[]): Promise<void> {
    const units = this.#units(sources)
    const work = async () => {
      for (;;) {
        const next = await units.next()
        if (next.done === true) return
        await this.#loadUnit(next.value)
        this.tally.unitsDone++
      }
    }
    await Promise.all(Array.from({ length: this.options.parallel }, work))
  }

  async *#units(sources: readonly Source[]): AsyncGenerator<Unit> {
    for (const source of sources) {
      let count = 0
      for (const unit of unitsOf(source, await readSource(source))) {
        if ('reason' in unit) {
          this.#refuse([{ file: unit.file, status: null, text: unit.reason, expression: '' }])
          continue
        }
        // A file was counted as one before it was read.
        if (count++ > 0) this.tally.units++
        yield unit
      }
      if (count === 0) this.tally.unitsDone++
    }
  }

  async #loadUnit(unit: Unit): Promise<void> {
    const state = this.journal.get(unit.key)
    if (state?.state === 'done' || state?.state === 'found') {
      this.tally.skipped += unit.resources
      return
    }
    if (state?.state === 'sent' && (await this.#happened(unit, state))) return
    const answer = await this.#send(unit)
    if (answer === null) return
    if (answer.status >= 400 && answer.status < 500 && unit.apart !== null) {
      await this.journal.note(unit.key, { state: 'refused' })
      // Each on its own, in their order: what is sound is loaded, and what is not is named.
      for (const part of unit.apart()) await this.#loadUnit(part)
      return
    }
    const refused = refusalsOf(unit.file, answer)
    const locations = locationsOf(answer)
    this.tally.resources += answer.status < 300 ? unit.resources - refused.length : 0
    this.#refuse(refused)
    const whole = answer.status < 300 && refused.length === 0
    await this.journal.note(unit.key, whole ? { state: 'done', locations } : { state: 'refused' })
  }

  /** @returns the answer, or `null` if the unit turned out to have happened without one */
  async #send(unit: Unit): Promise<Answer | null> {
    const body = bodyOf(unit)
    const until = Date.now() + this.options.patienceMs
    for (;;) {
      const sent = { state: 'sent', at: Date.now(), pid: await this.client.pid() } as const
      await this.journal.note(unit.key, sent)
      let answered = false
      try {
        const answer = await this.client.post(body)
        if (answer.status !== 503 || Date.now() > until) return answer
        answered = true
        await sleep(Math.max(1, answer.retryAfter) * 1000)
      } catch (error) {
        if (!(error instanceof OutcomeUnknown) || Date.now() > until) throw error
      }
      if (await this.#happened(unit, sent, answered)) return null
    }
  }

  /** Whether a unit that was sent has been carried out; waits until that is certain. What was answered is over. */
  async #happened(
    unit: Unit,
    sent: { readonly at: number; readonly pid: number | null },
    answered = false,
  ): Promise<boolean> {
    if (unit.marker === null) return false
    for (;;) {
      const over = answered || (await this.#isOver(sent))
      if (await this.#isThere(unit.marker)) {
        this.tally.resources += unit.resources
        await this.journal.note(unit.key, { state: 'found' })
        return true
      }
      if (over) return false
      await sleep(1_000)
    }
  }

  async #isOver({ at, pid }: { readonly at: number; readonly pid: number | null }): Promise<boolean> {
    if (Date.now() > at + GRACE) return true
    // First whoever answers now, then who that was.
    await this.client.get('metadata')
    const now = await this.client.pid()
    return pid !== null && now !== pid
  }

  async #isThere(marker: string): Promise<boolean> {
    const { status, body } = await this.client.get(`${marker}&_summary=count`)
    if (status !== 200) throw new Error(`The gateway answered ${status} when asked what it holds already.`)
    return (JSON.parse(body.toString()) as { total?: number }).total !== 0
  }

  #refuse(refusals: readonly Refusal[]): void {
    this.refusals.push(...refusals)
    this.tally.refused += refusals.length
  }
}
