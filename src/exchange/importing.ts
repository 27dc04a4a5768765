import type { PartyId, PatientId } from '../consent/permit.js'
import { ConsentryError } from '../errors.js'
import type { SharedPolicies, SharedPolicy } from './policies.js'
import { type CommitParts, Committing } from './committing.js'
import { type FeedItem, FeedItems, type Mark } from './feed-items.js'
import type { ForeignBlocks } from './foreign-blocks.js'
import { type ForeignRecordParts, ForeignRecords, type Opened, type Outcome } from './foreign-records.js'
import { type DecisionParts, decideImport } from './import-decision.js'
import type { PatientTurns } from './patient-turns.js'

const OF_ANOTHER =
  'The record names a Patient by an id that another patient has here. Ids of both servers meet where they are short or counted: its author can share it under ids that are not, such as UUIDs, or we can move our own Patient to another id.'

export interface ImportParts extends DecisionParts, ForeignRecordParts, CommitParts {
  readonly policies: SharedPolicies
  readonly turns: PatientTurns
  readonly blocks: ForeignBlocks
  /** Told why records of a batch were refused, for the operator: each reason once, with how many. */
  readonly onRefused: (refusal: ConsentryError) => void
}

/** What became of a round, for the worker's report. */
export interface ImportRound {
  readonly imported: number
  readonly refused: number
}

/**
 * Imports what patients share with us: recognise by feed tag → decide → fetch → keys by m proxies → open → check author, leaf,
 * validity and labels → index here, body left sealed as its author sealed it. What asks other servers comes first and keeps nothing;
 * everything that stays is written in the patient's turn, of what is still shared then.
 */
export class Importing {
  readonly #items: FeedItems
  readonly #foreign: ForeignRecords
  readonly #committing: Committing

  constructor(private readonly parts: ImportParts) {
    this.#items = new FeedItems(parts.sql, parts.mirror, parts.policies)
    this.#foreign = new ForeignRecords(parts)
    this.#committing = new Committing(parts)
  }

  /**
   * One round; `imported` and `refused` are zero when nothing could be done. The feed of one author and patient that fails
   * does not hinder the others.
   * @throws ConsentryError `unavailable` to try again later, after everything else of the round is done
   */
  async round(): Promise<ImportRound> {
    const items = await this.#items.recognise()
    const batches = Map.groupBy(items, ({ patient, origin }) => `${patient}|${origin}`)
    let [imported, refused] = [0, 0]
    const failures: unknown[] = []
    for (const batch of batches.values()) {
      try {
        const outcome = await this.#import(batch)
        imported += outcome.imported
        refused += outcome.refused
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0 && imported + refused === 0) throw failures[0]
    return { imported, refused }
  }

  /** Items of one patient and author. */
  async #import(batch: readonly FeedItem[]): Promise<ImportRound> {
    const { patient, origin } = batch[0] as FeedItem
    const { openings, holds } = await decideImport(this.parts, patient, origin, batch)
    const permitted = batch.filter(holds)
    if (permitted.length === 0) return { imported: 0, refused: 0 }
    const opened = await this.#foreign.open(patient, origin, permitted, openings)
    return await this.parts.turns.take(patient, () => this.#settle(patient, origin, opened))
  }

  /** Writes what came of items that are still shared, and nothing of the others: a purge was here for them, or will be. */
  async #settle(patient: PatientId, origin: PartyId, opened: Opened): Promise<ImportRound> {
    const outcomes = await this.#stillShared(patient, origin, opened.outcomes)
    if (outcomes.length === 0) return { imported: 0, refused: 0 }
    const policies = new Set(outcomes.flatMap(({ item }) => item.policies.map(nameOf)))
    const capsules = [...opened.capsules.values()].filter(({ foreign }) => policies.has(nameOf(foreign.policy)))
    await this.parts.capsules.keep(capsules)
    const sound = outcomes.flatMap(({ item: { cid }, blocks, result }) =>
      'sound' in result ? [{ cid, blocks, sound: result.sound }] : [],
    )
    await this.parts.blocks.put(patient, sound)
    const ofOthers = await this.#committing.commit(
      patient,
      sound.map((each) => each.sound),
    )
    const dropped = sound.filter((each) => ofOthers.has(each.sound))
    await this.parts.blocks.drop(
      patient,
      dropped.map(({ cid }) => cid),
    )
    const marks = outcomes.map(({ item, result }): Mark => {
      const reason = 'refused' in result ? result.refused : ofOthers.has(result.sound) ? OF_ANOTHER : null
      return { item, state: reason === null ? 'imported' : 'refused', reason }
    })
    await this.#items.mark(marks)
    this.#tellRefused(origin, marks)
    const imported = marks.filter(({ state }) => state === 'imported').length
    return { imported, refused: marks.length - imported }
  }

  #tellRefused(origin: PartyId, marks: readonly Mark[]): void {
    const reasons = Map.groupBy(marks, ({ reason }) => reason)
    for (const [reason, refused] of reasons) {
      if (reason === null) continue
      const text = `${refused.length} records of entity ${origin} were refused and are not tried again: ${reason}`
      this.parts.onRefused(new ConsentryError('conflict', text))
    }
  }

  async #stillShared(patient: PatientId, origin: PartyId, outcomes: readonly Outcome[]): Promise<Outcome[]> {
    const { holds } = await decideImport(
      this.parts,
      patient,
      origin,
      outcomes.map(({ item }) => item),
    )
    const shared = new Set((await this.parts.policies.all()).map(nameOf))
    return outcomes.filter(({ item }) => holds(item) && item.policies.every((policy) => shared.has(nameOf(policy))))
  }
}

function nameOf({ policyKey }: SharedPolicy): string {
  return Buffer.from(policyKey.toBytes()).toString('hex')
}
