import { labelBits } from '../consent/labels.js'
import type { ConsentMirror } from '../consent/mirror.js'
import type { PartyId, PatientId } from '../consent/permit.js'
import type { Sql } from '../records/database.js'
import { feedTag } from './feed-tag.js'
import type { SharedPolicies, SharedPolicy } from './policies.js'

/** Records of one round. */
const ROUND = 200

/** A record that a manifest names and a shared policy recognises. */
export interface FeedItem {
  readonly origin: PartyId
  readonly root: Buffer
  readonly leafIndex: number
  readonly cid: string
  readonly leaf: Buffer
  readonly patient: PatientId
  readonly labels: bigint
  /** Seconds since the epoch; `null`: read before this was kept. */
  readonly anchoredAt: number | null
  /** In the order of the envelope's capsules. */
  readonly policies: readonly SharedPolicy[]
}

/** What became of an item. */
export interface Mark {
  readonly item: FeedItem
  readonly state: 'imported' | 'refused'
  readonly reason: string | null
}

interface Row {
  readonly origin: Buffer
  readonly root: Buffer
  readonly leaf_index: number
  readonly cid: string
  readonly leaf: Buffer
  readonly tags: Buffer[]
  readonly anchored_at: bigint | null
}

type Known = ReadonlyMap<string, { readonly policy: SharedPolicy; readonly author: PartyId }>

/** The feeds of others, of which only items are recognised whose every tag is of a shared policy of one patient and their author. */
export class FeedItems {
  /** Where the next round goes on: what cannot be imported now must not stand before what can. */
  #after: Pick<Row, 'origin' | 'root' | 'leaf_index'> | null = null

  constructor(
    private readonly sql: Sql,
    private readonly mirror: ConsentMirror,
    private readonly policies: SharedPolicies,
  ) {}

  /** Of the next rows that nothing has become of yet. */
  async recognise(): Promise<FeedItem[]> {
    const known = await this.#tags()
    if (known.size === 0) return []
    const { rows } = await this.sql.query<Row>(
      `SELECT origin, root, leaf_index, cid, leaf, tags, anchored_at FROM feed_item
       WHERE state = 'seen' AND tags <@ $1::bytea[] AND (origin, root, leaf_index) > ($3, $4, $5)
       ORDER BY origin, root, leaf_index LIMIT $2`,
      [
        [...known.keys()].map((tag) => Buffer.from(tag, 'hex')),
        ROUND,
        this.#after?.origin ?? Buffer.alloc(0),
        this.#after?.root ?? Buffer.alloc(0),
        this.#after?.leaf_index ?? -1,
      ],
    )
    this.#after = rows.length === ROUND ? (rows.at(-1) ?? null) : null
    return rows.flatMap((row) => itemOf(row, known))
  }

  async mark(marks: readonly Mark[]): Promise<void> {
    await this.sql.query(
      `UPDATE feed_item f SET state = i.state, reason = i.reason, patient = i.patient
       FROM unnest($1::bytea[], $2::bytea[], $3::int[], $4::bytea[], $5::text[], $6::text[])
         AS i(origin, root, leaf_index, patient, state, reason)
       WHERE f.origin = i.origin AND f.root = i.root AND f.leaf_index = i.leaf_index`,
      [
        marks.map(({ item }) => bytes(item.origin)),
        marks.map(({ item }) => item.root),
        marks.map(({ item }) => item.leafIndex),
        marks.map(({ item }) => bytes(item.patient)),
        marks.map(({ state }) => state),
        marks.map(({ reason }) => reason),
      ],
    )
  }

  async #tags(): Promise<Known> {
    const [policies, authors] = await Promise.all([this.policies.all(), this.mirror.partiesOfKind('entity')])
    return new Map(
      policies.flatMap((policy) =>
        authors.map(({ id }) => {
          const tag = Buffer.from(feedTag(policy.policyKey.toBytes(), id)).toString('hex')
          return [tag, { policy, author: id }] as const
        }),
      ),
    )
  }
}

function itemOf(
  { origin: party, root, leaf_index: leafIndex, cid, leaf, tags, ...row }: Row,
  known: Known,
): FeedItem[] {
  const matches = tags.flatMap((tag) => known.get(tag.toString('hex')) ?? [])
  const origin: PartyId = `0x${party.toString('hex')}`
  const patient = matches[0]?.policy.patient
  const one =
    matches.length === tags.length && matches.every((m) => m.author === origin && m.policy.patient === patient)
  if (!one || patient === undefined) return []
  const policies = matches.map(({ policy }) => policy)
  const labels = labelBits(policies.map((p) => p.label))
  const anchoredAt = row.anchored_at === null ? null : Number(row.anchored_at)
  return [{ origin, root, leafIndex, cid, leaf, patient, labels, anchoredAt, policies }]
}

function bytes(value: string): Buffer {
  return Buffer.from(value.slice(2), 'hex')
}
