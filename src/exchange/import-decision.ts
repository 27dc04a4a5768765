import { decide, type Facts, type Freshness } from '../consent/decide.js'
import type { ConsentMirror } from '../consent/mirror.js'
import type { PartyId, PatientId, Permit, RecordSubject } from '../consent/permit.js'
import { purposeMask, purposesOf } from '../consent/terms.js'

/** What opening needs of consent: the permit, and the terms that proxies ask the ledger with. */
export interface Opening {
  readonly permit: Permit
  readonly purpose: number
  readonly categories: bigint
}

export interface DecisionParts {
  readonly entity: PartyId
  readonly clock: () => number
  readonly freshness: () => Freshness
  readonly mirror: ConsentMirror
}

/** What of an item the decision looks at. */
export interface Offered {
  readonly labels: bigint
  /** By the ledger, seconds since the epoch; `null`: not known. */
  readonly anchoredAt: number | null
}

/** What may be imported of an author's items of a patient. */
export interface Importable {
  /** By set of labels. */
  readonly openings: ReadonlyMap<bigint, Opening>
  readonly holds: (item: Offered) => boolean
}

const NOTHING: Importable = { openings: new Map(), holds: () => false }

/**
 * Whether we may open what an author wrote of a patient, and it might write when it did: for each set of labels the permit, or nothing. Which categories a record has is
 * known only once it is open: one that is granted opens it, and the record is decided anew whenever it is read.
 */
export async function decideImport(
  { entity, clock, freshness, mirror }: DecisionParts,
  patient: PatientId,
  origin: PartyId,
  items: readonly Offered[],
): Promise<Importable> {
  const now = clock()
  const until = await mightWriteUntil(mirror, patient, origin)
  if (until === null) return NOTHING
  const labelSets = new Set(items.map(({ labels }) => labels))
  const facts: Facts = {
    now,
    freshness: freshness(),
    activeParties: await mirror.activeParties([entity], Math.floor(now / 1000)),
    // What a policy document asks of a record is known once it is open: then every reading is decided by it.
    words: (await mirror.words([patient], [entity], 'read')).map(({ policies: _, ...word }) => word),
  }
  const openings = new Map<bigint, Opening>()
  for (const labels of labelSets) {
    const words = facts.words.filter((word) => (word.labels & labels) !== 0n)
    for (const word of words) {
      for (const purpose of purposesOf(word.purposes)) {
        const categories = word.categories & -word.categories
        const subject: RecordSubject = { patient, origin, labels, categories }
        const decision = decide({ action: 'read', purpose, parties: [entity], subjects: [subject] }, facts)
        if ('permit' in decision && !openings.has(labels)) {
          openings.set(labels, { permit: decision.permit, purpose: purposeMask([purpose]), categories })
        }
      }
    }
  }
  return {
    openings,
    holds: ({ labels, anchoredAt }) => openings.has(labels) && (anchoredAt ?? 0) <= until + ANCHORING_SECONDS,
  }
}

/**
 * What was written while it might be is anchored some time after, when its author's node is back. Nobody else can tell when it was written, so
 * whose permission has ended has this long for what it still had to anchor.
 */
const ANCHORING_SECONDS = 86_400

/**
 * Who holds a patient's policy key can seal under it, so each that the patient shares with could put into everybody's record of the patient
 * what it likes. An author is whom the patient lets write: the entity that registered the patient, or one that is granted to, itself or
 * through a practitioner; and of one to whom that was granted once, what it anchored until then.
 *
 * @returns seconds since the epoch; `null`: it never might
 */
async function mightWriteUntil(mirror: ConsentMirror, patient: PatientId, origin: PartyId): Promise<number | null> {
  const registered = await mirror.party(patient)
  if (registered?.parent === origin) return Infinity
  const practitioners = await mirror.partiesOfKind('practitioner')
  const parties = [origin, ...practitioners.filter(({ parent }) => parent === origin).map(({ id }) => id)]
  return mirror.writableUntil(patient, parties)
}
